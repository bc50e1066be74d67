"""What a call ends with: saved images, tokens, money, and its `ExitCode`, as frozen data. Pure."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Optional, Tuple

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
    CHECK = 10
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """One line for people, as `--help` and the references print it."""
        return EXIT_MEANINGS[self]


class Billed(str, Enum):
    """Whether a call cost money: `no` (never sent, or refused before work), `yes`, or `maybe` (unknown)."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"

    @property
    def rank(self) -> int:
        """How much it may have cost: of several outcomes the highest is that of all."""
        return list(Billed).index(self)


class MadeFrom(Record):
    """What a picture was made from: an absolute path, an address or `-`; and the SHA-256 of its bytes."""

    path: str
    sha256: str


class Derivation(Record):
    """How a picture was made: by which method, from what, what was measured by its names in the JSON, and
    what is to be said of it."""

    method: str
    sources: Tuple[MadeFrom, ...]
    figures: Tuple[Tuple[str, object], ...] = ()
    notes: Tuple[str, ...] = ()


class SavedImage(Record):
    """One image on disk. Dimensions are pixels, None where the file's header does not tell them.

    `number` is the image's place among those of its request, from 1. `derivation` is None for an image as the
    server sent it.
    """

    path: str
    size_bytes: int
    format: str
    width: Optional[int]
    height: Optional[int]
    sha256: str
    rescued: bool = False
    number: int = 1
    derivation: Optional[Derivation] = None


class Usage(Record):
    """Tokens of one answer, as the server counted them."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    text_tokens: Optional[int] = None
    image_tokens: Optional[int] = None
    cached_text_tokens: int = 0
    cached_image_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        def both(one: Optional[int], two: Optional[int]) -> Optional[int]:
            return None if one is None or two is None else one + two

        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            both(self.text_tokens, other.text_tokens),
            both(self.image_tokens, other.image_tokens),
            self.cached_text_tokens + other.cached_text_tokens,
            self.cached_image_tokens + other.cached_image_tokens,
        )


class SvgUsage(Record):
    """Tokens of the language model that has written an SVG, told apart from those of the image model.

    `total_tokens` less `input_tokens` is what it has written, reasoning included. `cost_usd` is its part of
    the cost, None where that model has no price.
    """

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    model: str
    cost_usd: Optional[float] = None


class Result(Record):
    """The outcome of one `generate` or `edit`. `cost_usd` is None when usage or prices are not known.

    `attempts` are the tries, of which `requests_sent` had a connection that could carry them.
    `sandbox` tells that the offline sandbox has answered, so that no cost is real money. `tasks` are the ids
    of what the host accepted and has not finished: their images are still to come.
    """

    command: str
    model: str
    images: Tuple[SavedImage, ...] = ()
    usage: Optional[Usage] = None
    cost_usd: Optional[float] = None
    billed: Billed = Billed.NO
    http_status: Optional[int] = None
    request_id: Optional[str] = None
    attempts: int = 0
    requests_sent: int = 0
    elapsed_s: float = 0.0
    warnings: Tuple[str, ...] = ()
    sandbox: bool = False
    tasks: Tuple[str, ...] = ()
    svg_usage: Optional[SvgUsage] = None

    @property
    def unpriced(self) -> str:
        """What `cost_usd` lacks though it was paid for, in words; empty where it lacks nothing."""
        author = self.svg_usage
        if author is None or author.cost_usd is not None:
            return ""
        return f"{author.total_tokens:,} tokens of {author.model or 'the model that wrote the SVG'}"
