"""What is known of an agent's run: the one thing that the judge looks at. A run is kept as a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

#: The left, upper, right and lower edge of a part of a picture, in pixels.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Command:
    """One call of the script or of the command, its words without the program."""

    words: Sequence[str]
    exit: int

    @property
    def text(self) -> str:
        """The words in one line."""
        return " ".join(self.words)


@dataclass(frozen=True)
class File:
    """A file in the agent's folder when it had ended. `format` is empty where it is no picture.

    `changed` has by input of the same size the box of all pixels that differ; None where none do.
    """

    bytes: int
    sha256: str
    format: str = ""
    width: int = 0
    height: int = 0
    alpha: bool = False
    frames: int = 1
    changed: Mapping[str, Box | None] = field(default_factory=dict[str, "Box | None"])


@dataclass(frozen=True)
class Recording:
    """A run. `journal` is the sandbox's `/_sandbox/log` of what came after the set-up; `inputs` are sums by
    name; `spent_usd` is what the ledger tells of the run; `opened` has by link of the answer to this machine
    the status that a browser of the user got."""

    task: str
    commands: Sequence[Command]
    journal: Mapping[str, Any]
    answer: str
    files: Mapping[str, File]
    inputs: Mapping[str, str]
    spent_usd: float
    opened: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def posts(self) -> Sequence[Mapping[str, Any]]:
        """The requests for images that the server got."""
        return self.journal["requests"]

    def without(self, root: str) -> Recording:
        """The same with no path of this machine in it."""
        return Recording.from_json(self.to_json().replace(root, ""))

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Recording:
        """As it was kept."""
        data = json.loads(line)
        data["commands"] = [Command(**each) for each in data["commands"]]
        data["files"] = {name: File(**each) for name, each in data["files"].items()}
        return cls(**data)
