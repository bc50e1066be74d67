"""The optional parts of the package, which stand above core: found by name when they are asked for."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import Callable, ContextManager, Generator, List, Sequence, Tuple

from ..base.errors import UsageError
from ..base.interrupt import StopSwitch
from ..base.optional_part import has_part, import_part, installed
from ..base.record import Record
from ..settings.base_url import OWN_SANDBOXES
from ..settings.places import state_folder
from ..telling.output import Output
from .options import ServerFlags

#: What stands for a key where none is needed.
SANDBOX_KEY = "sandbox"


class Extra(Record):
    """A layer above core: its module, and the extra of the package that has what it needs, if any."""

    module: str
    extra: str


#: The commands that come with an optional part of the package.
EXTRAS = {
    "sandbox": Extra("gpt_image2.sandbox", "sandbox"),
    "studio": Extra("gpt_image2.studio", "studio"),
    "mcp": Extra("gpt_image2.mcp", "mcp"),
    "install-skill": Extra("gpt_image2.skill", ""),
    **{
        name: Extra(f"gpt_image2.pictures.commands.{name}", "pictures")
        for name in ("mask", "compose", "check", "cutout", "fit", "sheet", "show")
    },
    "object storage": Extra("gpt_image2.cluster.commands.run", "cluster"),
    "batch plan": Extra("gpt_image2.cluster.commands.plan", "cluster"),
    "batch report": Extra("gpt_image2.cluster.commands.report", "cluster"),
}


#: What the extras of the package bring, by their names.
_BRING = {
    "pictures": ("numpy", "PIL"),
    "sandbox": ("starlette", "uvicorn", "PIL", "python_multipart"),
    "studio": ("starlette", "uvicorn", "numpy"),
    "mcp": ("mcp",),
    "cluster": ("obstore", "pyarrow"),
}


def extras_there() -> Tuple[List[str], List[str]]:
    """The names of the extras that are installed here, and of the others. Loads none."""
    there = [name for name, modules in _BRING.items() if all(map(has_part, ("gpt_image2", *modules)))]
    return there, [name for name in _BRING if name not in there]


def run_extra(name: str, words: Sequence[str], _output: Output, _stop: StopSwitch) -> int:
    """Runs the command of an optional part, which prints for itself; its exit code."""
    with installed(name, EXTRAS[name].extra):
        main: Callable[[List[str]], int] = import_part(EXTRAS[name].module).main
        package = import_part("gpt_image2.core.dispatch")
        if package.UsageError is not UsageError:  # this is the script: what the package raises, it knows
            return int(package.run_command([name, *words], [name]))
        return main(list(words))


def run_beyond(words: Sequence[str], command: ServerFlags, output: Output, stop: StopSwitch) -> int:
    """Runs a batch whose results go to object storage; its exit code."""
    part = EXTRAS["object storage"]
    with installed("object storage", part.extra):
        run: Callable[[ServerFlags, Output, StopSwitch], int] = import_part(part.module).run
        package = import_part("gpt_image2.core.dispatch")
    if package.UsageError is not UsageError:  # as above
        return int(package.run_command(["batch", "run", *words], ["batch"]))
    return run(command, output, stop)


@contextmanager
def start_sandbox(keeps: bool = False) -> Generator[str, None, None]:
    """A sandbox that runs in this context; its base URL. Where it `keeps` them, its batches are there again
    in the next one that does."""
    with ExitStack() as stack:
        with installed("sandbox", "sandbox"):
            sandbox = import_part(EXTRAS["sandbox"].module)
            serve: Callable[..., ContextManager[str]] = sandbox.serve_in_thread
            folder = state_folder(os.environ) / "sandbox" if keeps else None
            options = {"settings": sandbox.Settings(batch_job_s=0.0, keeps_in=folder)} if folder else {}
            base_url = stack.enter_context(serve(**options))
        OWN_SANDBOXES.add(base_url)
        stack.callback(OWN_SANDBOXES.discard, base_url)
        yield base_url


def use_sandbox(flags: ServerFlags, stack: ExitStack, keeps: bool = False) -> None:
    """Turns a command line to a sandbox that runs as long as the stack is open; a `UsageError` where it names
    another host."""
    if flags.base_url is not None:
        raise two_hosts()
    flags.base_url = stack.enter_context(start_sandbox(keeps))
    flags.api_key, flags.config, flags.profile = SANDBOX_KEY, None, ""


def two_hosts() -> UsageError:
    return UsageError(
        "--sandbox and --base-url name two hosts", hint="leave one of them out; nothing was sent"
    )
