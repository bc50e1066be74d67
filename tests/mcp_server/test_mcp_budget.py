"""The cap on what a server may spend: refused in time, also for calls at once, and booked honestly."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest
from harness import Sandbox
from mcp import Client, types
from mcp_driving import DEADLINE_S, Place, photo, soon, text_of
from processes import curls_of

from gpt_image2.core.api.cost import CostEstimate, estimate_cost
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.ledger.budget import Budget

pytestmark = pytest.mark.anyio

ONE = CostEstimate(1.0, 1.0, "")
SIZE = "1024x1024"


#: The estimate of one input image, at its highest.
INPUT_USD = 1536 * 8 / 1e6


def price(place: Place) -> float:
    """The highest estimate of one call as these tests make them."""
    estimate = estimate_cost("gpt-image-2", place.prompt, SIZE, "low", 1)
    assert estimate is not None
    return estimate.high_usd


async def generate(client: Client, place: Place, **more: Any) -> types.CallToolResult:
    return await client.call_tool(
        "generate_image", {"prompt": place.prompt, "quality": "low", "size": SIZE, **more}
    )


def code_of(result: types.CallToolResult) -> str:
    return result.structured_content["error"]["code"] if result.is_error else ""


async def spent(client: Client) -> dict[str, float]:
    return (await client.call_tool("estimate_cost", {})).structured_content["session"]


async def test_a_call_that_may_pass_the_cap_is_refused_and_nothing_is_sent(
    place: Place, sandbox: Sandbox
) -> None:
    server = place.build(sandbox.base_url, max_cost_usd=price(place) * 2.5).server
    async with Client(server) as client:
        assert not (await generate(client, place)).is_error
        refused = await generate(client, place, n=2)
        assert code_of(refused) == "over_max_cost" and refused.structured_content["billed"] == "no"
        assert not (await generate(client, place)).is_error
        assert code_of(await generate(client, place)) == "over_max_cost"
    assert sandbox.log(place.prompt)["hits"] == 2


async def test_calls_at_once_cannot_race_past_the_cap(place: Place, slow_sandbox: Sandbox) -> None:
    results: list[types.CallToolResult] = []

    async def one(client: Client) -> None:
        results.append(await generate(client, place))

    server = place.build(slow_sandbox.base_url, max_cost_usd=price(place) * 2.5).server
    async with Client(server) as client:
        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(one, client)
        assert (await spent(client))["held_usd"] == 0
    assert sorted(code_of(result) for result in results) == ["", ""] + ["over_max_cost"] * 4
    assert slow_sandbox.log(place.prompt)["hits"] == 2


def test_threads_cannot_race_past_the_cap() -> None:
    budget, held, go = Budget(10.0), [], threading.Barrier(40)

    def one() -> None:
        go.wait()
        try:
            with budget.hold(ONE, "m") as hold:
                hold.sent()
                held.append(hold)
                hold.settle(Billed.YES, 1.0)
        except UsageError:
            pass

    threads = [threading.Thread(target=one) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 10
    assert budget.json() == {"max_cost_usd": 10.0, "spent_usd": 10.0, "held_usd": 0.0, "left_usd": 0.0}


async def test_the_actual_cost_counts_where_it_is_known(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.base_url, max_cost_usd=1.0).server) as client:
        result = await generate(client, place)
        session = await spent(client)
    assert session["spent_usd"] == result.structured_content["cost_usd"]
    assert f"Left in this session: ${session['left_usd']:.4f} of $1.0000" in text_of(result)


async def test_what_may_have_been_billed_counts_as_estimated(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.fault("reset"), max_cost_usd=1.0).server) as client:
        assert (await generate(client, place)).structured_content["billed"] == "maybe"
        assert (await spent(client))["spent_usd"] == pytest.approx(price(place), abs=1e-6)


async def test_a_cancelled_call_counts_as_estimated(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.fault("stall"), max_cost_usd=1.0).server) as client:
        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as group:
                group.start_soon(generate, client, place)
                await soon(curls_of)
                assert (await spent(client))["held_usd"] == pytest.approx(price(place), abs=1e-6)
                group.cancel_scope.cancel()
            await soon(lambda: not curls_of())
        session = await spent(client)
    assert session["spent_usd"] == pytest.approx(price(place), abs=1e-6) and session["held_usd"] == 0


async def test_what_was_not_billed_does_not_count(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.fault("moderation"), max_cost_usd=1.0).server) as client:
        assert (await generate(client, place)).is_error
        assert (await generate(client, place, size="1x1")).is_error
        assert (await spent(client))["left_usd"] == 1.0


@pytest.mark.parametrize("unknown", [{"model": "gpt-image-3"}, {"model": "gpt-image-3", "quality": "ultra"}])
async def test_an_unknown_price_is_refused_under_a_cap_only(
    place: Place, sandbox: Sandbox, unknown: dict[str, str]
) -> None:
    async with Client(place.build(sandbox.base_url, max_cost_usd=1.0).server) as client:
        assert code_of(await generate(client, place, **unknown)) == "unknown_cost"
    assert sandbox.log(place.prompt)["hits"] == 0
    async with Client(place.build(sandbox.base_url).server) as client:
        await generate(client, place, **unknown)
    assert sandbox.log(place.prompt)["hits"] >= 1


async def test_edits_count_too(place: Place, sandbox: Sandbox) -> None:
    source = photo(place.output / "cat.png", (1024, 1024))
    arguments = {"prompt": place.prompt, "quality": "low", "size": SIZE, "images": [source.name]}
    assert 1.5 * price(place) < price(place) + INPUT_USD
    async with Client(place.build(sandbox.base_url, max_cost_usd=1.5 * price(place)).server) as client:
        assert code_of(await client.call_tool("edit_image", arguments)) == "over_max_cost"
    cap_usd = 1.5 * (price(place) + INPUT_USD)
    async with Client(place.build(sandbox.base_url, max_cost_usd=cap_usd).server) as client:
        assert not (await client.call_tool("edit_image", arguments)).is_error
        assert code_of(await client.call_tool("edit_image", arguments)) == "over_max_cost"
