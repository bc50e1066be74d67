"""Where all that a command says goes, by its flags: lines for people, `--json`, `--events`, `--quiet`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Generator, Iterable, List, Mapping, Optional, TextIO

from ..base.errors import GptImage2Error
from ..base.events import Observer
from .event_lines import EventLines, warning_line
from .report import Reporter, error_json
from .terminal import Terminal, print_json


class Output:
    """One command's voice. Results go to stdout, everything else to stderr."""

    def __init__(self, terminal: Terminal, stdout: TextIO, stderr: TextIO, flags: List[str]) -> None:
        self._terminal = terminal
        self._stdout = stdout
        self.is_json = "--json" in flags
        self._quiet = "--quiet" in flags
        self._lines: Optional[EventLines] = EventLines(stderr) if "--events" in flags else None

    def result(self, text: str) -> None:
        """A line of the result, for people."""
        if not self.is_json:
            self._terminal.result(text)

    def say(self, text: str) -> None:
        """Something good to know."""
        if not self._quiet and self._lines is None:
            self._terminal.say(text)

    def warn(self, text: str) -> None:
        """Something the user should know."""
        if self._lines is not None:
            self._lines.write(warning_line(text, self._lines.elapsed_s))
        else:
            self._terminal.say(text, "warning", "yellow")

    def complain(self, text: str) -> None:
        """A failure among many; programs get it with the rest of its row."""
        if self._lines is None and not self.is_json:
            self._terminal.say(text, "error", "red")

    @property
    def is_live(self) -> bool:
        """Whether a live line shows."""
        return self._terminal.is_live and not self._quiet and self._lines is None

    def live(self, text: str) -> None:
        """What the live line says now."""
        if self.is_live:
            self._terminal.live(text)

    def event(self, line: Mapping[str, object]) -> None:
        """Something happened; only `--events` tells it."""
        if self._lines is not None:
            self._lines.write({**line, "elapsed_s": round(self._lines.elapsed_s, 3)})

    def finish(
        self, outcome: Mapping[str, object], rows: Optional[Iterable[Mapping[str, object]]] = None
    ) -> None:
        """How the command ended, as one object: the last that is said. `rows` are for `--json` only."""
        if self._lines is not None:
            self._lines.finished(outcome)
        if self.is_json:
            print_json(outcome, self._stdout, rows)

    def fail(self, error: GptImage2Error, command: str) -> None:
        """The error that the command ended with."""
        self.finish(error_json(error, command))
        if not self.is_json and self._lines is None:
            self._terminal.error(error)

    @contextmanager
    def heartbeat(self) -> Generator[None, None, None]:
        """Under `--events` the heart beats in this context."""
        if self._lines is None:
            yield
        else:
            with self._lines:
                yield

    @contextmanager
    def observer(self, results: bool) -> Generator[Observer, None, None]:
        """Who hears the events of a call; with `results`, `Saved:` lines are printed as images come."""
        results = results and not self.is_json
        if self._lines is None:
            with Reporter(self._terminal, quiet=self._quiet, results=results) as reporter:
                yield reporter
        else:
            silent = Reporter(self._terminal, quiet=True, results=results, warnings=False)
            with self._lines as lines:
                yield lambda event: (lines(event), silent(event))[1]
