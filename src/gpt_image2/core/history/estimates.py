"""The command `cost`: what a request would cost, by one model or all, for one size or all of a ratio."""

from __future__ import annotations

import os
from typing import Sequence, Tuple

from ..api.checks import checked
from ..api.cost import BATCH_DISCOUNT
from ..base.errors import UsageError
from ..base.interrupt import StopSwitch
from ..base.outcome import ExitCode
from ..base.record import replace
from ..base.redact import show
from ..commands.options import request_of
from ..commands.steps_ahead import local_inputs
from ..settings.base_url import is_loopback, is_official
from ..settings.config import load_settings
from ..telling.amounts import cost_in_words, estimate_json
from ..telling.output import Output
from ..telling.tables import line_of
from .compare import run_compare, run_sizes, what_is_reported
from .options import cost_parser

_ANY_PROMPT = "-"


def run_cost(words: Sequence[str], output: Output, _: StopSwitch) -> int:
    query = cost_parser().parse_args(list(words))
    if query.words is not None and query.prompt is not None:
        raise UsageError("the prompt is given twice", hint="give PROMPT or --prompt, not both")
    if query.n is not None and query.n < 1:
        raise UsageError(f"--n is {query.n}; it must be at least 1", hint="it is the number of images in all")
    if query.sizes and (query.size or query.compare):
        raise UsageError("--sizes has a table of its own", hint="leave --size and --compare out")
    prompt = query.prompt if query.words is None else query.words
    settings = load_settings(os.environ, config=query.config, profile=query.profile)
    asked = request_of(query, _ANY_PROMPT if prompt is None else prompt)
    asked = local_inputs(asked, query.image, None, None)
    # Of a sum there are no ten images a call.
    request, warnings = checked(replace(settings.applied_to(asked), n=None))
    request = replace(request, prompt=request.prompt if prompt is not None else "", n=query.n)
    if query.batch:
        warnings += batch_warnings(settings.base_url)
    for warning in warnings:
        output.warn(warning)
    discount = BATCH_DISCOUNT if query.batch else 1.0
    if query.sizes:
        return run_sizes(request, query.sizes, settings.prices, discount, output)
    if query.compare:
        only = request if asked.model else replace(request, model="")
        return run_compare(only, settings.prices, discount, output)
    estimate = request.estimate(settings.prices)
    if estimate is not None:
        notes = [
            estimate.note,
            "the prompt is not counted" if prompt is None else "",
            "by the Batch API" if query.batch else "",
        ]
        estimate = replace(estimate.at(discount), note="; ".join(filter(None, notes)))
    output.result(line_of([f"Estimated cost: {cost_in_words(estimate)}"]))
    if estimate is None and what_is_reported(request.model):
        output.result(line_of([what_is_reported(request.model)]))
    output.finish(
        {
            "ok": True,
            "command": "cost",
            "model": request.model,
            "size": request.effective_size,
            "quality": request.effective_quality,
            "n": request.count,
            "batch": query.batch,
            "cost_usd": estimate_json(estimate),
            "note": estimate.note if estimate else what_is_reported(request.model),
            "warnings": list(warnings),
        }
    )
    return ExitCode.OK


def batch_warnings(base_url: str) -> Tuple[str, ...]:
    """What there is to say where a host may have no Batch API, which is OpenAI's own."""
    if is_official(base_url) or is_loopback(base_url):
        return ()
    return (f"the Batch API is OpenAI's own: {show(base_url)} may not have it, nor its price",)
