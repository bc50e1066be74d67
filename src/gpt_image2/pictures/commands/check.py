"""`gpt-image2 check`: whether a picture is what it should be, as verdicts and as an exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from gpt_image2.core.api.sizes import parse_size
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.outcome import ExitCode, SavedImage
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.options import amount
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.telling.output import Output, output_for

from ..check import Verdict, check_against, check_alpha, check_size, check_weight, heat_map
from ..files import Picture, check_output, encode, format_for, open_picture, save
from ..mask_files import read_edit_mask
from ..shapes import READINGS
from .ending import finish, picture_parser

COMMAND = "check"


def main(argv: Sequence[str], output: Output | None = None) -> int:
    """Runs the command, which tells `output` what it did; its exit code: 10 where a check does not hold."""
    output = output or output_for(list(argv))
    options = _parser().parse_args(argv)
    size = _checked(options)
    target = None
    if options.map is not None:
        inputs = [each for each in (options.file, options.against, options.mask) if each is not None]
        target = check_output(options.map, inputs)
        format_for(target)
    picture = open_picture(options.file)
    verdicts: list[Verdict] = []
    notes: list[str] = []
    saved: list[SavedImage] = []
    if size is not None:
        verdicts.append(check_size(picture, size))
    if options.max_kb is not None:
        verdicts.append(check_weight(picture, options.max_kb))
    if options.alpha:
        verdicts += check_alpha(picture)
    sources = [picture.path]
    if options.against is not None:
        source = open_picture(options.against, "source")
        sources.append(source.path)
        area = None
        if options.mask is not None:
            area, notes = read_edit_mask(options.mask, source, options.read_as)
        verdicts += check_against(picture, source, area, options.tolerance)
        if target is not None:
            saved = [_mapped(picture, source, target, area)]
    for verdict in verdicts:
        output.result(f"{'ok' if verdict.ok else 'FAIL'}: {verdict.name}: {verdict.detail}")
    code = ExitCode.OK if all(verdict.ok for verdict in verdicts) else ExitCode.CHECK
    checks = {"checks": [verdict.as_json() for verdict in verdicts]}
    width, height = picture.size
    figures = {"width": width, "height": height, **checks}
    return finish(output, COMMAND, saved, sources, "check", figures, [*picture.notes, *notes], code=code)


def _mapped(picture: Picture, source: Picture, target: str, area: np.ndarray | None) -> SavedImage:
    if picture.size != source.size:
        raise UsageError(
            "there is no map of pictures of two sizes", hint="bring the picture to its source's size first"
        )
    return save(target, encode(heat_map(picture, source, area), format_for(target)))


def _checked(options: argparse.Namespace) -> tuple[int, int] | None:
    """The size that is asked for; a `UsageError` for flags that do not fit together."""
    if options.against is None and (options.mask is not None or options.map is not None):
        raise UsageError("--mask and --map need --against", hint="name the source of the edit")
    if not 0 <= options.tolerance <= 255:
        message = f"--tolerance {options.tolerance} is not from 0 to 255"
        raise UsageError(message, hint="it is levels of a channel")
    size = None
    if options.size is not None:
        size = parse_size(options.size)
        if size is None:
            raise UsageError(f"size {show(options.size)!r} is not understood", hint="give WxH, as 1200x630")
    if size is None and not options.alpha and options.against is None and options.max_kb is None:
        raise UsageError("there is nothing to check", hint="give --size, --alpha, --against or --max-kb")
    return size


def _parser() -> Parser:
    parser = picture_parser(
        COMMAND,
        "Check a picture: verdicts in lines or as JSON; exit code 0 when all hold, 10 when one does not, 2 "
        "when the file cannot be read.",
        "FILE [--size WxH] [--alpha] [--against SOURCE [--mask MASK] [--map FILE]] [--max-kb N]",
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the picture to look at")
    add("--size", metavar="WxH", help="it has exactly this size, as it is seen")
    add("--max-kb", type=amount, metavar="N", help="its file has at most N KB (of 1000 bytes)")
    add("--alpha", action="store_true", help="its background is transparent, and no painted checkerboard")
    add(
        "--against",
        metavar="SOURCE",
        help="it differs from this picture only inside --mask, or nowhere",
    )
    add("--mask", metavar="MASK", help="the mask of the edit")
    add("--read-as", choices=READINGS, default="auto", help="what of the mask was edited (default auto)")
    add("--tolerance", type=int, default=0, metavar="0-255", help="so far off is still the same (default 0)")
    add("--map", metavar="FILE", help="write a heat map of what changed")
    return parser
