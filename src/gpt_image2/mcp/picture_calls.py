"""The calls of the tools for pictures: each runs the command of that name, on files that this server may use.

One at a time, since a large picture takes hundreds of MB. A name that is taken is never written to.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mcp import types

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.optional_part import install_line
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.commands.package_extras import EXTRAS
from gpt_image2.core.telling.output import Output

from .answers import pictures_made
from .arguments import checked_arguments
from .folders import Folders
from .picture_tools import CHECK, CUT_OUT, MASK, PICTURE_COMMANDS, are_pictures_installed

_FILES = ("file", "difference")

Given = Mapping[str, Any]


class PictureCalls:
    """Does what the tools for pictures are called for."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._one_at_a_time = threading.Lock()

    def run(self, tool: str, arguments: Mapping[str, Any] | None) -> types.CallToolResult:
        """What a tool answers.

        Raises:
            GptImage2Error: it cannot; nothing was saved.
        """
        command = PICTURE_COMMANDS[tool]
        if not are_pictures_installed():
            raise UsageError(
                f"{tool} is not installed here",
                hint=f"install it: {install_line(EXTRAS[command].extra)}",
                code="extra_missing",
            )
        given = checked_arguments(tool, arguments)
        words = {MASK: self._mask_words, CHECK: self._check_words, CUT_OUT: self._cut_out_words}[tool](given)
        with self._one_at_a_time, self._targets(tool, given) as outputs:
            outcome = _outcome(command, [*words, *outputs])
        return pictures_made(outcome, given.get("preview", True))

    def _input(self, source: str) -> str:
        return str(self._folders.input(source))

    def _mask_words(self, given: Given) -> list[str]:
        shapes = [
            {name: self._input(value) if name in _FILES else value for name, value in shape.items()}
            for shape in given["shapes"]
        ]
        plan = {
            "shapes": shapes,
            **{name: given[name] for name in ("invert", "grow", "feather") if name in given},
        }
        return [self._input(given["image"]), f"--shapes={json.dumps(plan)}"]

    def _check_words(self, given: Given) -> list[str]:
        words = [self._input(given["image"])]
        words += [f"--{name}={self._input(given[name])}" for name in ("against", "mask") if name in given]
        words += [f"--{name}={given[name]}" for name in ("size", "tolerance") if name in given]
        words += [f"--max-kb={given['max_kb']}"] if "max_kb" in given else []
        return [*words, *(["--alpha"] if given.get("alpha") else [])]

    def _cut_out_words(self, given: Given) -> list[str]:
        words = [self._input(given["image"])]
        words += [f"--{name}={given[name]}" for name in ("key", "holes") if name in given]
        return [*words, *([f"--pair={self._input(given['pair'])}"] if "pair" in given else [])]

    @contextmanager
    def _targets(self, tool: str, given: Given) -> Generator[list[str]]:
        """The flags of what is written. The names are taken before, so that nobody else has them, and given
        back where nothing came of it."""
        if tool == CHECK:
            yield []
            return
        stem = Path(self._folders.input(given["image"])).stem
        asked = given.get("output", f"{stem}-{'mask' if tool == MASK else 'cutout'}.png")
        taken = [self._folders.take(asked, "png")]
        try:
            if tool == MASK and given.get("overlay", True):
                taken.append(self._folders.take(f"{_below(self._folders, taken[0])}-overlay.jpg", "jpeg"))
            yield [word for flag, path in zip(("-o", "--overlay"), taken) for word in (flag, str(path))]
        finally:
            for path in taken:
                with suppress(OSError):
                    if not path.stat().st_size:
                        path.unlink()


class _Kept(Output):
    """Keeps how a command ended, and prints nothing: standard output belongs to the protocol."""

    def __init__(self) -> None:
        super().__init__(["--json", "--quiet"])
        self.outcome: dict[str, object] = {}

    def finish(self, outcome: Mapping[str, object], rows: object = None) -> None:  # noqa: ARG002
        """Keeps it."""
        self.outcome = {**outcome, "billed": Billed.NO.value}


def _outcome(command: str, words: Sequence[str]) -> dict[str, object]:
    """How a command ended, as its `--json` prints it."""
    from gpt_image2.pictures.commands import check, cutout, mask

    mains: dict[str, Callable[[Sequence[str], Output], int]] = {
        module.COMMAND: module.main for module in (mask, check, cutout)
    }
    kept = _Kept()
    mains[command](words, kept)
    return kept.outcome


def _below(folders: Folders, path: Path) -> str:
    """A path in the output folder without its extension, relative to that folder."""
    return str(path.relative_to(folders.output_dir).with_suffix(""))
