"""What each fault puts on the wire."""

from __future__ import annotations

import base64
import json
import socket
from urllib.parse import urlsplit

import httpx2
import pytest
from drawn import photo
from sandbox_driving import BEARER, KEY, Driver, as_file, error_of, events_of, opened

from gpt_image2.sandbox.faults.table import FAULTS

_CUT = httpx2.RemoteProtocolError


def _images_within(body: bytes) -> int:
    """How many whole images a cut body of base64 strings holds."""
    strings = body.split(b'"b64_json":"')[1:]
    return sum(b'"' in string for string in strings)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_says_what_it_does_and_answers_or_ends(sandbox: Driver, fault: str) -> None:
    assert FAULTS[fault].does
    silent = fault in ("stall", "shape-stream-open")
    if not silent:
        try:
            sandbox.generate(fault)
        except httpx2.TransportError as error:
            assert isinstance(error, (_CUT, httpx2.ReadError))
    assert sandbox.log()["hits"] == (not silent)


@pytest.mark.parametrize("n", [1, 3])
def test_cut_last_ends_in_the_middle_of_the_last_image(sandbox: Driver, n: int) -> None:
    response, body, error = sandbox.received("cut-last", n=n)
    assert isinstance(error, _CUT)
    assert _images_within(body) == n - 1
    assert body.count(b'"b64_json":"') == n
    assert len(body) < int(response.headers["content-length"])
    assert sandbox.log()["images_delivered"] == n - 1


def test_cut_last_ends_in_the_middle_of_a_streamed_image(sandbox: Driver) -> None:
    _, body, error = sandbox.received("cut-last", stream=True, partial_images=1)
    assert isinstance(error, _CUT)
    assert [event["type"] for event in events_of(body.decode())] == ["image_generation.partial_image"]
    assert b"event: image_generation.completed" in body
    assert sandbox.log()["images_delivered"] == 0


@pytest.mark.parametrize("n", [1, 3])
def test_cut_tail_ends_right_after_the_last_image(sandbox: Driver, n: int) -> None:
    _, body, error = sandbox.received("cut-tail", n=n)
    assert isinstance(error, _CUT)
    assert _images_within(body) == n
    assert body.endswith(b'"')
    assert sandbox.log()["images_delivered"] == n


def test_cut_tail_ends_a_stream_within_its_last_event(sandbox: Driver) -> None:
    _, body, error = sandbox.received("cut-tail", stream=True)
    assert isinstance(error, _CUT)
    text = body.decode().rpartition('"b64_json":"')[2]
    assert opened(text.removesuffix('"')).size == (1024, 1024)
    assert events_of(body.decode()) == []


def test_an_edit_is_cut_like_a_generation(sandbox: Driver) -> None:
    with pytest.raises(_CUT):
        sandbox.edit({"image": as_file(photo())}, "cut-last", n="2")
    assert sandbox.log()["images_delivered"] == 1


def _asked(sandbox: Driver, fault: str) -> socket.socket:
    """A connection on which a whole request was sent."""
    content = json.dumps(sandbox.body()).encode()
    head = (
        f"POST /fault/{fault}/v1/images/generations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    place = urlsplit(sandbox.root)
    connection = socket.create_connection((place.hostname, place.port), timeout=30)
    connection.sendall(head.encode() + content)
    return connection


def test_reset_ends_the_connection_with_an_rst_after_the_whole_request(sandbox: Driver) -> None:
    with _asked(sandbox, "reset") as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    assert sandbox.log()["requests"][0]["status"] is None


def test_stall_sends_headers_and_then_nothing(sandbox: Driver) -> None:
    with _asked(sandbox, "stall") as connection:
        came = b""
        while not came.endswith(b"\r\n\r\n"):
            came += connection.recv(1)
        assert came.startswith(b"HTTP/1.1 200 ")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_sse_cut_ends_a_stream_before_its_image(sandbox: Driver) -> None:
    _, body, error = sandbox.received("sse-cut", stream=True, partial_images=2)
    assert isinstance(error, _CUT)
    assert [event["partial_image_index"] for event in events_of(body.decode())] == [0, 1]
    assert b"completed" not in body


def test_sse_cut_ends_json_within_its_first_image(sandbox: Driver) -> None:
    _, body, error = sandbox.received("sse-cut", n=2)
    assert isinstance(error, _CUT)
    assert body.count(b'"b64_json":"') == 1
    assert _images_within(body) == 0


@pytest.mark.parametrize(("partial_images", "previews"), [(0, 0), (2, 1)])
def test_sse_error_is_an_event_after_the_first_preview(
    sandbox: Driver, partial_images: int, previews: int
) -> None:
    response = sandbox.generate("sse-error", stream=True, partial_images=partial_images)
    *before, last = events_of(response.text)
    assert len(before) == previews
    assert "event: error\n" in response.text
    assert (last["type"], last["error"]["code"]) == ("error", "server_error")


def test_sse_error_without_a_stream_is_an_error_under_200(sandbox: Driver) -> None:
    response = sandbox.generate("sse-error")
    assert (response.status_code, error_of(response)["code"]) == (200, "server_error")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("http-500", 500, "server_error"),
        ("rate-long", 429, "rate_limit_exceeded"),
        ("quota", 429, "insufficient_quota"),
        ("billing", 400, "billing_hard_limit_reached"),
        ("auth", 401, "invalid_api_key"),
        ("verify", 403, None),
        ("region", 403, "unsupported_country_region_territory"),
        ("moderation", 400, "moderation_blocked"),
        ("moderation-output", 400, "moderation_blocked"),
        ("model-missing", 404, "model_not_found"),
        ("unknown-parameter", 400, "unknown_parameter"),
        ("error-200", 200, "server_error"),
    ],
)
def test_a_refusing_fault_sends_the_official_envelope(
    sandbox: Driver, fault: str, status: int, code: str | None
) -> None:
    for stream in (False, True):
        response = sandbox.generate(fault, stream=stream)
        assert (response.status_code, error_of(response)["code"]) == (status, code)
    assert sandbox.log()["images_delivered"] == 0


def test_rate_limits_say_when_to_come_back(sandbox: Driver) -> None:
    long = sandbox.generate("rate-long")
    assert long.headers["retry-after"] == "3600"
    first, second = sandbox.generate("rate-once"), sandbox.generate("rate-once")
    assert (first.status_code, second.status_code) == (429, 200)
    assert (first.headers["retry-after"], first.headers["retry-after-ms"]) == ("1", "200")
    assert "try again in 0.2s" in error_of(first)["message"]


def test_overload_passes_for_each_prompt_by_itself(sandbox: Driver) -> None:
    prompts = [sandbox.prompt, sandbox.prompt + " again"]
    statuses = [sandbox.generate("http-503-once", prompt=prompt).status_code for prompt in prompts * 2]
    assert statuses == [503, 503, 200, 200]


def test_auth_repeats_the_whole_key(sandbox: Driver) -> None:
    assert KEY in error_of(sandbox.generate("auth"))["message"]


@pytest.mark.parametrize(("fault", "stage"), [("moderation", "input"), ("moderation-output", "output")])
def test_moderation_names_its_stage_and_its_reasons(sandbox: Driver, fault: str, stage: str) -> None:
    error = error_of(sandbox.generate(fault))
    assert error["type"] == "image_generation_user_error"
    assert error["moderation_details"] == {"moderation_stage": stage, "categories": ["violence"]}
    assert "safety_violations=[violence]" in error["message"]


@pytest.mark.parametrize(("fault", "status"), [("http-524", 524), ("html-200", 200)])
def test_a_page_comes_where_json_was_expected(sandbox: Driver, fault: str, status: int) -> None:
    response = sandbox.generate(fault)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert "<title>" in response.text


def test_redirect_leads_to_the_endpoint_without_the_fault(sandbox: Driver) -> None:
    response = sandbox.generate("redirect")
    assert response.status_code == 302
    assert response.headers["location"] == f"{sandbox.base_url()}/images/generations"


def test_empty_has_no_images_and_empty_body_no_bytes(sandbox: Driver) -> None:
    assert sandbox.generate("empty").json()["data"] == []
    response = sandbox.generate("empty-body")
    assert (response.status_code, response.content) == (200, b"")


def test_fewer_is_one_image_fewer(sandbox: Driver) -> None:
    assert len(sandbox.generate("fewer", n=3).json()["data"]) == 2
    assert sandbox.generate("fewer", n=1).json()["data"] == []


def test_wrong_size_is_half_of_what_the_answer_says(sandbox: Driver) -> None:
    body = sandbox.generate("wrong-size", size="1024x1536").json()
    assert opened(body["data"][0]["b64_json"]).size == (512, 768)
    assert body["size"] == "1024x1536"


@pytest.mark.parametrize(("asked", "came"), [("png", "JPEG"), ("webp", "JPEG"), ("jpeg", "PNG")])
def test_wrong_format_is_not_what_the_answer_says(sandbox: Driver, asked: str, came: str) -> None:
    body = sandbox.generate("wrong-format", output_format=asked).json()
    assert opened(body["data"][0]["b64_json"]).format == came
    assert body["output_format"] == asked


def test_bad_base64_cannot_be_decoded(sandbox: Driver) -> None:
    text = sandbox.generate("bad-base64").json()["data"][0]["b64_json"]
    with pytest.raises(ValueError):
        base64.b64decode(text, validate=True)
    assert text.startswith("iVBOR")


def test_not_an_image_decodes_to_words(sandbox: Driver) -> None:
    text = sandbox.generate("not-an-image").json()["data"][0]["b64_json"]
    assert base64.b64decode(text, validate=True).startswith(b"This is not an image")


def test_url_images_are_downloaded_without_the_key(sandbox: Driver) -> None:
    items = sandbox.generate("url", n=2).json()["data"]
    assert sandbox.log()["images_delivered"] == 0
    for item in items:
        assert set(item) == {"url"}
        download = sandbox.http.get(item["url"])
        assert download.headers["content-type"] == "image/png"
        assert download.content.startswith(b"\x89PNG")
    log = sandbox.log()
    assert log["images_delivered"] == 2
    assert [each["key_sent"] for each in log["downloads"]] == [False, False]


def test_a_key_sent_along_with_a_download_is_noted(sandbox: Driver) -> None:
    url = sandbox.generate("url").json()["data"][0]["url"]
    sandbox.http.get(url, headers=BEARER)
    path = urlsplit(url).path
    assert sandbox.log()["downloads"] == [{"path": path, "status": 200, "key_sent": True}]


@pytest.mark.parametrize(
    ("fault", "statuses"), [("url-flaky", [500, 200, 200]), ("url-dead", [404, 404, 404])]
)
def test_downloads_fail_as_the_fault_says(sandbox: Driver, fault: str, statuses: list[int]) -> None:
    url = sandbox.generate(fault).json()["data"][0]["url"]
    assert [sandbox.http.get(url).status_code for _ in statuses] == statuses
    log = sandbox.log()
    assert [each["status"] for each in log["downloads"]] == statuses
    assert log["images_delivered"] == (200 in statuses)


def test_data_uri_holds_the_image(sandbox: Driver) -> None:
    head, _, text = sandbox.generate("data-uri", output_format="webp").json()["data"][0]["url"].partition(",")
    assert head == "data:image/webp;base64"
    assert opened(text).format == "WEBP"
    assert sandbox.log()["images_delivered"] == 1


def test_whitespace_comes_before_the_json(sandbox: Driver) -> None:
    response = sandbox.generate("keepalive-whitespace")
    assert response.text[:2].isspace()
    assert len(response.json()["data"]) == 1


def test_a_comment_comes_before_a_stream(sandbox: Driver) -> None:
    response = sandbox.generate("keepalive-whitespace", stream=True)
    assert response.text.startswith(": ")
    assert [event["type"] for event in events_of(response.text)] == ["image_generation.completed"]


def test_dribble_is_the_same_answer_in_small_pieces(sandbox: Driver) -> None:
    response, body, error = sandbox.received("dribble", n=2)
    assert error is None
    assert response.headers["transfer-encoding"] == "chunked"
    assert len(json.loads(body)["data"]) == 2
    assert sandbox.log()["images_delivered"] == 2


def test_escaped_is_legal_json_of_another_hand(sandbox: Driver) -> None:
    response = sandbox.generate("escaped", n=2)
    assert "\n" in response.text
    assert "\\/" in response.text
    for item in response.json()["data"]:
        assert next(iter(item)) != "b64_json"
        assert opened(item["b64_json"]).size == (1024, 1024)


def test_an_escaped_stream_is_a_legal_stream(sandbox: Driver) -> None:
    event = events_of(sandbox.generate("escaped", stream=True).text)[-1]
    assert opened(event["b64_json"]).size == (1024, 1024)


def test_ignore_stream_answers_plain_json(sandbox: Driver) -> None:
    response = sandbox.generate("ignore-stream", stream=True, partial_images=1)
    assert response.headers["content-type"] == "application/json"
    assert len(response.json()["data"]) == 1


def test_force_stream_answers_one_completed_event_an_image(sandbox: Driver) -> None:
    response = sandbox.generate("force-stream", n=3)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    assert [event["type"] for event in events] == ["image_generation.completed"] * 3
    assert len({event["b64_json"] for event in events}) == 3
    assert sandbox.log()["images_delivered"] == 3


@pytest.mark.parametrize(
    ("fields", "param"), [({"stream": True}, "stream"), ({"partial_images": 1}, "partial_images")]
)
def test_refuse_stream_does_not_know_the_fields_of_a_stream(
    sandbox: Driver, fields: dict[str, object], param: str
) -> None:
    assert error_of(sandbox.generate("refuse-stream", **fields))["param"] == param
    assert sandbox.generate("refuse-stream").status_code == 200
