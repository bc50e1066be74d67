"""The clicks that wait for their turn, kept so that the end of a studio does not lose them: each in a private
file of its own, which its studio keeps locked while it lives.

Whoever sends a click takes its file away first, and only one can: no click is sent twice, whatever dies or
runs beside it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from gpt_image2.core.base.errors import OutputError, UsageError
from gpt_image2.core.outputs.lines import is_at
from gpt_image2.core.outputs.ours import open_ours, try_lock

from ..writing import new_private_file, private_place

_NAME = re.compile(r"([0-9a-f-]{36})\.json")


class Unsent:
    """The clicks of one studio that were not sent; the files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}

    def keep(self, call_id: str, document: Mapping[str, object]) -> None:
        """Keeps what a click has sent; where it cannot be kept, it ends with the studio."""
        with suppress(OSError):
            hidden = private_place(self._folder) / f".{call_id}.part"
            hidden.unlink(missing_ok=True)
            file = new_private_file(hidden)
            try:
                try_lock(file.fileno())  # before it can be seen: an unlocked one is taken for a dead studio's
                file.write(json.dumps(document).encode())
                file.flush()
                os.replace(hidden, self._path(call_id))
            except OSError:
                with suppress(OSError):
                    hidden.unlink()
                with suppress(OSError):
                    file.close()
                raise
            self._files[call_id] = file

    def left(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What studios that have ended have left behind, oldest first: the ids and what the clicks have sent.
        From now on they are this studio's."""
        found: list[tuple[float, str, Mapping[str, Any]]] = []
        with suppress(OSError):
            for name in os.listdir(self._folder):
                match, path = _NAME.fullmatch(name), self._folder / name
                if match is None:
                    continue
                with suppress(OSError, ValueError):
                    file = os.fdopen(open_ours(path, os.O_RDWR), "rb")
                    is_left = try_lock(file.fileno()) is not False and is_at(file.fileno(), path)
                    document = json.loads(file.read()) if is_left else None
                    if isinstance(document, dict):
                        self._files[match[1]] = file
                        since = os.fstat(file.fileno()).st_mtime
                        found.append((since, match[1], cast("dict[str, Any]", document)))
                    else:
                        file.close()
        return [(call_id, document) for _, call_id, document in sorted(found, key=lambda each: each[:2])]

    def take(self, call_id: str) -> None:
        """Takes a click out, for good: it is sent now, or never.

        Raises:
            UsageError: another studio has done so.
            OutputError: it cannot be taken out, and would be offered again.
        """
        file = self._files.pop(call_id, None)
        if file is None:  # it could not be kept
            return
        with file:
            try:
                self._path(call_id).unlink()
            except FileNotFoundError:
                raise UsageError(
                    "another studio has sent this, or put it away", hint="look at the gallery"
                ) from None
            except OSError as error:
                raise OutputError(
                    f"cannot note that this is sent now: {error.strerror or error}",
                    hint=f"nothing was sent; see that {self._folder} can be written to",
                ) from None
            _make_sure(self._folder)

    def close(self) -> int:
        """Leaves what is left to the next studio; how many there are."""
        files, self._files = self._files, {}
        for file in files.values():
            file.close()
        return len(files)

    def _path(self, call_id: str) -> Path:
        return self._folder / f"{call_id}.json"


def _make_sure(folder: Path) -> None:
    """A file that was taken away is not there again after a loss of power, where folders can be synced."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
