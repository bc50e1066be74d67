"""The sandbox refuses what the API refuses, in the official envelope."""

from __future__ import annotations

import io
from typing import Any

import httpx2
import pytest
from drawn import mask, photo
from PIL import Image
from sandbox_driving import BEARER, KEY, Driver, as_data_url, as_file, error_of

from gpt_image2.core.api import models


@pytest.mark.parametrize(
    ("fields", "param", "code", "words"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter", "Missing required parameter: 'prompt'."),
        ({"prompt": ""}, "prompt", "empty_string", "empty string"),
        ({"prompt": 7}, "prompt", "invalid_type", "expected a string, but got an integer"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length", "maximum length 32000"),
        ({"model": None}, "model", "missing_required_parameter", "'model'"),
        ({"n": 0}, "n", "integer_below_min_value", ">= 1"),
        ({"n": 11}, "n", "integer_above_max_value", "<= 10"),
        ({"n": "2"}, "n", "invalid_type", "expected an integer, but got a string"),
        ({"n": True}, "n", "invalid_type", "got a boolean"),
        ({"n": 1.5}, "n", "invalid_type", "got a decimal number"),
        ({"size": ""}, "size", "invalid_value", "Invalid size ''"),
        ({"size": "large"}, "size", "invalid_value", "Invalid size 'large'."),
        ({"size": "1024X1024"}, "size", "invalid_value", "WIDTHxHEIGHT"),
        (
            {"size": "1792x936"},
            "size",
            "invalid_value",
            "Invalid size '1792x936'. Width and height must both be divisible by 16.",
        ),
        ({"size": "4096x1024"}, "size", "invalid_value", "3840"),
        ({"size": "3840x1024"}, "size", "invalid_value", "3 times"),
        ({"size": "256x256"}, "size", "invalid_value", "655,360"),
        ({"quality": "xhigh"}, "quality", "invalid_value", "Supported values are: 'auto', 'low'"),
        ({"output_format": "jpg"}, "output_format", "invalid_value", "Invalid value: 'jpg'."),
        (
            {"output_format": "jpeg", "output_compression": 101},
            "output_compression",
            "integer_above_max_value",
            "100",
        ),
        (
            {"output_format": "jpeg", "output_compression": -1},
            "output_compression",
            "integer_below_min_value",
            "0",
        ),
        ({"output_compression": 50}, "output_compression", "invalid_png_output_compression", "PNG"),
        ({"background": "clear"}, "background", "invalid_value", "'clear'"),
        ({"background": "transparent", "output_format": "jpeg"}, "background", "invalid_value", "jpeg"),
        ({"moderation": "none"}, "moderation", "invalid_value", "'none'"),
        ({"stream": "yes"}, "stream", "invalid_type", "expected a boolean"),
        ({"stream": True, "n": 2}, "stream", "invalid_value", "Streaming is only supported with n=1."),
        ({"stream": True, "partial_images": 4}, "partial_images", "integer_above_max_value", "<= 3"),
        ({"user": 5}, "user", "invalid_type", "expected a string"),
        ({"format": "png"}, "format", "unknown_parameter", "Unknown parameter: 'format'."),
        ({"response_format": "url"}, "response_format", "unknown_parameter", "Unknown parameter"),
        ({"style": "vivid"}, "style", "unknown_parameter", "Unknown parameter"),
        ({"image": "x"}, "image", "unknown_parameter", "Unknown parameter: 'image'."),
        ({"input_fidelity": "high"}, "input_fidelity", "invalid_input_fidelity_model", "input_fidelity"),
    ],
)
def test_a_bad_field_is_refused(
    sandbox: Driver, fields: dict[str, Any], param: str, code: str, words: str
) -> None:
    response = sandbox.generate(**fields)
    error = error_of(response)
    assert response.status_code == 400
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert words in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "x" * 32_000},
        {"size": "1024x640"},
        {"n": None, "size": None, "quality": None, "stream": None},
        {"output_compression": 100},
        {"moderation": "low", "user": "me", "safety_identifier": "you", "partial_images": 0},
        {"model": "gpt-image-2-2026-04-21", "background": "transparent", "output_format": "webp"},
    ],
)
def test_what_the_api_accepts_is_accepted(sandbox: Driver, fields: dict[str, Any]) -> None:
    assert sandbox.generate(**fields).status_code == 200


def test_an_unknown_model_is_not_found(sandbox: Driver) -> None:
    response = sandbox.generate(model="gpt-image-9")
    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"


def test_a_blocked_word_is_refused_by_moderation(sandbox: Driver) -> None:
    error = error_of(sandbox.generate(prompt=sandbox.prompt + " [Blocked]"))
    assert (error["code"], error["type"]) == ("moderation_blocked", "image_generation_user_error")
    assert error["moderation_details"]["moderation_stage"] == "input"
    assert "safety_violations=[" in error["message"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"text"'])
def test_a_body_that_is_no_json_object_is_refused(sandbox: Driver, content: bytes) -> None:
    headers = {**BEARER, "content-type": "application/json"}
    response = sandbox.http.post(f"{sandbox.base_url()}/images/generations", content=content, headers=headers)
    assert response.status_code == 400
    assert "could not parse the JSON body" in error_of(response)["message"]


def test_generations_refuse_multipart(sandbox: Driver) -> None:
    url = f"{sandbox.base_url()}/images/generations"
    response = sandbox.http.post(url, data=sandbox.body(), files={"x": b""}, headers=BEARER)
    assert error_of(response)["code"] == "unsupported_content_type"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer"}, {"authorization": "Basic abc"}])
def test_a_request_without_a_key_is_refused(sandbox: Driver, headers: dict[str, str]) -> None:
    for response in (
        sandbox.http.post(f"{sandbox.base_url()}/images/generations", json=sandbox.body(), headers=headers),
        sandbox.http.get(f"{sandbox.base_url()}/models", headers=headers),
    ):
        assert response.status_code == 401
        assert "You didn't provide an API key" in error_of(response)["message"]


@pytest.mark.parametrize("key", ["invalid", "sk-invalid-0123456789abcdefghij"])
def test_an_invalid_key_is_refused_and_not_repeated(sandbox: Driver, key: str) -> None:
    url = f"{sandbox.base_url()}/images/generations"
    response = sandbox.http.post(url, json=sandbox.body(), headers={"authorization": f"Bearer {key}"})
    error = error_of(response)
    assert (response.status_code, error["code"]) == (401, "invalid_api_key")
    assert key not in error["message"]
    assert "***" in error["message"]


def test_unknown_routes_methods_and_faults_are_refused_in_the_envelope(sandbox: Driver) -> None:
    nowhere = sandbox.http.get(f"{sandbox.base_url()}/chat/completions")
    wrong_method = sandbox.http.get(f"{sandbox.base_url()}/images/generations")
    no_fault = sandbox.generate("no-such-fault")
    assert [response.status_code for response in (nowhere, wrong_method, no_fault)] == [404, 405, 404]
    assert "Invalid URL (GET /v1/chat/completions)" in error_of(nowhere)["message"]
    assert error_of(wrong_method)["code"] == "method_not_supported"
    assert "cut-last" in error_of(no_fault)["message"]


def test_text_fields_of_a_multipart_body_are_read_by_their_meaning(sandbox: Driver) -> None:
    response = sandbox.edit({"image": as_file(photo())}, n="2", stream="false", output_format="jpeg")
    assert response.status_code == 200
    assert len(response.json()["data"]) == 2


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"n": "two"}, "invalid_type"),
        ({"n": "11"}, "integer_above_max_value"),
        ({"stream": "maybe"}, "invalid_type"),
        ({"stream": "true", "n": "2"}, "invalid_value"),
        ({"format": "png"}, "unknown_parameter"),
        ({"mask": "text"}, "invalid_type"),
    ],
)
def test_a_bad_text_field_of_a_multipart_body_is_refused(
    sandbox: Driver, fields: dict[str, str], code: str
) -> None:
    assert error_of(sandbox.edit({"image": as_file(photo())}, **fields))["code"] == code


def _many(count: int) -> list[tuple[str, Any]]:
    return [("image[]", as_file(photo((16, 16)), f"{number}.png")) for number in range(count)]


def _noise(size_bytes: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0" * (size_bytes - 8)


@pytest.mark.parametrize(
    ("files", "param", "code"),
    [
        ([("other", as_file(photo()))], "other", "unknown_parameter"),
        ([("mask", as_file(mask()))], "image", "missing_required_parameter"),
        ([("image", as_file(photo()))] * 2, "image", "duplicate_parameter"),
        (_many(17), "image", "array_above_max_length"),
        ([("image", ("a.png", b"no image", "image/png"))], "image", "invalid_image_file"),
        ([("image", ("a.png", as_file(photo())[1][:200], "image/png"))], "image", "invalid_image_file"),
        ([("image", ("a.gif", b"GIF89a", "image/gif"))], "image", "unsupported_file_mimetype"),
        (
            [("image", ("a.png", _noise(models.MAX_INPUT_BYTES), "image/png"))],
            "image",
            "image_file_too_large",
        ),
        (
            [("image", as_file(photo())), ("mask", as_file(photo()))],
            "mask",
            "invalid_mask_image_format",
        ),
        (
            [("image", as_file(photo())), ("mask", as_file(mask((64, 64))))],
            "mask",
            "invalid_mask_image_format",
        ),
        (
            [("image", as_file(photo())), ("mask", ("m.png", b"?", "image/png"))],
            "mask",
            "invalid_mask_image_format",
        ),
        (
            [("image", as_file(photo())), ("mask", ("m.png", _noise(models.MAX_MASK_BYTES), "image/png"))],
            "mask",
            "mask_file_too_large",
        ),
    ],
)
def test_a_bad_input_file_is_refused(sandbox: Driver, files: Any, param: str, code: str) -> None:
    response = sandbox.edit(files)
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)


def test_sixteen_inputs_are_accepted(sandbox: Driver) -> None:
    assert sandbox.edit(_many(16)).status_code == 200


def test_an_edit_without_any_file_is_refused(sandbox: Driver) -> None:
    response = sandbox.http.post(f"{sandbox.base_url()}/images/edits", json=sandbox.body(), headers=BEARER)
    assert error_of(response)["param"] == "images"


@pytest.mark.parametrize(
    ("images", "status", "words"),
    [
        ("text", 400, "expected an array"),
        (["text"], 400, "expected an object"),
        ([{}], 400, "exactly one of"),
        ([{"file_id": "file-123"}], 404, "No such File object: file-123"),
        ([{"image_url": "https://example.com/a.png"}], 400, "offline"),
        ([{"image_url": "data:image/png;base64,!!!"}], 400, "could not be decoded"),
        ([{"image_url": "data:image/png;base64,AAAA"}], 400, "Invalid image file"),
        ([{"image_url": as_data_url(photo((8, 8)))}] * 17, 400, "maximum length 16"),
    ],
)
def test_a_bad_reference_in_a_json_edit_is_refused(
    sandbox: Driver, images: Any, status: int, words: str
) -> None:
    url = f"{sandbox.base_url()}/images/edits"
    response = sandbox.http.post(url, json=sandbox.body(images=images), headers=BEARER)
    assert response.status_code == status
    assert words in error_of(response)["message"]


def test_a_broken_multipart_body_is_refused(sandbox: Driver) -> None:
    headers = {**BEARER, "content-type": "multipart/form-data; boundary=x"}
    response = sandbox.http.post(f"{sandbox.base_url()}/images/edits", content=b"nonsense", headers=headers)
    assert response.status_code == 400
    error_of(response)


def test_a_fault_does_not_hide_that_the_request_was_bad(sandbox: Driver) -> None:
    assert error_of(sandbox.generate("cut-last", n=99))["code"] == "integer_above_max_value"


def test_palette_and_grey_inputs_are_accepted(sandbox: Driver) -> None:
    for mode in ("P", "L", "LA", "1"):
        out = io.BytesIO()
        Image.new(mode, (64, 64)).save(out, "PNG")
        response: httpx2.Response = sandbox.edit({"image": ("a.png", out.getvalue(), "image/png")})
        assert response.status_code == 200, mode
    assert KEY not in response.text
