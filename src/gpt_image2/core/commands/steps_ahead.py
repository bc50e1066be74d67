"""What shows of a job before anything is sent: its inputs that are files here; and where its picture is
worked on around the call, what cannot be done, and the price of a second call."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from typing import Optional, Sequence, Tuple

from ..api.checks import checked
from ..api.cost import CostEstimate
from ..api.odd_inputs import can_convert
from ..api.request import ImageRequest, InputImage, is_address
from ..base.errors import UsageError
from ..calls.client import Client
from ..calls.inputs import TO_FETCH, local_input, with_each_input
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


def local_inputs(
    request: ImageRequest,
    sources: Sequence[str],
    mask: Optional[str],
    markup: Optional[str],
    converts: bool = True,
) -> ImageRequest:
    """As `load_inputs`, but for inputs that are to be fetched or, where it `converts`, converted: those show
    only later what they are."""
    return with_each_input(
        request,
        sources,
        mask,
        markup,
        lambda source, what, max_bytes, first: (
            InputImage(source, "", TO_FETCH, None, None, 0, True, source)
            if is_address(source) or (converts and what == "input image" and _is_to_be_converted(source))
            else local_input(source, what, max_bytes, first)
        ),
    )


def _is_to_be_converted(source: str) -> bool:
    """Whether a file is a picture of a format that only the optional part for pictures makes fit."""
    return can_convert(os.path.abspath(os.path.expanduser(source)))
