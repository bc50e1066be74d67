"""What a client learns about the tools before it calls one."""

from __future__ import annotations

from typing import Any

import pytest
from harness import Sandbox
from jsonschema import Draft202012Validator
from mcp import Client
from mcp_driving import Place, reference, text_of

from gpt_image2.core.api import cost, models
from gpt_image2.core.api.request import REQUEST_FIELDS
from gpt_image2.core.commands.picture_flags import WISH_FIELDS, WISHES

pytestmark = pytest.mark.anyio


FIRST = ["generate_image", "edit_image", "estimate_cost", "get_image"]
PICTURES = ["make_mask", "check_image", "cut_out"]


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    """The handshake of all clients until 2026, and the protocol of 2026-07-28."""
    return request.param


async def tools(place: Place, sandbox: Sandbox, mode: str = "auto") -> dict[str, Any]:
    async with Client(place.build(sandbox.base_url).server, mode=mode) as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


async def test_the_tools_are_listed_with_valid_schemas(place: Place, sandbox: Sandbox, mode: str) -> None:
    listed = await tools(place, sandbox, mode)
    assert list(listed) == [*FIRST, *PICTURES]
    for tool in listed.values():
        for schema in (tool.input_schema, tool.output_schema):
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        undescribed = [
            name for name, value in tool.input_schema["properties"].items() if not value.get("description")
        ]
        assert undescribed == []


async def test_annotations_tell_what_costs_and_what_is_safe(place: Place, sandbox: Sandbox) -> None:
    hints = {
        name: (
            tool.annotations.read_only_hint,
            tool.annotations.destructive_hint,
            tool.annotations.idempotent_hint,
            tool.annotations.open_world_hint,
        )
        for name, tool in (await tools(place, sandbox)).items()
    }
    assert hints == {
        "generate_image": (False, False, False, True),
        "edit_image": (False, False, False, True),
        "estimate_cost": (True, False, True, False),
        "get_image": (True, False, True, False),
        "make_mask": (False, False, False, False),
        "check_image": (True, False, True, False),
        "cut_out": (False, False, False, False),
    }


async def test_every_field_of_the_api_and_every_wish_for_a_picture_is_an_argument(
    place: Place, sandbox: Sandbox
) -> None:
    listed = await tools(place, sandbox)
    for_edits = {"areas", *(wish.name for wish in WISHES if wish.is_for_edits)}
    assert for_edits == {"areas", "keep_outside", "extend", "to"}
    shared = {"prompt", *REQUEST_FIELDS, "output", "max_cost_usd", "preview", *WISH_FIELDS} - for_edits
    assert set(listed["generate_image"].input_schema["properties"]) == shared
    more = {"images", "mask", "markup", *for_edits}
    assert set(listed["edit_image"].input_schema["properties"]) == {*shared, *more}
    assert listed["generate_image"].input_schema["required"] == ["prompt"]
    assert listed["edit_image"].input_schema["required"] == ["prompt", "images"]


async def test_unknown_qualities_and_models_fit_the_schema_unknown_formats_do_not(
    place: Place, sandbox: Sandbox
) -> None:
    schema = Draft202012Validator((await tools(place, sandbox))["generate_image"].input_schema)
    assert schema.is_valid({"prompt": "a", "quality": "ultra", "model": "gpt-image-3"})
    assert not schema.is_valid({"prompt": "a", "output_format": "bmp"})
    assert not schema.is_valid({"prompt": "a", "n": models.MAX_N + 1})


async def test_descriptions_tell_prices_and_seconds(place: Place, sandbox: Sandbox) -> None:
    estimate = cost.estimate_cost("gpt-image-2", "", "1024x1024", "high", 1)
    assert estimate is not None
    listed = await tools(place, sandbox)
    for tool in listed.values():
        if tool.name not in ("get_image", *PICTURES):
            assert f"high ${estimate.high_usd:.3f}" in tool.description
    assert "high 276 s" in listed["edit_image"].description


async def test_the_output_schema_has_the_fields_of_the_json_object(place: Place, sandbox: Sandbox) -> None:
    declared = (await tools(place, sandbox))["generate_image"].output_schema["properties"]
    printed = {
        **reference("result.schema.json")["properties"],
        **reference("error.schema.json")["properties"],
    }
    assert set(declared) == set(reference("result.schema.json")["properties"]) | {"error"}
    assert set(declared) <= set(printed)


async def test_an_estimate_is_free_and_names_price_and_time(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.base_url).server) as client:
        result = await client.call_tool(
            "estimate_cost", {"prompt": place.prompt, "size": "16:9@2k", "quality": "high", "n": 2}
        )
    estimate = cost.estimate_cost("gpt-image-2", place.prompt, "2048x1152", "high", 2)
    assert estimate is not None and not result.is_error
    answer = result.structured_content
    assert (answer["size"], answer["typical_s"], answer["billed"]) == ("2048x1152", 276.0, "no")
    assert answer["cost_usd"] == {"low": round(estimate.low_usd, 6), "high": round(estimate.high_usd, 6)}
    assert f"${estimate.low_usd:.4f}" in text_of(result)
    assert sandbox.log(place.prompt)["hits"] == 0


async def test_the_price_of_an_unknown_model_is_called_unknown(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.base_url).server) as client:
        result = await client.call_tool("estimate_cost", {"model": "gpt-image-3"})
    assert result.structured_content["cost_usd"] is None
    assert "not known" in text_of(result)
