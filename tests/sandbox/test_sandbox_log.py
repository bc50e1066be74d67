"""The log tells what was asked and what was delivered."""

from __future__ import annotations

import hashlib

from drawn import mask, photo
from sandbox_driving import BEARER, KEY, Driver, as_file

from gpt_image2.sandbox import serve_in_thread


def test_a_generation_is_one_row(sandbox: Driver) -> None:
    sandbox.generate(n=2, size="1024x640")
    log = sandbox.log()
    assert (log["hits"], log["images_delivered"], log["downloads"]) == (1, 2, [])
    row = log["requests"][0]
    assert row["fields"] == {**sandbox.body(n=2), "size": "1024x640"}
    assert row["key_seen"] != KEY and row["key_seen"].startswith("sk-proj-")
    assert isinstance(row["id"], int)
    assert {
        name: row[name] for name in ("fault", "endpoint", "prompt", "n", "stream", "status", "files")
    } == {
        "fault": None,
        "endpoint": "generations",
        "prompt": sandbox.prompt,
        "n": 2,
        "stream": False,
        "status": 200,
        "files": [],
    }


def test_an_edit_lists_its_files(sandbox: Driver) -> None:
    image, hole = as_file(photo()), as_file(mask(), "mask.png")
    sandbox.edit([("image[]", image), ("mask", hole)], fault="escaped", n="2")
    row = sandbox.log()["requests"][0]
    assert (row["endpoint"], row["fault"], row["n"]) == ("edits", "escaped", 2)
    assert row["fields"]["n"] == "2"
    assert row["files"] == [
        {
            "field": field,
            "filename": name,
            "content_type": "image/png",
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for field, (name, data, _) in (("image[]", image), ("mask", hole))
    ]


def test_refused_requests_are_hits_without_images(sandbox: Driver) -> None:
    sandbox.generate(n=99)
    sandbox.generate("http-500")
    url = f"{sandbox.base_url()}/images/generations"
    sandbox.http.post(url, json=sandbox.body(), headers={"authorization": "Bearer invalid"})
    log = sandbox.log()
    assert [row["status"] for row in log["requests"]] == [400, 500, 401]
    assert (log["hits"], log["images_delivered"]) == (3, 0)


def test_previews_are_not_counted_as_images(sandbox: Driver) -> None:
    sandbox.generate(stream=True, partial_images=3)
    assert sandbox.log()["images_delivered"] == 1


def test_an_image_that_the_client_did_not_wait_for_is_not_counted(sandbox: Driver) -> None:
    url = f"{sandbox.base_url()}/images/generations"
    body = sandbox.body(n=10, size="3840x2160", quality="high")
    with sandbox.http.stream("POST", url, json=body, headers=BEARER) as response:
        next(response.iter_raw())
    assert sandbox.log()["images_delivered"] < 10


def test_the_log_needs_no_key_and_can_be_cleared() -> None:
    import httpx2

    with serve_in_thread(latency_s=0) as url, httpx2.Client(timeout=30, trust_env=False) as http:
        root = url.removesuffix("/v1")
        body = {"model": "gpt-image-2", "prompt": "x", "quality": "low"}
        first = http.post(f"{root}/fault/rate-once/v1/images/generations", json=body, headers=BEARER)
        assert http.get(f"{root}/_sandbox/log").json()["hits"] == 1
        assert http.get(f"{root}/_sandbox/log", params={"prompt": "another"}).json()["hits"] == 0
        assert http.post(f"{root}/_sandbox/reset").status_code == 200
        lists = ("requests", "downloads", "batch_requests", "polls")
        empty = {"hits": 0, "images_delivered": 0, **{name: [] for name in lists}}
        assert http.get(f"{root}/_sandbox/log").json() == empty
        again = http.post(f"{root}/fault/rate-once/v1/images/generations", json=body, headers=BEARER)
        assert (first.status_code, again.status_code) == (429, 429)
