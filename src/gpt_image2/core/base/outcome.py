"""What a call ends with: the saved images, the tokens, the money, as frozen data. Pure; touches nothing."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Optional, Tuple

from ..api.models import Usage
from .exit_codes import EXIT_MEANINGS
from .record import Record


class ExitCode(IntEnum):
    """The exit codes of the command, one for each kind of ending."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    CONFIG = 3
    RATE_LIMIT = 4
    MODERATION = 5
    API = 6
    NETWORK = 7
    OUTPUT = 8
    PARTIAL = 9
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One line for people, as `--help` and the references print it."""
        return EXIT_MEANINGS[self]


class Billed(str, Enum):
    """Whether a call cost money: `no` (never sent, or refused before work), `yes`, or `maybe` (unknown)."""

    NO = "no"
    YES = "yes"
    MAYBE = "maybe"


class SavedImage(Record):
    """One image on disk. Dimensions are pixels, None where the file's header does not tell them."""

    path: str
    size_bytes: int
    format: str
    width: Optional[int]
    height: Optional[int]
    sha256: str
    rescued: bool = False


class Result(Record):
    """The outcome of one `generate` or `edit`. `cost_usd` is None when usage or prices are not known."""

    command: str
    model: str
    images: Tuple[SavedImage, ...] = ()
    usage: Optional[Usage] = None
    cost_usd: Optional[float] = None
    billed: Billed = Billed.NO
    http_status: Optional[int] = None
    request_id: Optional[str] = None
    attempts: int = 0
    elapsed_s: float = 0.0
    warnings: Tuple[str, ...] = ()
