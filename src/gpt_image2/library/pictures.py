"""Working with pictures from a program: a mask, a check, a cut-out.

Needs the package with `[pictures]` (Python 3.10 or newer). More is in `gpt_image2.pictures`.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Generator, List, Mapping, Optional, Sequence, Tuple, Union, cast

from ..core.base.errors import UsageError
from ..core.base.optional_part import install_line
from ..core.outputs.files import temporary_folder, write_private
from .arguments import wrong_type
from .call import in_our_words
from .inputs import read_input
from .outcome import SavedImage, image_of, in_memory

if TYPE_CHECKING:
    from ..pictures.check import Verdict
    from .options import ImageInput, PathLike


def mask(
    image: ImageInput,
    shapes: Union[Mapping[str, object], Sequence[Mapping[str, object]]],
    *,
    invert: bool = False,
    grow: Union[str, int, float] = 0,
    feather: Union[str, int, float] = 0,
    output: Optional[PathLike] = None,
) -> SavedImage:
    """The mask for an edit of an image, a PNG as the API takes it: in memory, or in the file `output`.

    `shapes` are a shape or several, as `{"rect": ["10%", "20%", "30%", "40%"]}` (x, y, width, height),
    `ellipse`, `polygon`, `color`, `file` or `difference`, each with an `op`: `add`, `subtract` or
    `intersect`. A place is in pixels (120), percent ("25%") or fractions (0.25). `grow` and `feather` are
    lengths. `invert` edits everything else.

    Example:
        client = gpt_image2.Client()
        room = client.generate("A room", quality="low").image
        sofa = gpt_image2.mask(room.bytes(), {"rect": ["30%", "50%", "60%", "40%"]}, feather="2%")
        client.edit(room.bytes(), "A green sofa", mask=sofa.bytes(), quality="low")

    Raises:
        UsageError: the image, a shape or the output cannot be used, or `[pictures]` is not installed.
    """
    with _files({"image": image}) as paths, in_our_words():
        from ..pictures.files import open_picture
        from ..pictures.masks import make_mask, mask_png
        from ..pictures.shapes import parse_plan

        listed = [shapes] if isinstance(shapes, Mapping) else list(shapes)
        plan = {"shapes": listed, "invert": invert, "grow": _length(grow), "feather": _length(feather)}
        try:
            text = json.dumps(plan)
        except (TypeError, ValueError):
            raise wrong_type(
                "shapes", shapes, "shapes as JSON has them", "see `help(gpt_image2.mask)`"
            ) from None
        data, _ = mask_png(make_mask(open_picture(paths["image"]), parse_plan(text)))
        return _kept(data, output, [paths["image"]])


def check(
    image: ImageInput,
    *,
    size: Optional[str] = None,
    max_kb: Optional[float] = None,
    alpha: bool = False,
    against: Optional[ImageInput] = None,
    mask: Optional[ImageInput] = None,
    tolerance: int = 0,
) -> Tuple[Verdict, ...]:
    """What holds of a picture: verdicts with `name`, `ok`, `detail` and `figures`.

    `size` is the size that it is to have (`1200x630`), `max_kb` what its file may weigh (KB of 1000 bytes),
    `alpha` asks for a transparent background, `against` a picture from which it may differ inside `mask`
    only, but for `tolerance` (levels of 255).

    Example:
        fox = gpt_image2.Client().generate("A red fox", size="square", quality="low").image
        verdicts = gpt_image2.check(fox.bytes(), size="1024x1024", max_kb=5000)
        print(all(verdict.ok for verdict in verdicts))

    Raises:
        UsageError: an image cannot be used, nothing is asked for, or `[pictures]` is not installed.
    """
    given = {"image": image, "against": against, "mask": mask}
    with _files({name: value for name, value in given.items() if value is not None}) as paths, in_our_words():
        from ..core.api.sizes import parse_size
        from ..pictures.check import check_against, check_alpha, check_size, check_weight
        from ..pictures.files import open_picture
        from ..pictures.mask_files import read_mask

        picture = open_picture(paths["image"])
        verdicts: List[Verdict] = []
        if size is not None:
            wished = parse_size(size) if isinstance(cast(object, size), str) else None
            if wished is None:
                raise UsageError(f"`size` {size!r} is not understood", hint='give "1200x630"')
            verdicts.append(check_size(picture, wished))
        if max_kb is not None:
            verdicts.append(check_weight(picture, max_kb))
        if alpha:
            verdicts += check_alpha(picture)
        if against is not None:
            source = open_picture(paths["against"], "source")
            area = read_mask(paths["mask"], source, "auto")[0] if mask is not None else None
            verdicts += check_against(picture, source, area, tolerance)
        elif mask is not None:
            raise UsageError("`mask` needs `against`", hint="give the source of the edit")
        if not verdicts:
            raise UsageError("there is nothing to check", hint="give `size`, `max_kb`, `alpha` or `against`")
        return tuple(verdicts)


def cutout(
    image: ImageInput,
    *,
    key: Optional[str] = None,
    pair: Optional[ImageInput] = None,
    holes: str = "auto",
    output: Optional[PathLike] = None,
) -> SavedImage:
    """The subject of a picture on a transparent background, a PNG: in memory, or in the file `output`.

    The background is flat, of the colour `key` (`#00ff00`; by default that of the border), or `pair` is the
    same picture on another background, which is exact for glass and hair. `holes` says what becomes of the
    key's colour inside the subject: `auto`, `fill` or `keep`.

    Example:
        from PIL import Image, ImageDraw
        icon = Image.new("RGB", (256, 256), "#00ff00")
        ImageDraw.Draw(icon).ellipse((64, 64, 192, 192), "#d02020")
        print(gpt_image2.cutout(icon).pil().mode)

    Raises:
        UsageError: an image cannot be used, the background is not flat, or `[pictures]` is not installed.
    """
    given = {"image": image, **({} if pair is None else {"pair": pair})}
    with _files(given) as paths, in_our_words():
        from ..pictures.cutouts.keying import HOLES, cut_out
        from ..pictures.cutouts.pairs import cut_out_pair
        from ..pictures.files import encode, open_picture
        from ..pictures.shapes import rgb_of

        if key is not None and pair is not None:
            raise UsageError("`key` and `pair` are two methods", hint="leave one of them out")
        if holes not in HOLES:
            raise UsageError(f"`holes` is {holes!r}", hint=f"choose {', '.join(HOLES)}")
        picture = open_picture(paths["image"])
        if pair is not None:
            found = cut_out_pair(picture, open_picture(paths["pair"]))[0]
        else:
            found = cut_out(picture.rgb, None if key is None else rgb_of(key), holes)
        data = encode(found.image, "png", icc_profile=picture.icc_profile)
        return _kept(data, output, list(paths.values()))


@contextmanager
def _files(given: Mapping[str, Any]) -> Generator[Dict[str, str], None, None]:
    """The images as files, by their names; what was none goes at the end.

    Raises:
        UsageError: one is none, or what is needed for pictures is not installed.
    """
    try:
        import_module("gpt_image2.pictures.files")
    except (ImportError, SyntaxError, TypeError) as error:
        raise UsageError(
            f"working with pictures is not installed here ({getattr(error, 'name', None) or error})",
            hint=install_line("pictures"),
            code="extra_missing",
        ) from None
    with temporary_folder() as folder:
        paths: Dict[str, str] = {}
        for name, value in given.items():
            read = read_input(value, name)
            paths[name] = str(read) if isinstance(read, str) else str(folder / name)
            if not isinstance(read, str):
                write_private(Path(paths[name]), cast(bytes, read))
        yield paths


def _kept(data: bytes, output: Optional[PathLike], sources: List[str]) -> SavedImage:
    if output is None:
        image = in_memory(data)
        assert image is not None
        return image
    from ..pictures.files import check_output, format_for, save

    target = check_output(str(output), sources)
    if format_for(target) != "png":
        raise UsageError("it is a PNG", hint="give `output` a name that ends in .png")
    return image_of(save(target, data))


def _length(value: object) -> str:
    return value if isinstance(value, str) else f"{value}px" if value == 0 else str(value)
