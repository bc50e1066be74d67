from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from bench.pictures import count_decodable, count_whole, noise_png
from bench.server import Answer, serving

BYTES = 20_000


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    answers = [
        Answer("one", 1, BYTES),
        Answer("three", 3, BYTES),
        Answer("stream", 1, BYTES, partials=2),
        Answer("slow", 1, BYTES, latency_s=0.3),
    ]
    with serving(answers) as server, httpx2.Client(
        base_url=server.url, timeout=20, trust_env=False
    ) as client:
        yield client


def test_an_answer_holds_so_many_pictures_that_decode_and_have_the_wanted_size(http: httpx2.Client) -> None:
    document = http.post("/three/v1/images/generations", json={"prompt": "any"}).json()
    pictures = [base64.b64decode(each["b64_json"]) for each in document["data"]]
    assert len(pictures) == 3
    for picture in pictures:
        assert BYTES <= len(picture) < BYTES + 4000
        Image.open(io.BytesIO(picture)).load()
    assert document["usage"]["total_tokens"] > 0


def test_a_stream_has_its_previews_then_the_final_image(http: httpx2.Client) -> None:
    body = http.post("/stream/v1/images/generations", json={"stream": True}).text
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
    assert [event["type"].rpartition(".")[2] for event in events] == [
        "partial_image",
        "partial_image",
        "completed",
    ]
    assert base64.b64decode(events[-1]["b64_json"]) == noise_png(BYTES)


def test_an_upload_is_taken_whole_and_the_connection_serves_the_next_request(http: httpx2.Client) -> None:
    for _ in range(2):
        answer = http.post("/one/v1/images/edits", files={"image": ("a.png", b"x" * 3_000_000, "image/png")})
        assert len(answer.json()["data"]) == 1


def test_an_answer_waits_for_its_latency(http: httpx2.Client) -> None:
    assert http.post("/slow/v1/images/generations", json={}).elapsed.total_seconds() >= 0.3


def test_what_is_not_served_is_404(http: httpx2.Client) -> None:
    assert http.post("/nothing/v1/images/generations", json={}).status_code == 404


def test_only_whole_pictures_are_counted(tmp_path: Path) -> None:
    picture = noise_png(BYTES)
    (tmp_path / "whole.png").write_bytes(picture)
    (tmp_path / "cut.png").write_bytes(picture[:-100])
    (tmp_path / "text.png").write_bytes(b"no picture")
    (tmp_path / "padded.png").write_bytes(picture[:-100] + b"x" * 100)
    assert count_whole(tmp_path, len(picture)) == 1
    assert count_decodable(tmp_path)[1] >= 2
