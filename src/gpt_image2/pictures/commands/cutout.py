"""`gpt-image2 cutout`: a subject on a real transparent background, by its key colour or from a pair."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.telling.output import Output, output_for

from ..check import CLEAR, OPAQUE, check_alpha
from ..cutouts.keying import HOLES, Cutout, cut_out
from ..cutouts.pairs import cut_out_pair
from ..files import Picture, check_output, encode, format_for, open_picture, save
from ..shapes import rgb_of
from .ending import (
    add_history_flag,
    add_target,
    finish,
    keep_derivation,
    picture_parser,
)

COMMAND = "cutout"


def main(argv: Sequence[str], output: Output | None = None) -> int:
    """Runs the command, which tells `output` what it did; its exit code."""
    output = output or output_for(list(argv))
    options = _parser().parse_args(argv)
    kind = format_for(options.output)
    if kind == "jpeg":
        raise UsageError("jpeg has no transparency", hint="give -o a name that ends in .png or .webp")
    if options.pair is not None and options.key is not None:
        raise UsageError("--key and --pair are two methods", hint="leave one of them out")
    key = None if options.key in (None, "auto") else rgb_of(options.key)
    inputs = [options.file, *([] if options.pair is None else [options.pair])]
    target = check_output(options.output, inputs)
    picture = open_picture(options.file)
    cutout, figures, sources = _cut(picture, options, key)
    data = encode(cutout.image, kind, icc_profile=picture.icc_profile)
    alpha = cutout.alpha
    result = Picture(target, cutout.image, kind, cutout.image.size, len(data))
    verdicts = check_alpha(result)
    warnings = [f"{verdict.name}: {verdict.detail}" for verdict in verdicts if not verdict.ok]
    clear, soft = float((alpha <= CLEAR).mean()), float(((alpha > CLEAR) & (alpha < OPAQUE)).mean())
    notes = [*picture.notes, *cutout.notes, f"{clear:.1%} of it is clear, {soft:.1%} soft"]
    figures = {
        **figures,
        "clear_share": round(clear, 6),
        "soft_share": round(soft, 6),
        "checks": [verdict.as_json() for verdict in verdicts],
    }
    method = "pair" if options.pair is not None else "key"
    saved = save(target, data)
    keep_derivation(output, saved, sources, method, no_history=options.no_history)
    return finish(output, COMMAND, [saved], sources, method, figures, notes, warnings)


def _cut(
    picture: Picture, options: argparse.Namespace, key: tuple[int, int, int] | None
) -> tuple[Cutout, dict[str, object], list[str]]:
    if options.pair is not None:
        second = open_picture(options.pair)
        cutout, shift = cut_out_pair(picture, second)
        return cutout, {"key": None, **shift.as_json()}, [picture.path, second.path]
    if picture.has_alpha and np.asarray(picture.image.getchannel("A")).min() <= CLEAR:
        raise UsageError("the picture is transparent already", hint="look at it with: check FILE --alpha")
    cutout = cut_out(picture.rgb, key, options.holes)
    red, green, blue = cutout.key or (0, 0, 0)
    return cutout, {"key": f"#{red:02x}{green:02x}{blue:02x}"}, [picture.path]


def _parser() -> Parser:
    parser = picture_parser(
        COMMAND,
        "Cut a subject out of its flat background: by the background's colour, or, exact with glass, smoke "
        "and fine hair, from a pair: the same picture on two backgrounds.",
        "FILE -o FILE [--key COLOR | --pair FILE] [options]",
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the picture of the subject")
    add_target(add, "the file to write: .png or .webp")
    add_history_flag(add)
    add(
        "--key",
        metavar="COLOR",
        help="the background's colour, as '#00ff00'; auto (default): what the border has",
    )
    add("--pair", metavar="FILE", help="the same picture on another background, such as black and white")
    add(
        "--holes",
        choices=HOLES,
        default="auto",
        help="fill or keep regions of the key that the subject encloses (default auto: what is of exactly "
        "the key is a hole)",
    )
    return parser
