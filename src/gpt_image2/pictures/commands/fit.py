"""`gpt-image2 fit`: a picture in an exact size, under a weight, or in another format."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from gpt_image2.core.api.sizes import parse_size
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.telling.output import output_for

from ..files import Picture, check_output, encode, format_for, open_picture, save
from ..shapes import rgb_of
from ..sizes import FITS, fitted, flattened, packed, parse_weight
from .ending import add_history_flag, add_target, finish, keep_derivation, picture_parser

COMMAND = "fit"


def main(argv: Sequence[str]) -> int:
    """Runs the command; its exit code."""
    output = output_for(list(argv))
    options = _parser().parse_args(argv)
    kind = format_for(options.output)
    size = None if options.exact is None else parse_size(options.exact)
    if options.exact is not None and size is None:
        raise UsageError(f"size {show(options.exact)!r} is not understood", hint="give WxH, as 1200x630")
    max_bytes = None if options.under is None else parse_weight(options.under)
    pad = "" if options.pad_color is None else "#{:02x}{:02x}{:02x}".format(*rgb_of(options.pad_color))
    target = check_output(options.output, [options.file])
    picture = open_picture(options.file)
    image, notes = _sized(picture, size, options.fit, pad)
    if kind == "jpeg" and image.mode == "RGBA":
        image = flattened(image, pad or "#ffffff")
        notes.append(f"laid on {pad or 'white'}: jpeg has no transparency")
    quality = None
    if max_bytes is None:
        data = encode(image, kind, icc_profile=picture.icc_profile)
    else:
        done = packed(image, kind, max_bytes, picture.icc_profile)
        data, quality = done.data, done.quality
        notes.append(f"quality {quality}" if quality else "nothing was lost to get under the weight")
    width, height = image.size
    figures = {"width": width, "height": height, "quality": quality}
    method = options.fit if size is not None else "converted"
    saved = save(target, data)
    keep_derivation(output, saved, [picture.path], method, no_history=options.no_history)
    return finish(output, COMMAND, [saved], [picture.path], method, figures, [*picture.notes, *notes])


def _sized(
    picture: Picture, size: tuple[int, int] | None, fit: str, pad: str
) -> tuple[Image.Image, list[str]]:
    if size is None or size == picture.size:
        return picture.image, []
    image = fitted(picture.image, size, fit, pad)
    how = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[fit]
    return image, ["{} from {}x{} to {}x{}".format(how, *picture.size, *size)]


def _parser() -> Parser:
    parser = picture_parser(
        COMMAND,
        "Bring a picture to an exact size, under a weight, or into another format. The file itself stays.",
        "FILE [--exact WxH] [--under KB] -o FILE [options]",
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="the picture: png, jpeg, webp, heic, avif, gif, bmp, tiff …")
    add_target(add)
    add_history_flag(add)
    add("--exact", metavar="WxH", help="the size that it gets, to the pixel")
    add("--fit", choices=FITS, default="crop", help="how it gets there (default crop, about its middle)")
    add("--pad-color", metavar="COLOR", help="what --fit pad adds, as '#rrggbb' (default clear; jpeg white)")
    add("--under", metavar="KB", help="the weight that it stays under, as 300KB; quality is chosen for it")
    return parser
