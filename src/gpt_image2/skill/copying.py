"""Copy a skill folder as a whole: made beside its target, then renamed into place. No link is followed."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Optional, Tuple

from gpt_image2.core.base.errors import OutputError, UsageError
from gpt_image2.core.outputs.ours import folder_lock

from .places import SKILL, Place

_SKIPPED = ("__pycache__",)


@dataclass(frozen=True)
class CopyPlan:
    """What will be copied where. `files` are relative to both folders."""

    source: Path
    target: Path
    files: Tuple[Path, ...]
    replaces: bool
    rewrite: Optional[Callable[[str], str]] = None


def plan_copy(source: Path, place: Place, force: bool, rewrite: Optional[Callable[[str], str]]) -> CopyPlan:
    """What will be copied, after every check that can be made without writing.

    Raises:
        UsageError: the target is taken, is no skill of this name, or lies where it should not.
    """
    target = place.target
    _check_place(place, source)
    replaces = os.path.lexists(target)
    if replaces:
        _check_replaceable(target, force)
    return CopyPlan(source, target, tuple(_files_of(source)), replaces, rewrite)


def copy_skill(plan: CopyPlan) -> None:
    """Carries a plan out. What was there before is gone only when all of the new is in its place.

    Raises:
        OutputError: something could not be written; what was there before is there still.
    """
    folder = plan.target.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{SKILL}-", dir=folder) as scratch:
            fresh = Path(scratch) / "new"
            for name in plan.files:
                _copy_file(plan.source / name, fresh / name)
            if plan.rewrite:
                path = fresh / "SKILL.md"
                path.write_bytes(plan.rewrite(path.read_bytes().decode("utf-8")).encode("utf-8"))
            with folder_lock(folder):  # another may be put there at the same moment
                _swap(fresh, plan.target, Path(scratch) / "old")
    except OSError as error:
        raise OutputError(
            f"cannot write {plan.target}: {error.strerror or error}", hint="check the folder's permissions"
        ) from None


def _files_of(folder: Path) -> List[Path]:
    """The regular files of a folder, sorted; links, hidden files and caches are left out."""
    found: List[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith(".")]
        paths = [Path(root) / name for name in names if not name.startswith(".")]
        found += [path.relative_to(folder) for path in paths if path.is_file() and not path.is_symlink()]
    return sorted(found)


def _check_place(place: Place, source: Path) -> None:
    real = Path(os.path.realpath(place.folder))
    if place.base is not None:
        base = Path(os.path.realpath(place.base))
        if base != real and base not in real.parents:
            raise UsageError(
                f"{place.folder} is a link out of {place.base}, to {real}",
                hint=f"if that is meant, name the folder: --to {real}",
                code="link_out",
            )
    source = Path(os.path.realpath(source))
    if source in ((real / SKILL), *(real / SKILL).parents):
        raise UsageError(
            f"{place.target} is the skill folder that would be copied", hint="name another folder"
        )


def _check_replaceable(target: Path, force: bool) -> None:
    if target.is_symlink():
        raise UsageError(
            f"{target} is a link to {os.path.realpath(target)}", hint="remove the link first", code="is_link"
        )
    if not (target / "SKILL.md").is_file():
        raise UsageError(
            f"{target} exists and is no skill", hint="look at it, and move it away", code="not_a_skill"
        )
    if not force:
        raise UsageError(f"{target} exists already", hint="add --force to replace it", code="exists")


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    if os.access(source, os.X_OK):
        target.chmod(0o755)


def _swap(fresh: Path, target: Path, old: Path) -> None:
    """Puts a folder in the place of another, which is back when that fails."""
    if not os.path.lexists(target):
        os.rename(fresh, target)
        return
    os.rename(target, old)
    try:
        os.rename(fresh, target)
    except OSError:
        os.rename(old, target)
        raise
