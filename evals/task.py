"""What a task is made of. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .checks import Check

#: The key in the user's config file.
KEY = "sk-evals-0123456789abcdef"


@dataclass(frozen=True)
class Before:
    """A command that the user has run before; `killed` while it waited for its task."""

    words: Sequence[str]
    killed: bool = False


@dataclass(frozen=True)
class Task:
    """What a user says, what is there, and what is to come of it.

    `needs` are the requests for images that it takes, `budget_usd` is what may be spent, `asks` says that the
    user must be asked first. `way` is the path of the base URL on the sandbox, which may name a fault.
    `config` is added to the user's config file; a value of None takes a field out, `{base}` stands for the
    server.
    """

    name: str
    prompt: str
    checks: Sequence[Check]
    needs: int = 1
    budget_usd: float = 0.25
    asks: bool = False
    inputs: Sequence[str] = ()
    way: str = "/v1"
    flags: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    before: Sequence[Before] = ()
