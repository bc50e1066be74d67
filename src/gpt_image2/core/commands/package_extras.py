"""The optional parts of the package, which stand above core: found by name when they are asked for."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import Callable, ContextManager, Generator, List, NamedTuple, Sequence

from ..base.about import INSTALL_HINT
from ..base.errors import UsageError
from ..base.interrupt import StopSwitch
from ..base.optional_part import PICTURES_INSTALL, import_part, installed
from ..settings.base_url import OWN_SANDBOXES
from ..telling.output import Output
from .options import CallFlags

#: What stands for a key where none is needed.
SANDBOX_KEY = "sandbox"


class Extra(NamedTuple):
    """A layer above core: its module, and the command that installs it."""

    module: str
    install: str = INSTALL_HINT


#: The commands that come with an optional part of the package.
EXTRAS = {
    "sandbox": Extra("gpt_image2.sandbox"),
    "mcp": Extra("gpt_image2.mcp"),
    "install-skill": Extra("gpt_image2.skill", "pip install gpt-image2"),
    **{
        name: Extra(f"gpt_image2.pictures.commands.{name}", PICTURES_INSTALL)
        for name in ("mask", "compose", "check", "cutout", "fit", "sheet", "show")
    },
}


def run_extra(name: str, words: Sequence[str], _output: Output, _stop: StopSwitch) -> int:
    """Runs the command of an optional part, which prints for itself; its exit code."""
    with installed(name, EXTRAS[name].install):
        main: Callable[[List[str]], int] = import_part(EXTRAS[name].module).main
        return main(list(words))


@contextmanager
def start_sandbox() -> Generator[str, None, None]:
    """A sandbox that runs in this context; its base URL."""
    with ExitStack() as stack:
        with installed("sandbox", EXTRAS["sandbox"].install):
            serve: Callable[[], ContextManager[str]] = import_part(EXTRAS["sandbox"].module).serve_in_thread
            base_url = stack.enter_context(serve())
        OWN_SANDBOXES.add(base_url)
        stack.callback(OWN_SANDBOXES.discard, base_url)
        yield base_url


def use_sandbox(flags: CallFlags, stack: ExitStack) -> None:
    """Turns a command line to a sandbox that runs as long as the stack is open; a `UsageError` where it names
    another host."""
    if flags.base_url is not None:
        raise two_hosts()
    flags.base_url = stack.enter_context(start_sandbox())
    flags.api_key, flags.config, flags.profile = SANDBOX_KEY, None, ""


def two_hosts() -> UsageError:
    return UsageError(
        "--sandbox and --base-url name two hosts", hint="leave one of them out; nothing was sent"
    )
