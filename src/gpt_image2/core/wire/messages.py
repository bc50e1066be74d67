"""What goes over the wire, as records: a request, its form, the head of an answer, and how it ended."""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from ..base.record import Record

#: curl's own codes for time that ran out, a broken answer, a bad encoding, and a file that is too large.
TIMED_OUT, BROKEN_ANSWER, BAD_ENCODING, TOO_LONG = 28, 56, 61, 63

#: What the header says of a body that is not compressed.
NO_ENCODING = ("", "identity")
#: How gzip begins, and neither an image nor a text.
GZIP_START = b"\x1f"


class BadEncoding(Exception):
    """A body cannot be decompressed any further; the text says why."""


class FormPart(Record):
    """One part of a multipart body: a text, or a file's content; with `filename` it is sent as a file."""

    name: str
    text: Optional[str] = None
    path: Optional[str] = None
    filename: Optional[str] = None
    mime_type: Optional[str] = None


class HttpRequest(Record):
    """One HTTP request. `headers` may hold secrets. `body_path` is a file, `form` a multipart body.

    Where `stall_s` is set, so many seconds without a byte end it before its time is up; where `max_bytes` is,
    so many bytes of an answer's body.
    """

    url: str
    headers: Tuple[Tuple[str, str], ...]
    timeout_s: float
    body_path: Optional[str] = None
    form: Tuple[FormPart, ...] = ()
    #: `host:port:address` pins a name to an address that was checked.
    resolve: Optional[str] = None
    stall_s: Optional[float] = None
    max_bytes: Optional[int] = None


class ResponseHead(Record):
    """Status and headers; header names are in lower case, the last of equal names counts."""

    status: int
    headers: Mapping[str, str]


class TransferEnd(Record):
    """How a transfer ended. `exit_code` is curl's (0: as HTTP ends). `sent` tells whether the connection
    was ever ready to carry the request; while it is False the server cannot have seen any of it.
    The times are seconds from the start to that step's end, 0 for a step that was not reached."""

    exit_code: int
    message: str
    sent: bool
    name_s: float = 0.0
    connect_s: float = 0.0
    tls_s: float = 0.0
    first_byte_s: float = 0.0
    #: The variable that names the proxy that it went through, or was to, and that proxy; empty without one.
    proxy: str = ""

    @property
    def is_undecodable(self) -> bool:
        """Whether it was ended since the body cannot be decompressed."""
        return self.exit_code == BAD_ENCODING

    @property
    def is_too_long(self) -> bool:
        """Whether it was ended since the body has more bytes than the request admits."""
        return self.exit_code == TOO_LONG


class Received(Record):
    """How one request was answered. The body's size is in bytes, the time in seconds from start to end."""

    head: Optional[ResponseHead]
    end: TransferEnd
    body_bytes: int
    elapsed_s: float
