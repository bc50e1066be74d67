"""Jobs whose pictures are worked on around their call: what cannot be done, and the prices of second calls,
show before anything is sent."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Optional, Sequence, Tuple

from ..api.checks import checked
from ..api.cost import CostEstimate
from ..api.request import ImageRequest, is_address
from ..base.errors import UsageError
from ..calls.client import Client
from ..calls.under_way import PreparedCall
from ..outputs.naming import OutputPlan
from .finishing import Finishing
from .picture_flags import PictureWishes


def most_for_both(max_cost_usd: Optional[float]) -> Optional[float]:
    """What a call and its second one may cost together, where the sum of all jobs has a cap: that is kept by
    holding the price of both. Without one a second call is made only where there is no picture otherwise."""
    return None if max_cost_usd is None else math.inf


def estimate_with_steps(
    wishes: PictureWishes,
    request: ImageRequest,
    inputs: Tuple[Sequence[str], Optional[str], Optional[str]],
    client: Client,
    plan: OutputPlan,
    max_cost_usd: Optional[float],
) -> Optional[CostEstimate]:
    """What all calls of a job may cost, in USD; what comes before them is done, and what it made goes again.
    `inputs` are its images, its mask and its markup, none of which is in the request yet.

    Raises:
        UsageError: what it wishes for cannot be done.
    """
    sources, mask, markup = inputs
    is_far = any(map(is_address, sources))
    if wishes.need_source and is_far:
        raise UsageError(
            "the image to work on is an address: it is not looked at before it is paid for",
            hint="save it, and name the file",
        )
    with ExitStack() as stack:
        finishing = Finishing(wishes, stack)
        if sources and not is_far:
            request = stack.enter_context(client.with_inputs(request, sources, mask, markup))
        request, _ = checked(finishing.before(request))
        call = finishing.set_aside(PreparedCall(request, plan, ()))
        finishing.price(client, call, most_for_both(max_cost_usd))
        return finishing.estimate(client, call)
