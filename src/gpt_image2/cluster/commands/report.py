"""`gpt-image2 batch report ADDRESS`: what is there, as a manifest, as sums, and as pages to look at."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from gpt_image2.core.base.errors import PartialError, UsageError
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.commands.options import add_output_flags
from gpt_image2.core.commands.parser import Parser, parser_of
from gpt_image2.core.outputs.files import temporary_folder
from gpt_image2.core.telling.as_json import failure_json
from gpt_image2.core.telling.in_words import saved_line
from gpt_image2.core.telling.output import output_for

from ..store.objects import open_objects, shown_address
from .manifest import UNREADABLE, ManifestFile, Sums, read_back
from .pages import SheetPages


class _Flags(argparse.Namespace):
    address: str
    manifest: list[str]
    sheet: str | None


def main(argv: Sequence[str]) -> int:
    """Runs the command; its exit code."""
    output = output_for(list(argv))
    flags = _parser().parse_args(list(argv), _Flags())
    objects, sums = open_objects(flags.address, is_read=True), Sums()
    with ExitStack() as stack:
        scratch = stack.enter_context(temporary_folder())
        files = [stack.enter_context(ManifestFile(path)) for path in flags.manifest]
        pages = SheetPages(flags.sheet, objects.address, objects.shown) if flags.sheet else None
        for rows in read_back(objects, scratch, sums):
            for file in files:
                file.write(rows)
            if pages is not None:
                pages.add(rows)
        if not sums.jobs:
            raise UsageError(
                f"no job of a batch lies at {shown_address(objects.address)}",
                hint="give the address that was given to batch run as --out-dir",
            )
        if pages is not None:
            pages.end()
    for path in flags.manifest:
        output.result(saved_line(path, _size(path)))
    if pages is not None and pages.pages:
        output.result(f"Pages: {flags.sheet} ({pages.pages})")
    for line in in_words(sums):
        output.result(line)
    error = None
    if sums.by_status[UNREADABLE]:
        error = PartialError(
            f"{sums.by_status[UNREADABLE]:,} jobs have objects that are not readable: the sums lack them",
            hint="a manifest names them; remove what is broken, and the same batch run writes it again",
            code=UNREADABLE,
        )
        output.complain(f"{error.message}; {error.hint}")
    output.finish(
        {
            "ok": error is None,
            "command": "batch report",
            "address": objects.address,
            "jobs": sums.jobs,
            "by_status": dict(sums.by_status),
            "by_error": dict(sums.by_error),
            "images": sums.images,
            "bytes": sums.size_bytes,
            "cost_usd": round(sums.cost_usd, 6),
            "unpriced": sums.unpriced,
            "maybe_usd": round(sums.maybe_usd, 6),
            "manifest": list(flags.manifest),
            "pages": pages.pages if pages else 0,
            "error": failure_json(error),
        }
    )
    return int(error.exit_code if error else ExitCode.OK)


def in_words(sums: Sums) -> list[str]:
    """The sums for people."""
    unpriced = f" and {sums.unpriced:,} jobs of unknown cost" if sums.unpriced else ""
    maybe = f"; up to ${sums.maybe_usd:.4f} more may have been billed" if sums.maybe_usd else ""
    return [
        f"{sums.jobs:,} jobs: "
        + ", ".join(f"{count:,} {name}" for name, count in sums.by_status.most_common()),
        f"{sums.images:,} images, {sums.size_bytes / 1e6:,.1f} MB; ${sums.cost_usd:.4f}{unpriced}{maybe}",
        *(f"  {count:,} × {code}" for code, count in sums.by_error.most_common()),
    ]


def _size(path: str) -> int:
    return Path(path).expanduser().stat().st_size


def _parser() -> Parser:
    parser = parser_of("batch report", "Read back what batch run has put at an address.", "ADDRESS [options]")
    parser.add_argument("address", metavar="ADDRESS", help="what was given as --out-dir")
    add = parser.add_argument
    add(
        "--manifest",
        action="append",
        default=[],
        metavar="FILE",
        help="write a row an image: .parquet or .jsonl; repeatable",
    )
    add("--sheet", metavar="DIR", help="write pages with all images; those in a bucket are signed for a week")
    add_output_flags(add)
    return parser
