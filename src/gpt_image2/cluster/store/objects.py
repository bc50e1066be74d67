"""The objects below an address such as `s3://bucket/run`: put, made once, read, listed.

The one module that knows obstore. What others call a conflict is an answer here, not an error: `create` says
whether the object is ours. Everything else that a store refuses is a `StoreError`.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import obstore
from obstore import exceptions as refused
from obstore.store import LocalStore, MemoryStore, from_url

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show

from .found import Found, StoreError

#: Addresses whose stores make an object once, which claims rest on.
CLAIMABLE = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "file", "memory")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
#: Schemes with a branch or a commit where others have a password; those whose paths may hold anything.
_REVISIONS, _OF_THIS_MACHINE = ("github", "git", "hf"), ("file", "local", "memory")
_SECRETS = re.compile(r"://[^/@\s]*:[^/@\s]*@")
_MD5 = re.compile(r"\"?([0-9a-f]{32})\"?")
_RETRIES, _RETRY_S, _CALL_S = 6, 60, 120
_LISTED_AT_ONCE = 1000
_MOST_TAGS = 1000
_CONFLICT_WAITS_S = (0.05, 0.2, 0.8, 2.0)
#: Where a store of one's own is named, which may be plain HTTP.
_ENDPOINTS = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
    "GOOGLE_BASE_URL",
)
#: Where AWS, Azure and Google tell a machine its role: asked where the environment has no key.
_ROLES = re.compile(r"/latest/(api|meta-data)/|/metadata/identity/|/computeMetadata/")
_SIGNED_DAYS = 7  # the most that S3 and Azure take


class Objects(Protocol):
    """The objects below one address. Safe for threads."""

    address: str
    #: Whether `create` is exclusive among all who use the address.
    is_exclusive: bool

    def create(self, name: str, data: bytes, content_type: str = "") -> bool:
        """Writes an object that is not there yet; False where there is one with other content."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Writes an object, whatever is there."""
        ...

    def get(self, name: str) -> bytes | None:
        """What an object holds; None where there is none."""
        ...

    def save(self, name: str, path: Path) -> bool:
        """Brings what an object holds to a file, a piece at a time; False where there is none."""
        ...

    def head(self, name: str) -> Found | None:
        """What there is to say of an object; None where there is none."""
        ...

    def list(self, prefix: str) -> Iterator[Found]:
        """The objects in a folder and below, a page of them in memory at a time."""
        ...

    def is_whole(self, name: str, data: bytes) -> bool:
        """Whether an object holds exactly this."""
        ...

    def remove(self, name: str) -> None:
        """Removes an object, if it is there."""
        ...

    def shown(self, address: str) -> str:
        """What a browser opens an object's address by."""
        ...


def scheme_of(address: str) -> str:
    """The scheme of an address, in small letters; empty where it is a path."""
    found = _ADDRESS.match(address)
    return found.group(1).lower() if found else ""


def open_objects(address: str, is_read: bool = False) -> Objects:
    """The objects below an address; a folder that is not there is made, but where it `is_read` alone. Keys
    and endpoints of the store come from the environment, as its own tools take them (`AWS_…`, `GOOGLE_…`,
    `AZURE_…`).

    Raises:
        UsageError: the address, or what it takes to use it, is missing or wrong.
    """
    scheme = scheme_of(address)
    check_address(address)
    try:
        if scheme in CLAIMABLE:
            prefix = address[len("memory://") :].strip("/") + "/" if scheme == "memory" else ""
            is_remote = scheme not in ("file", "memory")
            return _Obstore(address, _store(address, scheme, is_read), prefix, takes_types=is_remote)
        from .fsspec_objects import FsspecObjects

        return FsspecObjects(address)
    except (refused.BaseError, ValueError, OSError) as error:
        raise UsageError(
            f"cannot use {shown_address(address)}: {_reason(error)}",
            hint="check the address, and the variables of its store (AWS_…, GOOGLE_…, AZURE_…)",
            code="store_unusable",
        ) from None


def check_address(address: str) -> None:
    """An address is shown, and stored beside what is made: it holds no secret, and names a folder; else a
    `UsageError`."""
    scheme = scheme_of(address)
    before = address.partition("://")[2].partition("/")[0].rpartition("@")[0]
    is_secret = ":" in before and scheme not in _REVISIONS
    if is_secret or (scheme not in _OF_THIS_MACHINE and re.search("[?#]", address)):
        raise UsageError(
            f"{shown_address(address)} has {'a password' if is_secret else '? or #'} in it",
            hint="give the folder alone; keys come from the environment: AWS_…, FSSPEC_SFTP_PASSWORD …",
            code="store_unusable",
        )


def shown_address(address: str) -> str:
    """An address as it may be shown: without what may be a secret in it."""
    address = _SECRETS.sub("://…@", address)
    if scheme_of(address) not in _OF_THIS_MACHINE:
        address = re.sub(r"\?.*", "?…", address, flags=re.DOTALL)
    return show(address, limit=200)


def split_address(address: str) -> tuple[str, str]:
    """The address of the folder that an object lies in, and the object's name there."""
    folder, _, name = address.rpartition("/")
    if not name or scheme_of(folder + "/") == "":
        raise UsageError(
            f"{shown_address(address)} names no object", hint="for example s3://bucket/jobs.jsonl"
        )
    if scheme_of(address) not in _OF_THIS_MACHINE and re.search(r"\?.*=", name):
        raise UsageError(
            f"{shown_address(address)} has a query in it",
            hint="give the object's name alone; nothing was sent",
        )
    return folder, name


_MEMORY = MemoryStore()  # what is in memory is this process's alone


def _store(address: str, scheme: str, is_read: bool) -> Any:
    if scheme == "memory":
        return _MEMORY
    if scheme == "file":
        path = address[len("file://") :]
        if not os.path.isabs(path):
            raise ValueError("a path after file:// begins with /")
        return MemoryStore() if is_read and not os.path.isdir(path) else LocalStore(path, mkdir=True)
    if scheme == "s3" and not os.environ.get("AWS_REGION") and not os.environ.get("AWS_DEFAULT_REGION"):
        return from_url(address, retry_config=_retries(), client_options=_client(), region="us-east-1")
    return from_url(address, retry_config=_retries(), client_options=_client())


def _client() -> Any:
    plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
    return {"timeout": timedelta(seconds=_CALL_S), **({"allow_http": True} if plain else {})}


def _retries() -> Any:
    return {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_S)}


class _Conflict(StoreError):
    """The store did not make an object, since there is one, or another is being made."""


class _Obstore:
    """A store that obstore reaches."""

    is_exclusive = True

    def __init__(self, address: str, store: Any, prefix: str, takes_types: bool) -> None:
        self.address = "://".join((scheme_of(address), address.partition("://")[2].rstrip("/")))
        self._store = store
        self._prefix = prefix
        self._takes_types = takes_types
        self._tags: dict[str, str] = {}  # what the store made of what was put, until it is looked at

    def create(self, name: str, data: bytes, content_type: str = "") -> bool:
        kind: Any = {"Content-Type": content_type} if content_type and self._takes_types else None
        for wait_s in _CONFLICT_WAITS_S:
            try:
                with _told(self.address, name):
                    made = obstore.put(
                        self._store,
                        self._prefix + name,
                        data,
                        attributes=kind,
                        mode="create",
                        use_multipart=False,
                    )
                break
            except _Conflict:
                held = self.get(name)
                if held is not None:
                    # Ours all the same where the store had taken it and its answer was lost.
                    return held == data
                time.sleep(wait_s)  # S3 answers so too while another, which may come to nothing, is under way
        else:
            raise StoreError(
                f"{self.address} neither makes {show(name, limit=200)} nor has it", hint="try again later"
            )
        if len(self._tags) >= _MOST_TAGS:
            self._tags.clear()  # of claims, which nobody looks at again
        self._tags[name] = str(made["e_tag"])
        return True

    def put(self, name: str, data: bytes) -> None:
        with _told(self.address, name):
            obstore.put(self._store, self._prefix + name, data, use_multipart=False)

    def get(self, name: str) -> bytes | None:
        with _told(self.address, name):
            try:
                return bytes(obstore.get(self._store, self._prefix + name).bytes())
            except FileNotFoundError:
                return None

    def save(self, name: str, path: Path) -> bool:
        with _told(self.address, name):
            try:
                found = obstore.get(self._store, self._prefix + name)
            except FileNotFoundError:
                return False
            with open(path, "wb") as file:
                for piece in found.stream():
                    file.write(piece)
        return True

    def head(self, name: str) -> Found | None:
        with _told(self.address, name):
            try:
                return self._found(obstore.head(self._store, self._prefix + name))
            except FileNotFoundError:
                return None

    def list(self, prefix: str) -> Iterator[Found]:
        with _told(self.address, prefix):
            for page in obstore.list(self._store, prefix=self._prefix + prefix, chunk_size=_LISTED_AT_ONCE):
                yield from map(self._found, page)

    def is_whole(self, name: str, data: bytes) -> bool:
        tag = self._tags.pop(name, "")
        if _is_md5(tag, data):
            return True  # by the store's own count of what it has taken
        if tag:
            return self.get(name) == data  # its tags say nothing of what an object holds
        with _told(self.address, name):
            try:
                meta = obstore.head(self._store, self._prefix + name)
            except FileNotFoundError:
                return False
        if meta["size"] != len(data):
            return False
        if _is_md5(meta["e_tag"] or "", data):
            return True
        return self.get(name) == data

    def remove(self, name: str) -> None:
        with _told(self.address, name):
            try:
                obstore.delete(self._store, self._prefix + name)
            except FileNotFoundError:
                return

    def shown(self, address: str) -> str:
        if scheme_of(address) == "file":
            return "file://" + quote(address[len("file://") :])
        if not self._takes_types:
            return address
        name = self._prefix + address[len(self.address) + 1 :]
        with _told(self.address, name):
            return obstore.sign(self._store, "GET", name, timedelta(days=_SIGNED_DAYS))

    def _found(self, meta: Any) -> Found:
        return Found(meta["path"][len(self._prefix) :], meta["size"], meta["last_modified"])


def _is_md5(tag: str, data: bytes) -> bool:
    """Whether a tag is the MD5 of some bytes, as S3 makes it of a plain upload; with its own encryption it is
    something else."""
    found = _MD5.fullmatch(tag)
    return found is not None and found.group(1) == hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def _told(address: str, name: str) -> Generator[None, None, None]:
    """Turns what a store raises into a `StoreError`."""
    try:
        yield
    except (refused.AlreadyExistsError, refused.PreconditionError):
        raise _Conflict(f"{name} is there, or is being made") from None
    except (refused.BaseError, OSError, NotImplementedError, ValueError) as error:
        has_key = not _ROLES.search(str(error))
        raise StoreError(
            f"{shown_address(address)} refuses {show(name, limit=200)}: {_reason(error)}",
            hint="check the store, and what its key may do there"
            if has_key
            else "this machine has no role, its environment no key of the store (AWS_…, GOOGLE_…, AZURE_…)",
        ) from None


def _reason(error: Exception) -> str:
    said = _SECRETS.sub("://…@", str(error).split("\n\nDebug source")[0])
    return show(said, limit=300) or type(error).__name__
