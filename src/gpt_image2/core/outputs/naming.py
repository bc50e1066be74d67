"""Names the outputs before anything is paid for: from `-o`, the count and the prompt to paths."""

from __future__ import annotations

import os
import re
import time
from itertools import count
from pathlib import Path
from typing import Dict, Iterable, Iterator, Optional, Tuple

from ..base.errors import UsageError
from ..base.record import Record, replace
from ..base.redact import show
from .ours import kind_of, real_path, stat_of

_MAX_SLUG_BYTES = 100
MAX_NAME_BYTES = 255  # what common file systems take
_EXTENSIONS = {"png": ("png",), "jpeg": ("jpg", "jpeg", "jpe", "jfif"), "webp": ("webp",)}
#: Devices on Windows, whatever extension follows.
_RESERVED = r"(?is)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9¹²³]) *(\..*)?"
#: What ends a line somewhere or moves a cursor: a name that holds it could pass for a line of our own.
_CONTROLS = "[\x00-\x1f\x7f-\x9f\u2028\u2029]"

#: What a file is told from another by: device, inode, time of change in ns, size.
FileMark = Tuple[int, int, int, int]


class OutputPlan(Record):
    """Where the images of a call go. Made by `plan_output`, before anything is paid for."""

    folder: Path
    stem: str
    suffix: str
    numbered: bool
    no_clobber: bool
    rescue_folder: Path
    #: The names are ours, so what has one is moved aside and never replaced.
    moves_aside: bool = False
    #: What was at each name when the plan was made, or was put there by this call since: no other file is
    #: replaced. None where nobody has looked.
    met: Optional[Dict[str, Optional[FileMark]]] = None

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
    path = Path(os.path.abspath(_expanded(output)))
    if re.search(_CONTROLS, str(path)):
        raise _bad_name(str(path), "has a control character in it")
    if output.endswith(("/", os.sep)) or os.path.isdir(path):
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{slug(prompt)}"
        # Names made by us never replace a file.
        return OutputPlan(path, stem, "." + extension(output_format), n > 1, True, rescue_folder)
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"{path} is not a regular file", hint="for standard output use -o -")
    problem = name_problem(path.name)
    if problem:
        raise _bad_name(path.name, problem)
    plan = OutputPlan(path.parent, path.stem, path.suffix, n > 1, no_clobber, rescue_folder)
    length = len(os.fsencode(plan.path(n).name))
    if length > MAX_NAME_BYTES:
        raise UsageError(
            f"the output's name has {length} bytes; file systems take up to {MAX_NAME_BYTES}",
            hint="give -o a shorter name, or a folder: -o DIR/",
        )
    return plan


def looked_at(plan: OutputPlan, n: int, previews: int = 0) -> OutputPlan:
    """The plan with what is at its names now: those of `n` images, each with so many previews.

    Raises:
        UsageError: a link of somebody else leads there, or what has a name is no regular file.
    """
    met: Dict[str, Optional[FileMark]] = {}
    try:
        real_path(plan.folder)
        for index in range(1, n + 1) if not plan.no_clobber else ():
            for path in (plan.path(index), *(plan.partial_path(index, each) for each in range(previews))):
                met[path.name] = _met(path)
    except OSError as error:
        raise UsageError(
            f"cannot write to {plan.folder}: {error.strerror or error}",
            hint="choose another place with -o; nothing was sent",
            code="output_not_writable",
        ) from None
    return replace(plan, met=met)


def folders_of(plan: OutputPlan, numbers: Iterable[int]) -> Tuple[Path, ...]:
    """Every folder that a plan writes to: its own, and those that links in it lead to.

    Raises:
        OSError: a link of somebody else leads there.
    """
    paths = [] if plan.no_clobber else [plan.path(number) for number in numbers]
    return (plan.folder, *(real_path(path).parent for path in paths if path.is_symlink()))


def mark_of(path: Path) -> Optional[FileMark]:
    """What tells the file at a path from another; None where there is nothing."""
    info = stat_of(path)
    return None if info is None else (info.st_dev, info.st_ino, info.st_mtime_ns, info.st_size)


def name_problem(name: str) -> str:
    """What keeps a file name, or a relative path, from being an output on every system, in words that follow
    the name; empty where nothing does.

    Windows takes no reserved name and drops dots and blanks at the end. What only Windows refuses and others
    use (a colon in a time) is refused there only.
    """
    if re.search(_CONTROLS, name):
        return "has a control character in it"
    for part in re.split(r"[\\/]" if os.name == "nt" else "/", name):
        if re.fullmatch(_RESERVED, part):
            return "is the name of a device on Windows"
        if part.endswith((".", " ")) and part not in (".", ".."):
            return "ends in a dot or a blank, which Windows drops"
        if os.name == "nt" and re.search('[<>:"|?*]', part):
            return "has a character in it that Windows does not take"
    return ""


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


def _expanded(output: str) -> str:
    """The output with `~` replaced.

    Raises:
        UsageError: there is no home folder that it could stand for.
    """
    path = os.path.expanduser(output)
    of_home = output == "~" or output.startswith(("~/", "~" + os.sep))
    if of_home and (path.startswith("~") or not os.environ.get("HOME", "unset")):
        raise UsageError(
            "-o starts with ~, and there is no home folder", hint="set HOME, or give a whole path"
        )
    return path


def _bad_name(name: str, problem: str) -> UsageError:
    return UsageError(f"the output {show(name, limit=200)!r} {problem}", hint="give -o another name")


def _met(path: Path) -> Optional[FileMark]:
    real = real_path(path)
    info = stat_of(real)
    if info is not None and kind_of(info):
        raise UsageError(f"{path} is {kind_of(info)}, not a regular file", hint="choose another name with -o")
    return mark_of(real)
