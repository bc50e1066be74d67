"""The Files API: what is uploaded comes back, is listed, named in edits, and goes away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import openai
import pytest
from batch_driving import STILL
from drawn import mask, photo
from sandbox_driving import BEARER, KEY, Driver, as_file, error_of, opened

from gpt_image2.sandbox import Settings
from gpt_image2.sandbox.batches import file_endpoints

_DAY_S = 86400


def _file_id(sandbox: Driver, name: str, data: bytes, purpose: Any = "vision") -> str:
    return sandbox.openai().files.create(file=(name, data), purpose=purpose).id


def test_an_upload_is_a_file_object_and_comes_back_byte_by_byte(sandbox: Driver) -> None:
    data = hashlib.sha256(sandbox.prompt.encode()).digest() * 100_000
    client = sandbox.openai()
    file = client.files.create(file=("jobs.jsonl", data), purpose="batch")
    assert (file.object, file.purpose, file.filename) == ("file", "batch", "jobs.jsonl")
    assert (file.bytes, file.status) == (len(data), "processed")
    assert file.expires_at == file.created_at + 30 * _DAY_S
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).content == data


def test_a_file_that_was_deleted_is_gone(sandbox: Driver) -> None:
    client, file_id = sandbox.openai(), _file_id(sandbox, "a.jsonl", b"{}", "batch")
    deleted = client.files.delete(file_id)
    assert (deleted.id, deleted.deleted) == (file_id, True)
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError, match=f"No such File object: {file_id}"):
            ask(file_id)


def test_files_are_listed_page_by_page(serve: Callable[[Settings], Driver]) -> None:
    sandbox = serve(Settings())
    client = sandbox.openai()
    ids = [_file_id(sandbox, f"{number}.png", b"x") for number in range(5)]
    other = _file_id(sandbox, "a.jsonl", b"{}", "batch")
    assert [file.id for file in client.files.list(purpose="vision", limit=2)] == ids[::-1]
    assert [file.id for file in client.files.list(order="asc", after=ids[2])] == [*ids[3:], other]
    first = client.files.list(limit=2).to_dict()
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, other, ids[4])
    assert client.files.list(purpose="user_data").to_dict()["data"] == []


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"limit": "0"}, "limit", "integer_below_min_value"),
        ({"limit": "10001"}, "limit", "integer_above_max_value"),
        ({"limit": "x"}, "limit", "invalid_type"),
        ({"order": "up"}, "order", "invalid_value"),
        ({"after": "file-none"}, "after", "invalid_value"),
    ],
)
def test_a_page_that_has_no_meaning_is_refused(
    sandbox: Driver, query: dict[str, str], param: str, code: str
) -> None:
    response = sandbox.http.get(f"{sandbox.base_url()}/files", params=query, headers=BEARER)
    error = error_of(response)
    assert (response.status_code, error["param"], error["code"]) == (400, param, code)


@pytest.mark.parametrize(
    ("fields", "with_file", "words"),
    [
        ({}, True, "'purpose' is a required property"),
        ({"purpose": "fun"}, True, "'fun' is not one of"),
        ({"purpose": "batch"}, False, "'file' is a required property"),
        ({"purpose": "batch", "colour": "red"}, True, "Unknown parameter: 'colour'."),
        ({"purpose": "batch", "expires_after[anchor]": "now"}, True, "'now'"),
        (
            {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "60"},
            True,
            "between 3600 and 2592000",
        ),
    ],
)
def test_a_bad_upload_is_refused(
    sandbox: Driver, fields: dict[str, str], with_file: bool, words: str
) -> None:
    files = {"file": ("a.jsonl", b"{}")} if with_file else {}
    response = sandbox.http.post(f"{sandbox.base_url()}/files", data=fields, files=files, headers=BEARER)
    assert response.status_code == 400
    assert words in error_of(response)["message"]


def test_an_upload_that_is_no_form_is_refused(sandbox: Driver) -> None:
    headers = {**BEARER, "content-type": "multipart/form-data; boundary=x"}
    response = sandbox.http.post(f"{sandbox.base_url()}/files", content=b"nonsense", headers=headers)
    assert response.status_code == 400
    error_of(response)


@pytest.mark.parametrize(("purpose", "limit"), [("batch", "MAX_BATCH_BYTES"), ("vision", "MAX_FILE_BYTES")])
def test_a_file_that_is_too_large_is_refused(
    sandbox: Driver, monkeypatch: pytest.MonkeyPatch, purpose: str, limit: str
) -> None:
    monkeypatch.setattr(file_endpoints, limit, 1024)
    _file_id(sandbox, "a.jsonl", b"x" * 1024, purpose)
    with pytest.raises(openai.APIStatusError) as caught:
        _file_id(sandbox, "a.jsonl", b"x" * 1025, purpose)
    assert caught.value.status_code == 413


def test_files_need_a_key(sandbox: Driver) -> None:
    client = sandbox.openai(key="sk-invalid")
    asks: list[Callable[[], Any]] = [
        client.files.list,
        lambda: client.files.retrieve("file-1"),
        lambda: client.files.content("file-1"),
        lambda: client.files.delete("file-1"),
        lambda: client.files.create(file=("a", b""), purpose="batch"),
        client.batches.list,
        lambda: client.batches.retrieve("batch_1"),
    ]
    for ask in asks:
        with pytest.raises(openai.AuthenticationError):
            ask()


def test_files_are_there_under_a_fault_too(sandbox: Driver) -> None:
    client = sandbox.openai("cut-last")
    file = client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert sandbox.openai().files.content(file.id).content == b"{}"


def test_pictures_cannot_be_downloaded_again(sandbox: Driver) -> None:
    file_id = _file_id(sandbox, "a.png", b"x")
    with pytest.raises(openai.BadRequestError, match="Not allowed to download files of purpose: vision"):
        sandbox.openai().files.content(file_id)


def test_files_expire_by_the_clock(serve: Callable[[Settings], Driver]) -> None:
    sandbox = serve(Settings(clock_speed=STILL))
    client = sandbox.openai()
    soon = client.files.create(
        file=("a.png", b"x"), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    never = _file_id(sandbox, "b.png", b"x")
    assert abs(soon.created_at - sandbox.now_s()) <= 1
    sandbox.advance(3601)
    assert [file.id for file in client.files.list()] == [never]
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(soon.id)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"advance_s": -1}', b'{"advance_s": "x"}', b'{"advance_s": 1e999}']
)
def test_the_clock_only_goes_forward(sandbox: Driver, body: bytes) -> None:
    before = sandbox.now_s()
    response = sandbox.http.post(f"{sandbox.root}/_sandbox/clock", content=body)
    assert (response.status_code, error_of(response)["param"]) == (400, "advance_s")
    assert before <= sandbox.now_s() < before + 3600


def test_an_edit_in_json_takes_images_and_mask_by_file_id(sandbox: Driver) -> None:
    name, data, _ = as_file(photo(), "photo.webp")
    image_id = _file_id(sandbox, name, data)
    mask_id = _file_id(sandbox, "mask.png", as_file(mask(), "mask.png")[1])
    body = sandbox.body(images=[{"file_id": image_id}], mask={"file_id": mask_id})
    response = sandbox.http.post(f"{sandbox.base_url()}/images/edits", json=body, headers=BEARER)
    assert response.status_code == 200, response.text
    assert opened(response.json()["data"][0]["b64_json"]).size == (320, 240)
    files = sandbox.log()["requests"][0]["files"]
    assert [(file["field"], file["filename"]) for file in files] == [
        ("images", "photo.webp"),
        ("mask", "mask.png"),
    ]
    assert files[0]["sha256"] == hashlib.sha256(data).hexdigest()
    assert KEY not in response.text


def test_a_file_that_is_no_image_is_refused_in_an_edit(sandbox: Driver) -> None:
    file_id = _file_id(sandbox, "a.jsonl", b"{}", "user_data")
    body = sandbox.body(images=[{"file_id": file_id}])
    response = sandbox.http.post(f"{sandbox.base_url()}/images/edits", json=body, headers=BEARER)
    assert error_of(response)["code"] == "unsupported_file_mimetype"
