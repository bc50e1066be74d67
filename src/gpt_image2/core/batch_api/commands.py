"""The Batch API's commands below `batch`, by name."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

from ..base.interrupt import StopSwitch
from ..telling.output import Output

_CommandRunner = Callable[[Sequence[str], Output, StopSwitch], int]


def run_batch_api(name: str, rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs one of them; its exit code.

    Raises:
        GptImage2Error: as that command.
    """
    from .fetch import run_fetch
    from .follow import run_cancel, run_list, run_status, run_wait
    from .submit import run_submit

    commands: Mapping[str, _CommandRunner] = {
        "submit": run_submit,
        "status": run_status,
        "wait": run_wait,
        "fetch": run_fetch,
        "cancel": run_cancel,
        "list": run_list,
    }
    return commands[name](rest, output, stop)
