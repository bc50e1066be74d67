"""Calls that make images: their results, errors, progress and cancellation, through the SDK in memory."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest
from faulty import WAIT_S, Exchange, completed, partial, serving
from harness import Sandbox
from jsonschema import validate
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_driving import (
    DEADLINE_S,
    KEY,
    Place,
    call,
    generate,
    links_of,
    mask,
    photo,
    previews_of,
    reference,
    soon,
    text_of,
)
from pictures import png
from PIL import Image
from processes import curls_of
from servers import Recorder

from gpt_image2.mcp import preview as preview_module
from gpt_image2.mcp.preview import make_preview

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    """The handshake of all clients until 2026, and the protocol of 2026-07-28."""
    return request.param


async def test_a_generated_image_is_saved_described_linked_and_shown(
    place: Place, sandbox: Sandbox, mode: str
) -> None:
    async with Client(place.build(sandbox.base_url).server, mode=mode) as client:
        result = await client.call_tool(
            "generate_image",
            {"prompt": place.prompt, "quality": "low", "size": "1024x1024", "output": "icons/cat.png"},
        )
    assert not result.is_error
    path = place.output / "icons" / "cat.png"
    (image,) = result.structured_content["images"]
    assert (image["path"], image["width"], image["height"]) == (str(path), 1024, 1024)
    assert image["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    validate(result.structured_content, reference("result.schema.json"))
    (link,) = links_of(result)
    assert (link.uri, link.mime_type, link.size) == (path.as_uri(), "image/png", path.stat().st_size)
    text = text_of(result)
    assert f"Saved: {path} (" in text and "billed: yes" in text
    assert f"${result.structured_content['cost_usd']:.4f}" in text
    assert len(previews_of(result)) == 1
    assert KEY not in result.model_dump_json()


async def test_an_edit_sends_its_images_and_changes_only_the_masked_area(
    place: Place, sandbox: Sandbox, mode: str
) -> None:
    source = photo(place.allowed / "cat.png", (1024, 1024))
    hole = mask(place.output / "mask.png", (1024, 1024))
    async with Client(place.build(sandbox.base_url).server, mode=mode) as client:
        result = await client.call_tool(
            "edit_image",
            {"prompt": place.prompt, "quality": "low", "images": [str(source)], "mask": hole.name},
        )
    assert not result.is_error, text_of(result)
    validate(result.structured_content, reference("result.schema.json"))
    assert result.structured_content["command"] == "edit"
    (row,) = sandbox.log(place.prompt)["requests"]
    assert [(file["field"], file["filename"]) for file in row["files"]] == [
        ("image", "cat.png"),
        ("mask", "mask.png"),
    ]
    edited = Image.open(result.structured_content["images"][0]["path"]).convert("RGB")
    assert edited.getpixel((5, 5)) == Image.open(source).convert("RGB").getpixel((5, 5))


async def test_an_image_of_an_earlier_result_can_be_edited_by_its_link(
    place: Place, sandbox: Sandbox
) -> None:
    made = await generate(place, sandbox.base_url)
    (link,) = links_of(made)
    again = await call(
        place,
        sandbox.base_url,
        "edit_image",
        {"prompt": place.prompt, "quality": "low", "images": [link.uri, link.name]},
    )
    assert not again.is_error, text_of(again)
    assert len(sandbox.log(place.prompt)["requests"][1]["files"]) == 2


async def test_several_images_are_numbered_and_each_is_shown(place: Place, sandbox: Sandbox) -> None:
    result = await generate(place, sandbox.base_url, n=3, output="cat.png")
    assert place.written() == ["cat-1.png", "cat-2.png", "cat-3.png"]
    assert len(links_of(result)) == len(previews_of(result)) == 3


async def test_an_existing_file_is_never_replaced(place: Place, sandbox: Sandbox) -> None:
    (place.output / "cat.png").write_bytes(b"mine")
    result = await generate(place, sandbox.base_url, output="cat.png")
    assert (place.output / "cat.png").read_bytes() == b"mine"
    assert result.structured_content["images"][0]["path"] == str(place.output / "cat-1.png")


async def test_two_calls_at_once_with_one_name_both_keep_their_image(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.base_url).server) as client, anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(
                client.call_tool,
                "generate_image",
                {"prompt": place.prompt, "quality": "low", "output": "cat.png"},
            )
    assert place.written() == ["cat-1.png", "cat-2.png", "cat-3.png", "cat.png"]


async def test_without_a_name_the_file_is_named_after_the_prompt(place: Place, sandbox: Sandbox) -> None:
    await call(place, sandbox.base_url, "generate_image", {"prompt": "A red kite", "quality": "low"})
    (name,) = place.written()
    assert name.endswith("-a-red-kite.png")


async def test_a_name_without_the_extension_of_an_image_gets_one(place: Place, sandbox: Sandbox) -> None:
    await generate(place, sandbox.base_url, output="conftest.py", output_format="webp")
    assert place.written() == ["conftest.py.webp"]


async def test_null_counts_as_left_out(place: Place, sandbox: Sandbox) -> None:
    result = await generate(place, sandbox.base_url, size=None, output=None, n=None)
    assert not result.is_error


@pytest.mark.parametrize("background", ["opaque", "transparent"])
async def test_a_preview_has_at_most_512_pixels_and_200_kilobytes(
    place: Place, sandbox: Sandbox, background: str
) -> None:
    result = await generate(place, sandbox.base_url, size="2048x1152", background=background)
    (preview,) = previews_of(result)
    assert len(preview.data) <= 200 * 1024
    small = Image.open(io.BytesIO(base64.b64decode(preview.data, validate=True)))
    assert small.size == (512, 288)
    assert (preview.mime_type, small.format) == (f"image/{str(small.format).lower()}", small.format)


async def test_the_preview_of_noise_is_small_too(place: Place, sandbox: Sandbox) -> None:
    for mode, name in (("RGB", "noise.png"), ("RGBA", "clear.png")):
        noise = [Image.effect_noise((1024, 1024), 200) for _ in mode]
        Image.merge(mode, noise).save(place.output / name)
        result = await call(place, sandbox.base_url, "get_image", {"path": name})
        (preview,) = previews_of(result)
        assert len(preview.data) <= 200 * 1024


def test_an_image_of_which_no_preview_can_be_made_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise MemoryError

    Image.new("RGB", (64, 64)).save(tmp_path / "cat.png")
    assert make_preview(str(tmp_path / "cat.png")) is not None
    monkeypatch.setattr(preview_module, "_saved", fail)
    assert make_preview(str(tmp_path / "cat.png")) is None


async def test_an_svg_is_only_linked_and_a_gif_is_shown_by_one_frame(place: Place, sandbox: Sandbox) -> None:
    for kind, shown, mime_type in (("svg", [], "image/svg+xml"), ("gif", ["image/jpeg"], "image/gif")):
        result = await generate(
            place, sandbox.base_url, model="gpt-image-2.6-flare", output_format=kind, output=f"a.{kind}"
        )
        assert not result.is_error
        assert [preview.mime_type for preview in previews_of(result)] in (shown, ["image/png"][: len(shown)])
        (link,) = links_of(result)
        assert link.uri.endswith(f"a.{kind}") and link.mime_type == mime_type
        assert "<svg" not in str(result) and ("unknown" in text_of(result)) == (kind == "svg")
        validate(result.structured_content, reference("result.schema.json"))
        looked_at = await call(place, sandbox.base_url, "get_image", {"path": f"a.{kind}"})
        assert not looked_at.is_error and len(previews_of(looked_at)) == len(shown)


async def test_the_default_model_is_that_of_the_configuration(
    place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPT_IMAGE2_MODEL", "gpt-image-2.5-flare")
    result = await generate(place, sandbox.base_url, quality="low")
    assert result.structured_content["model"] == "gpt-image-2.5-flare"


async def test_no_preview_where_none_is_asked_for(place: Place, sandbox: Sandbox) -> None:
    result = await generate(place, sandbox.base_url, preview=False)
    assert previews_of(result) == [] and len(links_of(result)) == 1


async def test_get_image_describes_and_shows_a_file(place: Place, sandbox: Sandbox) -> None:
    path = photo(place.allowed / "cat.png", (800, 400))
    result = await call(place, sandbox.base_url, "get_image", {"path": str(path)})
    (image,) = result.structured_content["images"]
    assert (image["format"], image["width"], image["height"]) == ("png", 800, 400)
    assert image["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(previews_of(result)) == len(links_of(result)) == 1
    without = await call(place, sandbox.base_url, "get_image", {"path": str(path), "preview": False})
    assert previews_of(without) == []


async def test_get_image_of_something_else_is_an_error(place: Place, sandbox: Sandbox) -> None:
    (place.output / "notes.png").write_text("not an image")
    for path in ("notes.png", "missing.png", "."):
        result = await call(place, sandbox.base_url, "get_image", {"path": path})
        assert result.is_error and result.structured_content["error"]["code"] == "usage"


async def test_a_broken_image_on_disk_is_shown_without_a_preview(place: Place, sandbox: Sandbox) -> None:
    whole = photo(place.output / "cat.png", (800, 400)).read_bytes()
    (place.output / "cat.png").write_bytes(whole[:200])
    result = await call(place, sandbox.base_url, "get_image", {"path": "cat.png"})
    assert not result.is_error and previews_of(result) == []


async def test_progress_comes_again_and_again_while_a_call_waits(
    place: Place, recorder: Recorder, mode: str
) -> None:
    recorder.hold()
    seen: list[tuple[float, float | None, str | None]] = []
    while_waiting: list[tuple[float, float | None, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append((done, total, message))
        if message and "of about 70 s: the request was sent" in message:
            while_waiting.append(seen[-1])
        if len(while_waiting) == 3:
            recorder.release()

    async with Client(place.build(recorder.base_url).server, mode=mode) as client:
        arguments = {"prompt": place.prompt, "quality": "low"}
        result = await client.call_tool("generate_image", arguments, progress_callback=progress)
    assert not result.is_error
    assert len(while_waiting) >= 3
    assert [row[1] for row in while_waiting] == [70.0] * len(while_waiting)
    assert [row[0] for row in seen] == sorted({row[0] for row in seen}), "progress must always increase"


async def test_progress_tells_of_previews(place: Place) -> None:
    is_told = threading.Event()

    def talk(exchange: Exchange) -> None:
        exchange.start(content_type="text/event-stream")
        exchange.send(partial(png(), 0))
        assert is_told.wait(WAIT_S)
        exchange.send(completed(png()))

    async def progress(done: float, total: float | None, message: str | None) -> None:
        if "preview 0 has come" in (message or ""):
            is_told.set()

    with serving(talk) as server:
        async with Client(place.build(server.base_url).server) as client:
            arguments = {"prompt": place.prompt, "quality": "low", "partial_images": 2}
            made = await client.call_tool("generate_image", arguments, progress_callback=progress)
    assert is_told.is_set() and not made.is_error


async def test_a_cancelled_call_leaves_no_curl(place: Place, sandbox: Sandbox, mode: str) -> None:
    async with Client(place.build(sandbox.fault("stall")).server, mode=mode) as client:
        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as group:
                arguments = {"prompt": place.prompt, "quality": "low"}
                group.start_soon(client.call_tool, "generate_image", arguments)
                await soon(curls_of)
                group.cancel_scope.cancel()
            await soon(lambda: not curls_of())
        assert (await client.call_tool("estimate_cost", {})).is_error is False
    assert place.written() == [] and list(place.tmp.iterdir()) == []


async def test_images_that_were_whole_stay_when_a_call_is_cancelled(place: Place) -> None:
    image = photo(place.tmp / "source.png", (1024, 1024)).read_bytes()
    (place.tmp / "source.png").unlink()

    async def half_an_answer(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            await stream.receive(65536)
            first = base64.b64encode(image).decode()
            head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
            await stream.send(f'{head}{{"data": [{{"b64_json": "{first}"}}, {{"b64_json": "iVBOR'.encode())
            await anyio.sleep_forever()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    base_url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/v1"
    async with listener, anyio.create_task_group() as serving:
        serving.start_soon(listener.serve, half_an_answer)
        async with Client(place.build(base_url).server) as client:
            with anyio.fail_after(DEADLINE_S):
                async with anyio.create_task_group() as group:
                    arguments = {"prompt": place.prompt, "n": 2, "output": "cat.png"}
                    group.start_soon(client.call_tool, "generate_image", arguments)
                    await soon(lambda: (place.output / "cat-1.png").is_file())
                    group.cancel_scope.cancel()
                await soon(lambda: not curls_of())
        serving.cancel_scope.cancel()
    assert place.written() == ["cat-1.png"]
    assert (place.output / "cat-1.png").read_bytes() == image


async def test_a_moderation_block_is_an_error_result_that_says_what_was_billed(
    place: Place, sandbox: Sandbox, mode: str
) -> None:
    async with Client(place.build(sandbox.fault("moderation")).server, mode=mode) as client:
        result = await client.call_tool("generate_image", {"prompt": place.prompt})
    assert result.is_error
    answer = result.structured_content
    validate(answer, reference("error.schema.json"))
    assert (answer["ok"], answer["error"]["code"], answer["billed"]) == (False, "moderation_blocked", "no")
    assert answer["error"]["hint"]
    assert "Error moderation_blocked:" in text_of(result) and "Billed: no" in text_of(result)


async def test_an_unknown_outcome_is_billed_maybe(place: Place, sandbox: Sandbox) -> None:
    result = await generate(place, sandbox.fault("reset"))
    assert result.is_error and result.structured_content["billed"] == "maybe"
    assert "Billed: maybe" in text_of(result)
    assert sandbox.log(place.prompt)["hits"] == 1


async def test_what_was_saved_before_a_failure_is_in_the_error_result(place: Place, sandbox: Sandbox) -> None:
    result = await generate(place, sandbox.fault("cut-last"), n=3)
    assert result.is_error and result.structured_content["billed"] == "yes"
    assert len(result.structured_content["images"]) == len(links_of(result)) == len(previews_of(result)) == 2
    assert len(place.written()) == 2


async def test_a_key_that_the_server_repeats_is_masked(
    place: Place, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    result = await generate(place, sandbox.fault("auth"))
    assert result.is_error and result.structured_content["error"]["http_status"] == 401
    assert KEY not in result.model_dump_json() and KEY not in caplog.text


async def test_without_a_key_nothing_is_sent(
    place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GPT_IMAGE2_API_KEY")
    result = await generate(place, sandbox.base_url)
    assert result.is_error and result.structured_content["error"]["code"] == "no_api_key"
    assert sandbox.log(place.prompt)["hits"] == 0


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("generate_image", {}, "'prompt' is a required property"),
        ("generate_image", {"prompt": "a", "n": 11}, "argument n: 11"),
        ("generate_image", {"prompt": "a", "n": "2"}, "argument n: '2' is not of type 'integer'"),
        ("generate_image", {"prompt": "a", "api_key": "x"}, "'api_key' was unexpected"),
        ("generate_image", {"prompt": "a", "output_format": "bmp"}, "argument output_format"),
        ("generate_image", {"prompt": "a", "size": "100x100"}, "nearest legal size"),
        ("generate_image", {"prompt": "a", "output_compression": 5}, "add `output_format` jpeg"),
        ("edit_image", {"prompt": "a"}, "'images' is a required property"),
        ("edit_image", {"prompt": "a", "images": []}, "argument images"),
        ("estimate_cost", {"size": "huge"}, "not understood"),
        ("get_image", {}, "'path' is a required property"),
    ],
)
async def test_bad_arguments_are_error_results_that_say_what_to_do(
    place: Place, sandbox: Sandbox, tool: str, arguments: dict[str, Any], words: str
) -> None:
    result = await call(place, sandbox.base_url, tool, arguments)
    assert result.is_error
    assert words in text_of(result)
    error = result.structured_content["error"]
    assert error["code"] and error["message"] and error["hint"]
    assert result.structured_content["billed"] == "no"
    assert place.written() == []


async def test_an_enormous_argument_is_not_echoed_back(place: Place, sandbox: Sandbox) -> None:
    for name in ("size", "model", "quality", "output", "user"):
        result = await generate(place, sandbox.base_url, **{name: "9" * 100_000})
        assert result.is_error and len(text_of(result)) < 1_000


async def test_an_unknown_tool_is_a_protocol_error(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.build(sandbox.base_url).server) as client:
        with pytest.raises(MCPError, match="unknown tool"):
            await client.call_tool("draw", {})


async def test_an_internal_error_has_no_stack_trace(
    place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"with {KEY} in it")

    monkeypatch.setattr("gpt_image2.serving.Client", broken)
    result = await generate(place, sandbox.base_url)
    assert result.is_error and result.structured_content["error"]["code"] == "internal_error"
    assert "Traceback" not in text_of(result) and "File " not in text_of(result)


async def test_an_image_by_address_comes_through_the_proxy_and_without_the_key(
    place: Place, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    data = photo(place.tmp / "source.png", (1024, 1024)).read_bytes()
    (place.tmp / "source.png").unlink()

    async def proxy(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            asked.append((await stream.receive(65536)).decode("latin-1"))
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            await stream.send(head.encode() + data)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, proxy)
        result = await call(
            place,
            sandbox.base_url,
            "edit_image",
            {"prompt": place.prompt, "quality": "low", "images": ["http://pictures.example/a/kite.png?x=1"]},
        )
        group.cancel_scope.cancel()
    assert not result.is_error, text_of(result)
    (request,) = asked
    assert request.startswith("GET http://pictures.example/a/kite.png?x=1 ") and KEY not in request
    (row,) = sandbox.log(place.prompt)["requests"]
    assert row["files"][0]["filename"] == "kite.png"
    assert row["files"][0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert list(place.tmp.iterdir()) == []


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "internal.localhost",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.7",
        "169.254.169.254",
        "metadata.google.internal",
    ],
)
async def test_an_address_in_a_private_network_is_refused(
    place: Place, sandbox: Sandbox, address: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    source = f"http://{address}:{sandbox.root.rpartition(':')[2]}/cat.png"
    arguments = {"prompt": place.prompt, "images": [source]}
    result = await call(place, sandbox.base_url, "edit_image", arguments)
    assert result.is_error and "private network" in text_of(result)
    assert result.structured_content["billed"] == "no"
    assert sandbox.log(place.prompt)["hits"] == 0


async def test_a_profile_names_the_host_that_a_server_calls(place: Place, sandbox: Sandbox) -> None:
    config = place.root / "config.json"
    profile = {"base_url": sandbox.base_url, "api_key": "sk-of-the-profile-0123456789"}
    config.write_text(json.dumps({"base_url": "http://127.0.0.1:1/v1", "profiles": {"one": profile}}))
    async with Client(place.build(None, config=str(config), profile="one").server) as client:
        result = await client.call_tool("generate_image", {"prompt": place.prompt, "quality": "low"})
    assert not result.is_error and sandbox.log(place.prompt)["hits"] == 1
