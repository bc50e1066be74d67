"""The same call by our script and by the official client is the same request, field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from harness import KEY, Home
from openai import OpenAI
from pictures import jpeg, png, webp
from servers import Part, Recorder, Request, images

PICTURE = png(1024, 1024)
PROMPTS = ["a cat", 'a "cat" on \\ a\r\nsofa\n', "猫 🐈‍⬛ @file <x ;type=y", "x" * 32_000]

GENERATIONS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "nothing but the prompt": ([], {}),
    "all parameters": (
        [
            "--n", "2", "--size", "1536x1024", "--quality", "high", "--format", "webp",
            "--output-compression", "70", "--background", "opaque", "--moderation", "low", "--user", "user-7",
        ],
        {
            "n": 2, "size": "1536x1024", "quality": "high", "output_format": "webp",
            "output_compression": 70, "background": "opaque", "moderation": "low", "user": "user-7",
        },
    ),
    "jpeg": (["--format", "jpg"], {"output_format": "jpeg"}),
    "a gif": (
        [
            "--model", "gpt-image-2.6-flare", "--format", "gif", "--frame-count", "6", "--size", "1280x720",
            "--frame-duration-ms", "90", "--complexity", "low", "--safety-identifier", "me",
            "--quality", "max",
        ],
        {
            "model": "gpt-image-2.6-flare", "output_format": "gif", "frame_count": 6, "size": "1280x720",
            "frame_duration_ms": 90, "complexity": "low", "safety_identifier": "me", "quality": "max",
        },
    ),
    "an svg": (
        ["--model", "gpt-image-2.6-sunburst", "--format", "svg", "--svg-model", "m", "--svg-effort", "low"],
        {
            "model": "gpt-image-2.6-sunburst", "output_format": "svg",
            "svg": {"model": "m", "reasoning": {"effort": "low"}},
        },
    ),
    "all automatic": (
        ["--size", "auto", "--quality", "auto", "--background", "auto", "--moderation", "auto"],
        {"size": "auto", "quality": "auto", "background": "auto", "moderation": "auto"},
    ),
    "a further field": (
        ["--param", 'metadata={"a": [1, true, null]}'], {"extra_body": {"metadata": {"a": [1, True, None]}}}
    ),
}  # fmt: skip

EDITS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "nothing but the prompt": ([], {}),
    "all parameters": (
        [
            "--n", "2", "--size", "1536x1024", "--quality", "high", "--format", "webp",
            "--output-compression", "70", "--background", "opaque", "--user", "user-7",
        ],
        {
            "n": 2, "size": "1536x1024", "quality": "high", "output_format": "webp",
            "output_compression": 70, "background": "opaque", "user": "user-7",
        },
    ),
    "an svg": (
        ["--model", "gpt-image-2.6-flare", "--format", "svg", "--svg-model", "m", "--svg-effort", "max"],
        {
            "model": "gpt-image-2.6-flare", "output_format": "svg",
            "svg": {"model": "m", "reasoning": {"effort": "max"}},
        },
    ),
}  # fmt: skip


@pytest.fixture
def official(recorder: Recorder) -> OpenAI:
    http = httpx2.Client(timeout=30, trust_env=False)
    return OpenAI(base_url=recorder.base_url, api_key=KEY, max_retries=0, http_client=http)


def both(recorder: Recorder) -> tuple[Request, Request]:
    ours, theirs = recorder.requests
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert ours.header("authorization") == theirs.header("authorization") == f"Bearer {KEY}"
    return ours, theirs


def by_name(request: Request) -> list[Part]:
    """The parts in an order that does not matter to servers: by name; those of one name as they came."""
    return sorted(request.parts, key=lambda part: part.name)


@pytest.mark.parametrize(("args", "parameters"), GENERATIONS.values(), ids=GENERATIONS.keys())
def test_a_generation_has_the_same_json(
    home: Home, recorder: Recorder, official: OpenAI, args: list[str], parameters: dict[str, Any]
) -> None:
    recorder.answer = lambda request: images(PICTURE, PICTURE)
    home.run("generate", "a cat", "-o", "cat.png", *args, base_url=recorder.base_url)
    official.images.generate(**{"model": "gpt-image-2", "prompt": "a cat", **parameters})
    ours, theirs = both(recorder)
    assert ours.json == theirs.json
    assert ours.header("content-type") == theirs.header("content-type")


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda text: ascii(text[:16]))
def test_a_prompt_is_the_same_in_both_kinds_of_call(
    home: Home, recorder: Recorder, official: OpenAI, prompt: str
) -> None:
    (home.cwd / "in.png").write_bytes(png())
    home.run("generate", prompt, "-o", "1.png", base_url=recorder.base_url)
    official.images.generate(model="gpt-image-2", prompt=prompt)
    home.run("edit", "in.png", prompt, "-o", "2.png", base_url=recorder.base_url)
    official.images.edit(model="gpt-image-2", prompt=prompt, image=home.cwd / "in.png")
    one, two, three, four = recorder.requests
    assert one.json == two.json
    assert by_name(three) == by_name(four)


@pytest.mark.parametrize(("args", "parameters"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_of_one_image_has_the_same_parts(
    home: Home, recorder: Recorder, official: OpenAI, args: list[str], parameters: dict[str, Any]
) -> None:
    recorder.answer = lambda request: images(PICTURE, PICTURE)
    (home.cwd / "in.png").write_bytes(png())
    home.run("edit", "in.png", "a hat", "-o", "cat.png", *args, base_url=recorder.base_url)
    fixed = {"model": "gpt-image-2", "prompt": "a hat", "image": home.cwd / "in.png"}
    official.images.edit(**{**fixed, **parameters})
    ours, theirs = both(recorder)
    assert by_name(ours) == by_name(theirs)
    assert [part.name for part in ours.files()] == ["image"]


def test_an_edit_by_a_markup_has_the_same_parts(home: Home, recorder: Recorder, official: OpenAI) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "drawn.png").write_bytes(png(alpha=True))
    model = "gpt-image-2.5-flare"
    args = ("--markup", "drawn.png", "-o", "cat.png", "--model", model)
    home.run("edit", "in.png", "a hat", *args, base_url=recorder.base_url)
    official.images.edit(
        model=model, prompt="a hat", image=home.cwd / "in.png", markup=home.cwd / "drawn.png"
    )
    ours, theirs = both(recorder)
    assert by_name(ours) == by_name(theirs)


def test_an_edit_of_several_images_with_a_mask_has_the_same_parts(
    home: Home, recorder: Recorder, official: OpenAI
) -> None:
    inputs = {"a.png": png(), "b.jpg": jpeg(), "c.webp": webp()}
    for name, data in inputs.items():
        (home.cwd / name).write_bytes(data)
    (home.cwd / "mask.png").write_bytes(png(alpha=True))
    home.run(
        "edit", "a.png", "a hat", "--image", "b.jpg", "--image", "c.webp", "--mask", "mask.png",
        "-o", "cat.png", base_url=recorder.base_url,
    )  # fmt: skip
    paths: list[Path] = [home.cwd / name for name in inputs]
    official.images.edit(model="gpt-image-2", prompt="a hat", image=paths, mask=home.cwd / "mask.png")
    ours, theirs = both(recorder)
    assert by_name(ours) == by_name(theirs)
    assert [part.name for part in ours.files()] == ["image[]", "image[]", "image[]", "mask"]


@pytest.mark.parametrize("name", ['say "hi".png', "a;type=x,y.png", "two\nlines.png", "猫.png", "100%.png"])
def test_a_file_name_is_written_the_same_way(
    home: Home, recorder: Recorder, official: OpenAI, name: str
) -> None:
    (home.cwd / name).write_bytes(png())
    home.run("edit", name, "a hat", "-o", "cat.png", base_url=recorder.base_url)
    official.images.edit(model="gpt-image-2", prompt="a hat", image=home.cwd / name)
    ours, theirs = both(recorder)
    assert by_name(ours) == by_name(theirs)


def test_a_streamed_generation_has_the_same_json(home: Home, recorder: Recorder, official: OpenAI) -> None:
    home.run(
        "generate", "a cat", "-o", "cat.png", "--stream", "--partial-images", "2", base_url=recorder.base_url
    )
    stream = official.images.generate(model="gpt-image-2", prompt="a cat", stream=True, partial_images=2)
    stream.close()
    ours, theirs = both(recorder)
    assert ours.json == theirs.json


def test_a_streamed_edit_has_the_same_parts(home: Home, recorder: Recorder, official: OpenAI) -> None:
    (home.cwd / "in.png").write_bytes(png())
    home.run("edit", "in.png", "a hat", "-o", "cat.png", "--stream", base_url=recorder.base_url)
    stream = official.images.edit(
        model="gpt-image-2", prompt="a hat", image=home.cwd / "in.png", stream=True, partial_images=1
    )
    stream.close()
    ours, theirs = both(recorder)
    assert by_name(ours) == by_name(theirs)
