"""Raises at a chosen line of core, and notes which lines run: what injection tests are made of."""

from __future__ import annotations

import linecache
import sys
from functools import wraps
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import gpt_image2.core as core

ROOMS = Path(core.__file__).parent
Line = Tuple[str, int]
#: A line, and the first line of its function: tracing the others would only take time.
Place = Tuple[Line, int]


class Injected(Exception):
    """What is raised where nobody expects it."""


def paths_of(names: Sequence[str]) -> Dict[str, str]:
    """The names of modules of core, such as `calls/lane.py`, by their paths."""
    return {str(ROOMS / name): name for name in names}


class Tracer:
    """Notes the lines of these modules that run from the first call of `start` on, a method by its class and
    name, with their places; given one of these as `target`, it raises there instead, once the line has run
    `skips` times. A context manager: in it the method is watched for.

    Functions that are named in `catching` are what a defect is caught by; they are left out.
    """

    def __init__(
        self,
        paths: Mapping[str, str],
        catching: Sequence[str],
        start: Tuple[type, str],
        target: Optional[Place] = None,
        skips: int = 0,
    ) -> None:
        self._paths = paths
        self._catching = catching
        self._start = start
        self._method = getattr(*start)
        self._target = target
        self._skips = skips
        #: How often each line ran.
        self.runs: Dict[Line, int] = {}
        self.lines: Dict[Line, Place] = {}
        self.has_raised = False

    def __enter__(self) -> None:
        @wraps(self._method)
        def started(*arguments: Any, **named: Any) -> Any:
            if sys.gettrace() is not self:
                self._begin(sys._getframe(1))
            return self._method(*arguments, **named)

        setattr(*self._start, started)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)
        setattr(*self._start, self._method)

    def _begin(self, frame: Any) -> None:
        """Traces what is called from now on, and the rest of what has called it."""
        sys.settrace(self)
        while frame is not None:
            frame.f_trace = self(frame, "call", None)
            frame = frame.f_back

    def __call__(self, frame: Any, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        if self._target is not None and code.co_firstlineno != self._target[1]:
            return None
        return self.local if code.co_filename in self._paths and code.co_name not in self._catching else None

    def local(self, frame: Any, event: str, _arg: Any) -> Any:
        """Traces one function."""
        if event == "line" and not self.has_raised and not does_nothing(frame):
            line = (self._paths[frame.f_code.co_filename], frame.f_lineno)
            if self._target is None:
                self.lines.setdefault(line, (line, frame.f_code.co_firstlineno))
                self.runs[line] = self.runs.get(line, 0) + 1
            elif line == self._target[0] and self._skips > 0:
                self._skips -= 1
            elif line == self._target[0]:
                self.has_raised = True
                raise Injected(f"at {line[0]}:{line[1]}")
        return self.local


def does_nothing(frame: Any) -> bool:
    """Whether the line is one that cannot fail."""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return line == "try:" or (line.startswith("return ") and line[7:].isidentifier())
