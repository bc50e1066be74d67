"""Imports what stands above core by its name, and says how to install it where it is missing."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import Any, Generator

from .about import PROGRAM, in_quotes
from .errors import ConfigError, GptImage2Error, OutputError, UsageError
from .redact import show

MISSING = "extra_missing"
#: The oldest Python that the optional parts run on.
_PYTHON = (3, 10)


def install_line(extra: str = "") -> str:
    """The command that installs the package with this optional part: from the clone that this runs in, or in
    the place of the package that runs; the script alone knows of neither, and names a clone, or the package's
    command where that is found."""
    place, where = ".", f" in a clone of {PROGRAM}"
    if install_line.__module__.startswith("gpt_image2.core."):
        place, where = PROGRAM, ""
    folder = os.path.realpath(__file__)
    for _ in range(5):
        folder = os.path.dirname(folder)
        if os.path.isfile(os.path.join(folder, "src", "gpt_image2", "__main__.py")):
            place, where = folder, ""
    python = "" if not extra or sys.version_info >= _PYTHON else ", with Python 3.10 or newer"
    instead = f", or call {PROGRAM}" if has_command_beside() else ""
    return f"pip install {in_quotes(place + (f'[{extra}]' if extra else ''))}{where}{python}{instead}"


def has_command_beside() -> bool:
    """Whether this is the script, and the package's command is on the PATH."""
    if install_line.__module__.startswith("gpt_image2.core."):
        return False
    from shutil import which

    found = which(PROGRAM)
    here = os.path.dirname(os.path.realpath(__file__))  # where a link of that name may lead as well
    return found is not None and os.path.dirname(os.path.realpath(found)) != here


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
def installed(name: str, extra: str) -> Generator[None, None, None]:
    """Turns a missing part into an error that says how to install it."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"{name} is not installed here ({error.name} is missing)",
            hint=f"install it: {install_line(extra)}",
            code=MISSING,
        ) from None


def import_pictures(module: str) -> Any:
    """A module of what works with pictures; a `UsageError` where that is not installed."""
    with installed("working with pictures", "pictures"):
        return import_part(f"gpt_image2.pictures.{module}")


def reason_of(problem: BaseException) -> str:
    """What an error says, whoever raised it."""
    message = getattr(problem, "message", None) or getattr(problem, "strerror", None)
    return show(str(message or f"{type(problem).__name__}: {problem}"), limit=None)
