"""Where all that a command says goes, by its flags: lines for people, `--json`, `--events`, `--quiet`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Generator, List, Mapping, Optional, TextIO

from .errors import GptImage2Error
from .event_lines import EventLines, warning_line
from .events import Observer
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

    def finish(self, outcome: Mapping[str, object]) -> None:
        """How the command ended, as one object: the last that is said."""
        if self._lines is not None:
            self._lines.finished(outcome)
        if self.is_json:
            print_json(outcome, self._stdout)

    def fail(self, error: GptImage2Error, command: str) -> None:
        """The error that the command ended with."""
        self.finish(error_json(error, command))
        if not self.is_json and self._lines is None:
            self._terminal.error(error)

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
