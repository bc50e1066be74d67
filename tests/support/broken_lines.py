"""Raises at a chosen line of core, and notes which lines run: what injection tests are made of."""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import gpt_image2.core as core

ROOMS = Path(core.__file__).parent
Line = Tuple[str, int]


class Injected(Exception):
    """What is raised where nobody expects it."""


def paths_of(names: Sequence[str]) -> Dict[str, str]:
    """The names of modules of core, such as `calls/lane.py`, by their paths."""
    return {str(ROOMS / name): name for name in names}


class Tracer:
    """Notes the lines of these modules that run from the first call of `start` on, and raises at `target`.

    Functions that are named in `catching` are what a defect is caught by; they are left out.
    """

    def __init__(
        self,
        paths: Mapping[str, str],
        catching: Sequence[str],
        start: Callable[..., Any],
        target: Optional[Line] = None,
    ) -> None:
        self._paths = paths
        self._catching = catching
        self._start = start.__code__
        self.target = target
        self.lines: List[Line] = []
        self.seen: Set[Line] = set()
        self.is_on = False
        self.has_raised = False

    def __call__(self, frame: Any, _event: str, _arg: Any) -> Any:
        if frame.f_code is self._start:
            self.is_on = True
        is_traced = frame.f_code.co_filename in self._paths and frame.f_code.co_name not in self._catching
        return self.local if is_traced else None

    def local(self, frame: Any, event: str, _arg: Any) -> Any:
        """Traces one function."""
        if event == "line" and self.is_on and not self.has_raised and not does_nothing(frame):
            line = (self._paths[frame.f_code.co_filename], frame.f_lineno)
            if line == self.target:
                self.has_raised = True
                raise Injected(f"at {line[0]}:{line[1]}")
            if line not in self.seen:
                self.seen.add(line)
                self.lines.append(line)
        return self.local


def does_nothing(frame: Any) -> bool:
    """Whether the line is one that cannot fail."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() == "try:"
