"""Names the outputs before anything is paid for: from `-o`, the count and the prompt to paths."""

from __future__ import annotations

import os
import re
import time
from itertools import count
from pathlib import Path
from typing import Iterator

from ..base.errors import UsageError
from ..base.record import Record

_MAX_SLUG_BYTES = 100
_MAX_NAME_BYTES = 255  # what common file systems take
_EXTENSIONS = {"png": ("png",), "jpeg": ("jpg", "jpeg", "jpe", "jfif"), "webp": ("webp",)}


class OutputPlan(Record):
    """Where the images of a call go. Made by `plan_output`, before anything is paid for."""

    folder: Path
    stem: str
    suffix: str
    numbered: bool
    no_clobber: bool
    rescue_folder: Path

    def path(self, index: int) -> Path:
        """The path asked for the image with this 1-based index (any further image than asked is numbered)."""
        number = f"-{index}" if self.numbered or index > 1 else ""
        return self.folder / f"{self.stem}{number}{self.suffix}"

    def partial_path(self, index: int, partial_index: int) -> Path:
        """The path of a preview of that image."""
        path = self.path(index)
        return path.with_name(f"{path.stem}.partial-{partial_index}{path.suffix}")

    def free_paths(self, target: Path, index: int) -> Iterator[Path]:
        """A target, then the names that `--no-clobber` may take in its stead."""
        yield target
        stem = self.stem if target == self.path(index) else target.stem
        for number in count(index + 1 if self.numbered else 1):
            yield target.with_name(f"{stem}-{number}{self.suffix}")


def plan_output(
    output: str, output_format: str, n: int, prompt: str, rescue_folder: Path, no_clobber: bool = False
) -> OutputPlan:
    """Where the images go: a file name, or a folder (existing, or with a trailing slash).

    Raises:
        UsageError: the target is a device, or a name that cannot be one or is too long.
    """
    if not output or "\0" in output:
        raise UsageError("the output path is empty or has a NUL in it", hint="give -o FILE, -o DIR/ or -o -")
    path = Path(os.path.abspath(os.path.expanduser(output)))
    if output.endswith(("/", os.sep)) or os.path.isdir(path):
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(prompt)}"
        # Names made by us never replace a file.
        return OutputPlan(path, stem, "." + extension(output_format), n > 1, True, rescue_folder)
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"{path} is not a regular file", hint="for standard output use -o -")
    plan = OutputPlan(path.parent, path.stem, path.suffix, n > 1, no_clobber, rescue_folder)
    length = len(os.fsencode(plan.path(n).name))
    if length > _MAX_NAME_BYTES:
        raise UsageError(
            f"the output's name has {length} bytes; file systems take up to {_MAX_NAME_BYTES}",
            hint="give -o a shorter name, or a folder: -o DIR/",
        )
    return plan


def extension(image_format: str) -> str:
    """The usual file extension of a format, without the dot."""
    return _EXTENSIONS.get(image_format, (image_format,))[0]


def has_matching_extension(path: str, image_format: str) -> bool:
    """Whether a file name says what the bytes are."""
    return Path(path).suffix.lower().lstrip(".") in _EXTENSIONS.get(image_format, (image_format,))


def slug(prompt: str, limit: int = 40) -> str:
    """A prompt as a part of a file name: letters and digits of any script, joined by hyphens."""
    words = re.findall(r"[^\W_]+", prompt.lower())
    text = ""
    for word in words:
        longer = f"{text}-{word}" if text else word[:limit]
        if len(longer) > limit or len(longer.encode("utf-8", "replace")) > _MAX_SLUG_BYTES:
            break
        text = longer
    return text or "image"
