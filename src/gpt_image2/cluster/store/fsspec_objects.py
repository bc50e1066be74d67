"""Stores that only fsspec reaches (`sftp://`, `hf://`, …): results are kept there, but nothing makes an
object once, so two workers cannot share one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]

from gpt_image2.core.base.redact import show

from .found import Found, StoreError


class FsspecObjects:
    """The objects below an address, for one process at a time."""

    is_exclusive = False

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        try:
            found = cast("tuple[Any, str]", fsspec.core.url_to_fs(self.address))
            self._files, self._root = found
        except ImportError as error:
            raise ValueError(f"{error}") from None

    def create(self, name: str, data: bytes, content_type: str = "") -> bool:
        """Writes an object where there was none a moment ago."""
        del content_type
        held = self.get(name)
        if held is None:
            self.put(name, data)
        return held in (None, data)

    def put(self, name: str, data: bytes) -> None:
        """Writes an object, whatever is there."""
        path = self._path(name)
        try:
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(path, data)
        except Exception as error:  # each of its stores raises what it likes
            raise self._refused(name, error) from None

    def get(self, name: str) -> bytes | None:
        """What an object holds; None where there is none."""
        try:
            return bytes(self._files.cat_file(self._path(name)))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._refused(name, error) from None

    def save(self, name: str, path: Path) -> bool:
        """Brings what an object holds to a file, a piece at a time; False where there is none."""
        try:
            self._files.get_file(self._path(name), str(path))
        except FileNotFoundError:
            return False
        except Exception as error:
            raise self._refused(name, error) from None
        return True

    def head(self, name: str) -> Found | None:
        """What there is to say of an object; None where there is none."""
        try:
            return self._found(self._files.info(self._path(name)))
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._refused(name, error) from None

    def list(self, prefix: str) -> Iterator[Found]:
        """The objects in a folder and below."""
        try:
            found: dict[str, Any] = self._files.find(self._path(prefix.rstrip("/")), detail=True)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._refused(prefix, error) from None
        yield from map(self._found, found.values())

    def is_whole(self, name: str, data: bytes) -> bool:
        """Whether an object holds exactly this."""
        return self.get(name) == data

    def remove(self, name: str) -> None:
        """Removes an object, if it is there."""
        try:
            self._files.rm_file(self._path(name))
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._refused(name, error) from None

    def shown(self, address: str) -> str:
        """The address as it is."""
        return address

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _found(self, info: dict[str, Any]) -> Found:
        moment = info.get("mtime") or info.get("created") or info.get("last_modified")
        if isinstance(moment, (int, float)):
            moment = datetime.fromtimestamp(moment, timezone.utc)
        name = str(info["name"])[len(self._root.rstrip("/")) + 1 :]
        return Found(name, int(info.get("size") or 0), moment or datetime.now(timezone.utc))

    def _refused(self, name: str, error: Exception) -> StoreError:
        said = show(f"{self.address} refuses {name}: {error}")
        return StoreError(said, hint="check the store, and its settings")
