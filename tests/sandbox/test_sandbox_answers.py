"""The official client, with strict validation, finds in the sandbox what it finds in the API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest
from drawn import mask, photo
from sandbox_driving import BEARER, Driver, as_data_url, as_file, opened

from gpt_image2.core.api import cost, models


def test_one_image_comes_as_base64_of_a_png_of_the_default_size(sandbox: Driver) -> None:
    answer = sandbox.openai().images.generate(model="gpt-image-2", prompt=sandbox.prompt, quality="low")
    assert answer.data is not None and len(answer.data) == 1
    image = opened(answer.data[0].b64_json)
    assert (image.format, image.size) == ("PNG", (1024, 1024))
    assert (answer.size, answer.quality, answer.output_format) == ("1024x1024", "low", "png")
    assert answer.background == "opaque"


@pytest.mark.parametrize(
    ("size", "output_format"),
    [
        ("1536x1024", "jpeg"),
        ("1024x1536", "webp"),
        ("2048x688", "png"),
        ("3840x2160", "jpeg"),
        ("auto", "webp"),
    ],
)
def test_size_and_format_are_those_asked_for(sandbox: Driver, size: str, output_format: str) -> None:
    answer = sandbox.openai().images.generate(
        model="gpt-image-2", prompt=sandbox.prompt, size=size, output_format=output_format, quality="low"
    )
    assert answer.data is not None
    image = opened(answer.data[0].b64_json)
    expected = "1024x1024" if size == "auto" else size
    assert image.format is not None
    assert (image.format.lower(), "{}x{}".format(*image.size)) == (output_format, expected)
    assert answer.size == expected


def test_several_images_of_one_request_differ(sandbox: Driver) -> None:
    answer = sandbox.openai().images.generate(model="gpt-image-2", prompt=sandbox.prompt, n=3, quality="low")
    assert answer.data is not None
    assert len({image.b64_json for image in answer.data}) == 3


@pytest.mark.parametrize(
    ("quality", "tokens"), [("low", 158), ("medium", 1372), ("high", 5488), ("auto", 1372)]
)
def test_output_tokens_follow_the_official_formula(sandbox: Driver, quality: str, tokens: int) -> None:
    answer = sandbox.openai().images.generate(
        model="gpt-image-2", prompt="x" * 10, size="1536x1024", quality=quality, n=2
    )
    assert answer.usage is not None
    assert answer.usage.output_tokens == 2 * tokens
    assert answer.usage.input_tokens_details.text_tokens == 3
    assert answer.usage.input_tokens_details.image_tokens == 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_the_body_has_exactly_the_fields_of_the_api(sandbox: Driver) -> None:
    body = sandbox.generate().json()
    assert set(body) == {"created", "background", "data", "output_format", "quality", "size", "usage"}
    assert set(body["data"][0]) == {"b64_json"}


@pytest.mark.parametrize("partial_images", [0, 1, 3])
def test_a_stream_brings_previews_and_then_the_image(sandbox: Driver, partial_images: int) -> None:
    stream = sandbox.openai().images.generate(
        model="gpt-image-2", prompt=sandbox.prompt, quality="low", stream=True, partial_images=partial_images
    )
    events = list(stream)
    names = ["image_generation.partial_image"] * partial_images + ["image_generation.completed"]
    assert [event.type for event in events] == names
    assert [e.partial_image_index for e in events if e.type == names[0] and partial_images] == list(
        range(partial_images)
    )
    pictures = [opened(event.b64_json) for event in events]
    assert {picture.size for picture in pictures} == {(1024, 1024)}
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert last.usage.output_tokens == 196 + partial_images * cost.PARTIAL_IMAGE_TOKENS


def test_previews_come_ever_closer_to_the_image(sandbox: Driver) -> None:
    stream = sandbox.openai().images.generate(
        model="gpt-image-2", prompt=sandbox.prompt, quality="low", stream=True, partial_images=3
    )
    pictures = [opened(event.b64_json).convert("L").resize((256, 256)).tobytes() for event in stream]
    off = [sum(abs(a - b) for a, b in zip(picture, pictures[-1])) for picture in pictures]
    assert off == sorted(off, reverse=True)
    assert off[2] > 0


def test_an_edit_streams_under_the_names_of_edits(sandbox: Driver) -> None:
    stream = sandbox.openai().images.edit(
        model="gpt-image-2",
        prompt=sandbox.prompt,
        image=as_file(photo()),
        quality="low",
        stream=True,
        partial_images=2,
    )
    assert [event.type for event in stream] == ["image_edit.partial_image"] * 2 + ["image_edit.completed"]


def test_an_edit_without_size_has_the_size_of_its_first_image(sandbox: Driver) -> None:
    answer = sandbox.openai().images.edit(
        model="gpt-image-2",
        prompt=sandbox.prompt,
        image=[as_file(photo((320, 240))), as_file(photo((100, 400)), "b.jpg")],
        n=2,
        quality="low",
    )
    assert answer.data is not None and len(answer.data) == 2
    assert opened(answer.data[0].b64_json).size == (320, 240)
    assert answer.size == "320x240"
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 75 + 40


def test_an_edit_takes_images_and_mask_by_data_url_in_json(sandbox: Driver) -> None:
    body = sandbox.body(
        images=[{"image_url": as_data_url(photo())}, {"image_url": as_data_url(photo())}],
        mask={"image_url": as_data_url(mask())},
    )
    response = sandbox.http.post(f"{sandbox.base_url()}/images/edits", json=body, headers=BEARER)
    assert response.status_code == 200
    assert opened(response.json()["data"][0]["b64_json"]).size == (320, 240)
    assert [file["field"] for file in sandbox.log()["requests"][0]["files"]] == ["images", "images", "mask"]


def test_chunked_request_bodies_are_read(sandbox: Driver) -> None:
    text = json.dumps(sandbox.body()).encode()

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(text), 7):
            yield text[start : start + 7]

    headers = {**BEARER, "content-type": "application/json"}
    url = f"{sandbox.base_url()}/images/generations"
    response = sandbox.http.post(url, content=chunks(), headers=headers)
    assert response.status_code == 200
    assert response.request.headers["transfer-encoding"] == "chunked"


def test_models_are_listed_and_found(sandbox: Driver) -> None:
    client = sandbox.openai()
    assert [model.id for model in client.models.list()] == list(models.KNOWN_MODELS)
    assert client.models.retrieve("gpt-image-2").id == "gpt-image-2"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-none")


def test_every_answer_can_be_identified(sandbox: Driver) -> None:
    for response in (sandbox.generate(), sandbox.generate(n=99), sandbox.http.get(f"{sandbox.root}/nowhere")):
        assert response.headers["x-request-id"].startswith("req_")
        assert response.headers["openai-processing-ms"].isdigit()
    assert int(sandbox.generate().headers["x-ratelimit-limit-requests"]) > 0


def test_azure_keys_are_accepted(sandbox: Driver) -> None:
    url = f"{sandbox.base_url()}/images/generations"
    assert sandbox.http.post(url, json=sandbox.body(), headers={"api-key": "abc"}).status_code == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("auth", openai.AuthenticationError),
        ("rate-long", openai.RateLimitError),
        ("quota", openai.RateLimitError),
        ("billing", openai.BadRequestError),
        ("moderation", openai.BadRequestError),
        ("model-missing", openai.NotFoundError),
        ("verify", openai.PermissionDeniedError),
        ("http-500", openai.InternalServerError),
        ("http-503-once", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
        ("cut-last", openai.APIConnectionError),
    ],
)
def test_the_official_client_raises_the_error_of_a_fault(
    sandbox: Driver, fault: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        sandbox.openai(fault).images.generate(model="gpt-image-2", prompt=sandbox.prompt, quality="low")
