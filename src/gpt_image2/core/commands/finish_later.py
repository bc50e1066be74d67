"""What finishes a picture whose call was broken off once its image is there, as commands. Pure."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ..base.about import called, in_quotes
from .picture_flags import AREA_KINDS, PictureWishes

#: What stands for the image that came, whose name is known only then.
IMAGE = "{image}"


def commands_to_finish(wishes: PictureWishes, source: Optional[str], mask: Optional[str], target: str) -> str:
    """The command, or several, that make of `IMAGE` the picture at `target`; or in words that none does.

    `source` is the image that was edited and `mask` the user's own mask; None where that is not on disk.
    """
    if wishes.extend or wishes.to:
        return f"the source cannot be put back: {IMAGE} is all as the model painted it"
    steps: List[Sequence[str]] = []
    if wishes.keep_outside:
        if source is None or (mask is None and not wishes.area):
            return f"the source cannot be put back, it was no file here: {IMAGE} is as the model painted it"
        if mask is None:
            mask = _step_file(target, "mask")
            steps.append(["mask", source, *_shapes(wishes.area), "-o", mask])
        steps.append(["compose", source, IMAGE, "--mask", mask])
    if wishes.cutout or wishes.glass:
        steps.append(["cutout", IMAGE])
    if wishes.exact or wishes.under:
        flags = [("--exact", wishes.exact), ("--fit", wishes.fit), ("--under", wishes.under)]
        steps.append(["fit", IMAGE, *(word for flag, value in flags if value for word in (flag, value))])
    lines: List[str] = []
    image = IMAGE
    for number, words in enumerate(steps, 1):
        words = [image if word == IMAGE else word for word in words]
        if "-o" not in words:
            image = target if number == len(steps) else _step_file(target, words[0])
            words += ["-o", image]
        lines.append(" ".join([called(), *(word if word == IMAGE else in_quotes(word) for word in words)]))
    return " && ".join(lines)


def _shapes(areas: Sequence[str]) -> List[str]:
    words: List[str] = []
    for area in areas:
        kind, _, places = area.replace(" ", "").rpartition(":")
        words += [f"--{kind if kind in AREA_KINDS else 'rect'}", places]
    return words


def _step_file(target: str, word: str) -> str:
    stem = target.rpartition(".")[0] or target
    return f"{stem}.{word}.png"
