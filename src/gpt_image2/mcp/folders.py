"""What may be read and what may be written: every path is resolved, symlinks included, and must then lie
below the output folder, or for reading below an allowed one. Makes output folders; writes nothing else.

A path is checked when the arguments are read and again right before the request is sent, and only resolved
paths are handed on. What is left is a program of the same user that swaps a folder during the call.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from gpt_image2.core.api.models import OUTPUT_FORMATS
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show
from gpt_image2.core.outputs.files import prepare_folder
from gpt_image2.core.outputs.naming import OutputPlan, extension, has_matching_extension

NOT_ALLOWED = "path_not_allowed"


class Folders:
    """The folders that a server works in.

    Raises:
        UsageError: the output folder cannot be made or written to, or an allowed folder does not exist.
    """

    def __init__(self, output_dir: Path, allow_dirs: Iterable[Path] = ()) -> None:
        prepare_folder(output_dir.absolute())
        self.output_dir = _resolved(output_dir)
        self.readable = (self.output_dir, *(_resolved(folder) for folder in allow_dirs))
        for folder in self.readable:
            if not folder.is_dir():
                raise UsageError(f"{folder} is not a folder", hint="give --allow-dir a folder that exists")

    def output(self, name: str | None, output_format: str) -> str:
        """The path for core's `output`: `name` below the output folder, or that folder for a name by prompt.

        A name without the extension of an image gets the usual one of `output_format`.

        Raises:
            UsageError: the name is no relative file name, or leads out of the output folder.
        """
        if name is None:
            return str(self.output_dir) + os.sep
        pure = PurePath(name)
        if not name.strip() or "\0" in name or name == "-" or name.startswith("~"):
            raise _refused(f"output {show(name)!r} is not a relative file name")
        if pure.is_absolute() or pure.drive or pure.root or ".." in pure.parts:
            raise _refused(f"output {show(name)!r} leads out of the output folder {self.output_dir}")
        path = self.output_dir / pure
        self._check_writable(path)
        if name.endswith(("/", os.sep)) or os.path.isdir(path):
            return str(path) + os.sep
        if not any(has_matching_extension(name, known) for known in OUTPUT_FORMATS):
            path = path.with_name(f"{path.name}.{extension(output_format)}")
        self._check_writable(path)
        return str(path)

    def take(self, name: str, output_format: str) -> Path:
        """A path below the output folder where nothing was: `name`, or the next that is free. An empty file
        holds its place.

        Raises:
            UsageError: as `output`; or no file can be made there.
        """
        asked = Path(self.output(name, output_format))
        if os.path.isdir(asked):
            raise _refused(f"output {show(name)!r} is a folder")
        try:
            prepare_folder(asked.parent)
            for number in count():
                path = asked.with_name(f"{asked.stem}-{number}{asked.suffix}") if number else asked
                self._check_writable(path)
                with suppress(FileExistsError):
                    path.open("xb").close()
                    return path
        except OSError as error:
            raise _refused(f"cannot write {show(str(asked), limit=None)}: {error.strerror}") from None
        raise AssertionError  # the numbers do not end

    def ready(self, plan: OutputPlan, count: int) -> OutputPlan:
        """The plan with its folder made and resolved, checked once more: the last step before sending.

        Raises:
            UsageError: it cannot be made, or something in it leads out of the output folder.
        """
        self._check_writable(plan.folder)
        prepare_folder(plan.folder)
        plan = replace(plan, folder=_resolved(plan.folder))
        self._check_writable(plan.folder)
        for index in range(1, count + 1):
            self._check_writable(plan.path(index))
        return plan

    def input(self, source: str) -> Path:
        """The resolved path of a file to read: absolute, relative to the output folder, or a file: URI.

        Raises:
            UsageError: it lies in no folder that may be read.
        """
        text = _path_of_uri(source) if source.lower().startswith("file:") else source
        if not text.strip() or "\0" in text or text == "-":
            raise _refused(f"input {show(source)!r} is not the path of a file")
        path = _resolved(self.output_dir / os.path.expanduser(text))
        if not any(path.is_relative_to(folder) for folder in self.readable):
            raise UsageError(
                f"{show(source, limit=None)} is in no folder that this server may read",
                hint="it reads from "
                + ", ".join(map(str, self.readable))
                + "; the user can start it with --allow-dir for another folder",
                code=NOT_ALLOWED,
            )
        return path

    def _check_writable(self, path: Path) -> None:
        if not _resolved(path).is_relative_to(self.output_dir):
            raise _refused(f"{show(str(path), limit=None)} leads out of the output folder {self.output_dir}")


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _refused(message: str) -> UsageError:
    return UsageError(
        message,
        hint="give a file name such as cat.png or icons/cat.png, or leave output out; nothing was sent",
        code=NOT_ALLOWED,
    )


def _path_of_uri(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise _refused(f"input {show(uri)!r} is on another host")
    return url2pathname(parts.path) if os.name == "nt" else unquote(parts.path)
