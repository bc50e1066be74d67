"""Imports what stands above core by its name, and says how to install it where it is missing."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import Any, Generator

from .about import INSTALL_HINT
from .errors import ConfigError, GptImage2Error, OutputError, UsageError
from .redact import show

PICTURES_INSTALL = INSTALL_HINT.format(extra="pictures")
MISSING = "extra_missing"


def import_part(module: str) -> Any:
    """A module of the package."""
    import importlib

    with _without_this_folder():
        return importlib.import_module(module)


def has_part(module: str) -> bool:
    """Whether there is a module, which is not loaded."""
    from importlib.util import find_spec

    with _without_this_folder():
        return find_spec(module) is not None


@contextmanager
def _without_this_folder() -> Generator[None, None, None]:
    """In this context, a script of the package's name beside this file does not hide the package."""
    path, here = sys.path, os.path.dirname(os.path.abspath(__file__))
    sys.path = [folder for folder in path if os.path.abspath(folder) != here]
    try:
        yield
    finally:
        sys.path = path


@contextmanager
def errors_as_ours() -> Generator[None, None, None]:
    """Turns errors of the package's own core into those of the core that runs: where that is the script, a
    part of the package imports another one."""
    try:
        yield
    except Exception as error:
        code: Any = getattr(error, "exit_code", None)
        if isinstance(error, GptImage2Error) or not isinstance(code, int):
            raise
        kinds = {int(kind.exit_code): kind for kind in (UsageError, ConfigError, OutputError)}
        foreign: Any = error
        raise kinds.get(code, GptImage2Error)(foreign.message, hint=foreign.hint, code=foreign.code) from None


@contextmanager
def installed(name: str, install: str) -> Generator[None, None, None]:
    """Turns a missing part into an error that says how to install it."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"{name} is not installed here ({error.name} is missing)",
            hint=f"install it: {install.format(extra=name)}",
            code=MISSING,
        ) from None


def import_pictures(module: str) -> Any:
    """A module of what works with pictures; a `UsageError` where that is not installed."""
    with installed("working with pictures", PICTURES_INSTALL):
        return import_part(f"gpt_image2.pictures.{module}")


def reason_of(problem: BaseException) -> str:
    """What an error says, whoever raised it."""
    message = getattr(problem, "message", None) or getattr(problem, "strerror", None)
    return show(str(message or f"{type(problem).__name__}: {problem}"), limit=None)
