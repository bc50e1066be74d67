"""`gpt-image2 compose`: an edit that is there already, with its source put back outside the mask."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.telling.output import output_for

from ..compose import changed_outside, compose
from ..files import check_output, encode, format_for, open_picture, save
from ..mask_files import read_edit_mask
from ..shapes import READINGS, parse_length
from .ending import add_history_flag, add_target, finish, keep_derivation, picture_parser

COMMAND = "compose"


def main(argv: Sequence[str]) -> int:
    """Runs the command; its exit code."""
    output = output_for(list(argv))
    options = _parser().parse_args(argv)
    kind = format_for(options.output)
    inputs = [options.source, options.result, options.mask]
    target = check_output(options.output, inputs)
    seam = None if options.seam is None else parse_length(options.seam, "--seam")
    source, edit = open_picture(options.source, "source"), open_picture(options.result, "result")
    area, notes = read_edit_mask(options.mask, source, options.read_as)
    seam_px = None if seam is None else seam.pixels(min(source.size))
    done = compose(source, edit, area, seam_px)
    warnings: list[str] = []
    if done.image is None:
        data = Path(edit.path).read_bytes() if kind == edit.format else encode(edit.image, kind)
        warnings.append(f"not composed: {done.reason}; what was saved is the result as it came")
        changed = None
    else:
        data = encode(done.image, kind, icc_profile=source.icc_profile)
        with Image.open(io.BytesIO(data)) as written:
            changed = changed_outside(source.image, written, area)
        if changed:
            warnings.append(f"{kind} changed {changed:,} pixels outside the mask; png and webp change none")
        else:
            notes.append("0 pixels changed outside the mask")
    figures = {
        "composed": done.image is not None,
        "reason": done.reason or None,
        **(done.shift.as_json() if done.shift else {}),
        "tone_levels": round(done.tone_levels, 2),
        **({} if changed is None else {"changed_outside": changed}),
    }
    saved, sources = save(target, data), [source.path, edit.path]
    method = "keep-outside" if done.image is not None else "as it came"
    keep_derivation(output, saved, sources, method, no_history=options.no_history)
    return finish(
        output,
        COMMAND,
        [saved],
        sources,
        method,
        figures,
        [*source.notes, *notes, *done.notes],
        warnings,
        ExitCode.OK if done.image is not None else ExitCode.CHECK,
    )


def _parser() -> Parser:
    parser = picture_parser(
        COMMAND,
        "Lay an edit over its source, and put the source back outside the mask: the edit is scaled and moved "
        "to where it belongs, its tone is matched along the seam, and outside not one pixel is changed.",
        "SOURCE RESULT --mask MASK -o FILE [options]",
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="the picture that was edited")
    add("result", metavar="RESULT", help="the edit, as the model sent it")
    add("--mask", required=True, metavar="MASK", help="the mask of the edit")
    add("--read-as", choices=READINGS, default="auto", help="what of the mask was edited (default auto)")
    add("--seam", metavar="PX|%", help="how wide the blend inside the mask's edge is (default 1%%)")
    add_target(add)
    add_history_flag(add)
    return parser
