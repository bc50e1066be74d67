"""Asks the user in the studio before a dear call is sent."""

from __future__ import annotations

import os
import time

from gpt_image2.approvals import Question, ask, is_studio_open
from gpt_image2.core.api.cost import CostEstimate
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.about import PROGRAM
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.settings.places import state_folder

NOT_APPROVED = "not_approved"
#: Hosts wait for some minutes at most.
_WAIT_S = 120.0
_SHOWN_PROMPT_CHARS = 2000


def approve(
    request: ImageRequest, estimate: CostEstimate | None, over_usd: float | None, stop: StopSwitch
) -> None:
    """Returns where the call may be sent: it costs no more than `over_usd`, or the user has said yes.

    Raises:
        UsageError: it may not; nothing was sent.
    """
    if over_usd is None or (estimate is not None and estimate.high_usd <= over_usd):
        return
    high_usd = estimate.high_usd if estimate else None
    cost = f"up to ${high_usd:.4f}" if high_usd is not None else "an unknown amount"
    what = f"this call of {request.model} may cost {cost}, more than ${over_usd:.2f}: the user must say yes"
    state_dir = state_folder(os.environ)
    if not is_studio_open(state_dir):
        raise UsageError(
            f"{what}; no studio is open",
            hint=f"ask the user to start `{PROGRAM} studio` and call again; nothing was sent",
            code=NOT_APPROVED,
        )
    prompt = request.prompt[:_SHOWN_PROMPT_CHARS]
    question = Question("MCP", request.command, request.model, prompt, high_usd, time.time() + _WAIT_S)
    try:
        answer = ask(state_dir, question, stop)
    except OSError as error:
        raise UsageError(f"{what}; it cannot be asked for: {error.strerror}", code=NOT_APPROVED) from None
    if answer is not True:
        why = "the user has refused it" if answer is False else "no answer came"
        raise UsageError(
            f"{what}; {why}", hint="ask the user before you call again; nothing was sent", code=NOT_APPROVED
        )
