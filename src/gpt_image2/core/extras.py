"""The one door from core to what is built on it: extras, looked up by name and only when asked for."""

from __future__ import annotations

import importlib
from typing import Any, Callable, ContextManager, List, NamedTuple

from .about import INSTALL_HINT
from .errors import UsageError


class Extra(NamedTuple):
    """A layer above core: its module, and what it does in a line."""

    module: str
    summary: str


#: The commands that come with an optional part of the package.
EXTRAS = {
    "sandbox": Extra("gpt_image2.sandbox", "run an offline Images API on loopback, to rehearse without a key")
}


def load_extra(name: str) -> Any:
    """The module of an extra.

    Raises:
        UsageError: it is not installed; the hint is the command that installs it.
    """
    hint = f"install it: {INSTALL_HINT.format(extra=name)}"
    try:
        module = importlib.import_module(EXTRAS[name].module)
        module.require()
    except ImportError as error:
        raise UsageError(
            f"the {name} is not installed here ({error})", hint=hint, code="extra_missing"
        ) from None
    return module


def run_extra(name: str, argv: List[str]) -> int:
    """Runs an extra's command; its exit code."""
    main: Callable[[List[str]], int] = load_extra(name).main
    return main(argv)


def start_sandbox() -> ContextManager[str]:
    """A sandbox for one call: a context manager that gives its base URL."""
    serve: Callable[[], ContextManager[str]] = load_extra("sandbox").serve_in_thread
    return serve()
