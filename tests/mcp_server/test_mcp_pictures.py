"""The tools for pictures that are there, and images as resources."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvases import photo as pixels
from canvases import subject
from harness import Sandbox, install_line
from mcp import Client, types
from mcp.shared.exceptions import MCPError
from mcp_driving import Place, call, links_of, photo, previews_of, text_of
from painting import paint, sent_files
from PIL import Image
from servers import Recorder

from gpt_image2.core.api.cost import estimate_cost
from gpt_image2.core.commands.picture_flags import WISH_FIELDS
from gpt_image2.mcp import picture_tools, resources

pytestmark = pytest.mark.anyio
NOWHERE = "http://127.0.0.1:9/v1"
RECT = {"rect": ["25%", "25%", "50%", "50%"]}


async def on(place: Place, tool: str, **arguments: Any) -> types.CallToolResult:
    return await call(place, NOWHERE, tool, arguments)


async def test_a_mask_from_shapes_fits_the_picture_and_is_shown_on_it(place: Place) -> None:
    source = photo(place.allowed / "in.png", (320, 240))
    result = await on(place, "make_mask", image=str(source), shapes=[RECT], feather="2%")
    assert not result.is_error, text_of(result)
    assert place.written() == ["in-mask-overlay.jpg", "in-mask.png"]
    with Image.open(place.output / "in-mask.png") as made:
        alpha = np.asarray(made.getchannel("A"))
    assert (alpha.shape, alpha[120, 160], alpha[5, 5]) == ((240, 320), 0, 255)
    answer = result.structured_content
    assert answer["share"] == pytest.approx(0.25, abs=0.01)
    assert (answer["ok"], answer["command"], answer["billed"]) == (True, "mask", "no")
    assert [Path(image["path"]).name for image in answer["images"]] == ["in-mask.png", "in-mask-overlay.jpg"]
    assert len(links_of(result)) == 2 and len(previews_of(result)) == 1
    assert previews_of(result)[0].mime_type == "image/jpeg"


async def test_the_next_free_name_is_taken_and_none_is_left_empty(place: Place) -> None:
    photo(place.output / "in.png")
    (place.output / "hole.png").write_bytes(b"mine")
    for _ in range(2):
        done = await on(place, "make_mask", image="in.png", shapes=[RECT], output="hole.png", overlay=False)
        assert not done.is_error
    assert (place.output / "hole.png").read_bytes() == b"mine"
    assert place.written() == ["hole-1.png", "hole-2.png", "hole.png", "in.png"]
    refused = await on(place, "make_mask", image="in.png", shapes=[{"rect": [900, 900, 9, 9]}])
    assert refused.structured_content["error"]["code"] == "empty_mask"
    assert place.written() == ["hole-1.png", "hole-2.png", "hole.png", "in.png"]


async def test_a_check_tells_what_an_edit_changed_outside_its_mask(place: Place) -> None:
    source = photo(place.allowed / "in.png")
    await on(place, "make_mask", image=str(source), shapes=[RECT], output="mask")
    with Image.open(source) as image:
        edited = image.convert("RGB")
    edited.paste((9, 9, 9), (100, 100, 150, 150))
    edited.save(place.output / "good.png")
    edited.putpixel((0, 0), (1, 2, 3))
    edited.save(place.output / "bad.png")
    verdicts = {}
    for name in ("good", "bad"):
        arguments = {"image": f"{name}.png", "against": str(source), "mask": "mask.png", "size": "320x240"}
        result = await on(place, "check_image", **arguments)
        assert not result.is_error and result.content[1:] == []
        answer = result.structured_content
        verdicts[name] = (answer["ok"], [check["name"] for check in answer["checks"] if not check["ok"]])
    assert verdicts == {"good": (True, []), "bad": (False, ["outside"])}
    assert "FAIL: outside: 1 pixel changed outside the mask" in text_of(result)
    assert "ok: size: it is 320x240" in text_of(result)


async def test_a_subject_is_cut_out_with_real_transparency(place: Place) -> None:
    Image.fromarray(subject(200).on((0, 255, 0))).save(place.allowed / "disc.png")
    result = await on(place, "cut_out", image=str(place.allowed / "disc.png"), output="icons/disc")
    assert not result.is_error, text_of(result)
    with Image.open(place.output / "icons" / "disc.png") as made:
        assert made.mode == "RGBA" and made.getpixel((0, 0))[3] == 0
    assert result.structured_content["key"].startswith("#")
    assert all(check["ok"] for check in result.structured_content["checks"])
    (preview,) = previews_of(result)
    assert preview.mime_type == "image/png"


@pytest.mark.parametrize(
    "tool, arguments",
    [
        ("make_mask", {"image": "../secret.png", "shapes": [RECT]}),
        ("make_mask", {"image": "in.png", "shapes": [{"file": "../secret.png"}]}),
        ("make_mask", {"image": "in.png", "shapes": [{"difference": "../secret.png"}]}),
        ("make_mask", {"image": "in.png", "shapes": [RECT], "output": "../mask.png"}),
        ("check_image", {"image": "in.png", "against": "../secret.png"}),
        ("check_image", {"image": "in.png", "against": "in.png", "mask": "link.png"}),
        ("cut_out", {"image": "in.png", "pair": "../secret.png"}),
    ],
)
async def test_no_path_leads_out_of_the_folders(place: Place, tool: str, arguments: dict[str, Any]) -> None:
    photo(place.root / "secret.png")
    photo(place.output / "in.png")
    os.symlink(place.root / "secret.png", place.output / "link.png")
    before = place.written()
    result = await call(place, NOWHERE, tool, arguments)
    assert result.structured_content["error"]["code"] == "path_not_allowed"
    assert place.written() == before


@pytest.mark.parametrize(
    "tool, arguments, said",
    [
        ("make_mask", {"image": "in.png", "shapes": []}, "shapes"),
        ("make_mask", {"image": "in.png", "shapes": [{"rect": [1, 2, 3]}]}, "shapes.0.rect"),
        ("make_mask", {"image": "in.png", "shapes": [RECT], "output": "mask.jpg"}, "a mask must be png"),
        ("make_mask", {"image": "in.txt", "shapes": [RECT]}, "cannot read picture"),
        ("check_image", {"image": "in.png"}, "nothing to check"),
        ("cut_out", {"image": "in.png", "key": "no colour"}, "is no colour"),
        ("cut_out", {"image": "in.png", "output": "a.jpg"}, "jpeg has no transparency"),
    ],
)
async def test_what_cannot_be_done_is_one_answer_and_leaves_nothing(
    place: Place, tool: str, arguments: dict[str, Any], said: str
) -> None:
    photo(place.output / "in.png")
    (place.output / "in.txt").write_text("no picture")
    result = await call(place, NOWHERE, tool, arguments)
    assert result.is_error and said in text_of(result)
    assert "-o " not in text_of(result)
    assert place.written() == ["in.png", "in.txt"]


@pytest.fixture
def model(place: Place, recorder: Recorder) -> Recorder:
    """A model that paints over what it is sent; the picture to edit is there."""
    paint(recorder, shift_px=2)
    Image.fromarray(pixels(320, 240)).save(place.allowed / "room.png")
    return recorder


async def edit(place: Place, model: Recorder, **arguments: Any) -> types.CallToolResult:
    room = str(place.allowed / "room.png")
    given = {"prompt": place.prompt, "images": [room], "quality": "low", **arguments}
    return await call(place, model.base_url, "edit_image", given)


async def test_an_edit_of_an_area_keeps_what_is_outside(place: Place, model: Recorder) -> None:
    areas = [{"rect": [100, 60, 120, 90]}, {"ellipse": ["0%", "0%", 30, 30]}]
    result = await edit(place, model, areas=areas, keep_outside=True, output="out.png")
    assert not result.is_error, text_of(result)
    assert place.written() == ["out.model.png", "out.png"]
    (image,) = result.structured_content["images"]
    assert (image["method"], image["changed_outside"]) == ("keep-outside", 0)
    assert image["derived_from"] == [str(place.output / "out.model.png"), str(place.allowed / "room.png")]
    made, mask = np.asarray(Image.open(place.output / "out.png")), sent_files(model.only)["mask"]
    assert np.array_equal(made[200:], pixels(320, 240)[200:])
    alpha = np.asarray(mask.getchannel("A").resize((320, 240)))
    assert (alpha[100, 150], alpha[15, 15], alpha[0, 0], alpha[220, 300]) == (0, 0, 255, 255)
    assert "0 pixels changed outside the mask" in text_of(result)
    assert len(links_of(result)) == len(previews_of(result)) == 1


async def test_a_picture_is_extended_under_the_cap_that_its_new_size_needs(
    place: Place, model: Recorder
) -> None:
    Image.fromarray(pixels(1024, 768)).save(place.allowed / "room.png")
    result = await edit(place, model, extend="left=25%,right=256px", output="wide.png")
    (image,) = result.structured_content["images"]
    assert (image["width"], image["height"], image["method"]) == (1536, 768, "extend")
    assert model.only.texts()["size"] == "1536x768"


async def test_an_edit_whose_new_size_costs_more_than_the_cap_is_not_sent(
    place: Place, model: Recorder
) -> None:
    Image.fromarray(pixels(1600, 1200)).save(place.allowed / "room.png")
    given = {"prompt": place.prompt, "images": [str(place.allowed / "room.png")], "quality": "high"}
    before = estimate_cost("gpt-image-2", place.prompt, "auto", "high", 1, input_tokens=1536)
    assert before is not None
    server = place.build(model.base_url, max_cost_usd=before.high_usd + 0.01).server
    async with Client(server) as client:
        result = await client.call_tool("edit_image", {**given, "extend": "all=60%"})
    assert result.structured_content["error"]["code"] == "over_max_cost"
    assert model.requests == [] and place.written() == []


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"keep_outside": True}, "needs a mask"),
        ({"areas": [{"rect": [900, 900, 10, 10]}]}, "outside"),
        ({"areas": [{"rect": [0, 0, 9, 9], "ellipse": [0, 0, 9, 9]}]}, "areas"),
        ({"areas": [{"rect": [0, 0, 9, 9]}], "extend": "left=10%"}, "`extend` makes the mask itself"),
        ({"extend": "upwards"}, "upwards"),
        ({"to": "4:3", "extend": "left=10%"}, "both say how far"),
        ({"fit": "pad"}, "`fit` needs `exact`"),
        ({"exact": "600x315", "fit": "bend"}, "fit"),
        ({"cutout": True, "glass": True}, "two methods"),
        ({"cutout": True, "output": "a.jpg"}, "jpeg has no transparency"),
        ({"exact": "0x0"}, "cannot be a picture's size"),
        ({"under": "nothing"}, "nothing"),
        ({"max_cost_usd": 0.001}, "`max_cost_usd`"),
        ({"areas": [{"rect": [0, 0, 9, 9]}], "keep_outside": True, "output": "../out.png"}, "leads out"),
    ],
)
async def test_an_edit_that_cannot_be_is_not_sent(
    place: Place, model: Recorder, arguments: dict[str, Any], said: str
) -> None:
    result = await edit(place, model, **arguments)
    assert result.is_error and said in text_of(result)
    assert model.requests == [] and place.written() == []


async def test_an_exact_size_under_a_weight_is_saved_beside_what_the_model_sent(
    place: Place, model: Recorder
) -> None:
    given = {"prompt": place.prompt, "exact": "600x315", "fit": "pad", "under": "30KB", "output": "card.jpg"}
    result = await call(place, model.base_url, "generate_image", given)
    assert not result.is_error, text_of(result)
    (image,) = result.structured_content["images"]
    assert (image["format"], image["width"], image["height"]) == ("jpeg", 600, 315)
    assert image["bytes"] <= 30_000 and image["method"] == "exact + under"
    assert place.written() == ["card.jpg", "card.model.png"]
    assert "padded from" in text_of(result)


async def test_a_picture_is_extended_to_a_ratio(place: Place, model: Recorder) -> None:
    Image.fromarray(pixels(1024, 768)).save(place.allowed / "room.png")
    result = await edit(place, model, to="16:9", exact="1280x720", output="wide.png")
    (image,) = result.structured_content["images"]
    assert (image["width"], image["height"], image["method"]) == (1280, 720, "extend + exact")
    assert model.only.texts()["size"] == "1376x768"


@pytest.mark.parametrize(
    "more, calls, method, said",
    [
        ({}, 1, "as it came", "max_cost_usd 0.01 allows it"),
        ({"max_cost_usd": 0.02}, 2, "key", "is clear"),
    ],
    ids=["one price is allowed", "both are"],
)
async def test_a_second_call_for_a_clear_background_is_made_where_its_price_is_allowed(
    place: Place, sandbox: Sandbox, more: dict[str, Any], calls: int, method: str, said: str
) -> None:
    given = {"prompt": place.prompt, "cutout": True, "size": "1024x640", "quality": "low", **more}
    async with Client(place.build(sandbox.fault("checkerboard"), max_cost_usd=1.0).server) as client:
        result = await client.call_tool("generate_image", {**given, "output": "fox.png"})
        session = (await client.call_tool("estimate_cost", {})).structured_content["session"]
    assert not result.is_error, text_of(result)
    (image,) = result.structured_content["images"]
    assert (image["method"], result.structured_content["attempts"]) == (method, calls)
    assert said in text_of(result)
    assert "--" not in text_of(result)
    assert session["spent_usd"] == pytest.approx(result.structured_content["cost_usd"])
    assert all(check["ok"] for check in image["checks"]) == (calls == 2)


async def test_the_sum_of_a_session_counts_both_calls_before_one_is_sent(
    place: Place, sandbox: Sandbox
) -> None:
    one = estimate_cost("gpt-image-2", place.prompt, "1024x640", "low", 1)
    assert one is not None
    given = {"prompt": place.prompt, "glass": True, "size": "1024x640", "quality": "low"}
    async with Client(place.build(sandbox.base_url, max_cost_usd=one.high_usd * 1.9).server) as client:
        refused = await client.call_tool("generate_image", given)
        assert refused.structured_content["error"]["code"] == "over_max_cost"
    assert sandbox.log(place.prompt)["hits"] == 0 and place.written() == []
    result = await call(place, sandbox.base_url, "generate_image", {**given, "output": "glass.png"})
    assert result.structured_content["images"][0]["method"] == "pair", text_of(result)
    assert place.written() == ["glass.black.png", "glass.model.png", "glass.png"]


async def test_a_transparent_background_is_looked_at(place: Place, sandbox: Sandbox) -> None:
    given = {"prompt": place.prompt, "background": "transparent", "quality": "low", "size": "1024x640"}
    result = await call(place, sandbox.fault("checkerboard"), "generate_image", given)
    (image,) = result.structured_content["images"]
    assert not all(check["ok"] for check in image["checks"])
    assert "a checkerboard is painted instead" in text_of(result)


async def test_without_the_extra_the_tools_are_not_listed_and_say_what_to_install(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (picture_tools, "gpt_image2.mcp.tools", "gpt_image2.mcp.picture_calls"):
        name = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{name}.are_pictures_installed", lambda: False)
    async with Client(place.build(NOWHERE).server) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert len(listed) == 4
        arguments = listed["edit_image"].input_schema["properties"]
        assert set(WISH_FIELDS) & arguments.keys() == {"areas"}
        assert not set(WISH_FIELDS) & listed["generate_image"].input_schema["properties"].keys()
        result = await client.call_tool("cut_out", {"image": "a.png"})
        assert install_line("pictures") in (client.instructions or "")
    assert result.is_error and f"install it: {install_line('pictures')}" in text_of(result)


async def test_a_link_of_a_result_can_be_listed_and_read(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.base_url).server) as client:
        assert (await client.list_resources()).resources == []
        made = await client.call_tool("generate_image", {"prompt": place.prompt, "quality": "low"})
        (link,) = links_of(made)
        (listed,) = (await client.list_resources()).resources
        assert (listed.uri, listed.mime_type, listed.size) == (link.uri, "image/png", link.size)
        (contents,) = (await client.read_resource(link.uri)).contents
    assert isinstance(contents, types.BlobResourceContents)
    assert base64.b64decode(contents.blob) == Path(made.structured_content["images"][0]["path"]).read_bytes()
    assert contents.mime_type == "image/png"


async def test_only_images_in_the_folders_can_be_read_and_none_too_large(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(place.root / "secret.png")
    (place.output / "notes.txt").write_text("sk-secret")
    os.symlink(place.root / "secret.png", place.output / "link.png")
    large = photo(place.output / "large.png")
    monkeypatch.setattr(resources, "MAX_RESOURCE_BYTES", 100)
    refused = [
        (place.root / "secret.png").as_uri(),
        (place.output / "link.png").as_uri(),
        (place.output / "notes.txt").as_uri(),
        (place.output / "missing.png").as_uri(),
        large.as_uri(),
        f"{place.output.as_uri()}/../secret.png",
        "https://127.0.0.1/large.png",
        "file://example.com/large.png",
    ]
    async with Client(place.build(NOWHERE).server) as client:
        for uri in refused:
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            assert "sk-secret" not in json.dumps(caught.value.error.message)
