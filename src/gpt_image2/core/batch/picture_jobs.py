"""Jobs whose pictures are worked on around their call: what cannot be done, and the prices of second calls,
show before anything is sent."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Optional

from ..api.checks import checked
from ..api.cost import CostEstimate
from ..api.request import is_address
from ..base.errors import UsageError
from ..calls.client import Client
from ..calls.under_way import PreparedCall
from ..commands.finishing import Finishing
from ..commands.picture_flags import PictureWishes
from ..outputs.naming import OutputPlan
from .job import Job


def most_for_both(max_cost_usd: Optional[float]) -> Optional[float]:
    """What a call and its second one may cost together, where the sum of all jobs has a cap: that is kept by
    holding the price of both. Without one a second call is made only where there is no picture otherwise."""
    return None if max_cost_usd is None else math.inf


def estimate_with_steps(
    job: Job, wishes: PictureWishes, client: Client, plan: OutputPlan, max_cost_usd: Optional[float]
) -> Optional[CostEstimate]:
    """What all calls of a job may cost, in USD; what comes before them is done, and what it made goes again.

    Raises:
        UsageError: what it wishes for cannot be done.
    """
    if wishes.need_source and any(map(is_address, job.sources)):
        raise UsageError(
            "the image to work on is an address: it is not looked at before it is paid for",
            hint="save it, and name the file",
        )
    with ExitStack() as stack:
        finishing = Finishing(wishes, stack)
        request = job.request
        if job.sources and not any(map(is_address, job.sources)):
            request = stack.enter_context(client.with_inputs(request, job.sources, job.mask, job.markup))
        request, _ = checked(finishing.before(request))
        call = finishing.set_aside(PreparedCall(request, plan, ()))
        finishing.price(client, call, most_for_both(max_cost_usd))
        return finishing.estimate(client, call)
