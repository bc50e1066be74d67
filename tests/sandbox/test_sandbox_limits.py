"""Images a minute: what is left is told, what is too much is refused, and time brings it back."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from drawn import photo
from sandbox_driving import BEARER, Driver, as_file, error_of

from gpt_image2.sandbox import Limits, Settings

Serve = Callable[[Settings], Driver]


def _statuses(sandbox: Driver, count: int) -> list[int]:
    return [sandbox.generate().status_code for _ in range(count)]


def test_more_images_than_a_minute_has_are_refused_in_the_words_of_the_api(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(2)))
    assert _statuses(sandbox, 2) == [200, 200]
    refused = sandbox.generate()
    error = error_of(refused)
    assert (refused.status_code, error["code"], error["type"]) == (429, "rate_limit_exceeded", "requests")
    match = re.fullmatch(
        r"Rate limit reached for gpt-image-2 in organization org-sandbox on images per min: "
        r"Limit 2, Used 2, Requested 1\. Please try again in (\d+(?:\.\d+)?)s\.",
        error["message"],
    )
    assert match
    wait_s = float(match[1])
    assert 0 < wait_s <= 30
    assert refused.headers["retry-after-ms"] == str(round(wait_s * 1000))
    assert int(refused.headers["retry-after"]) == -(-round(wait_s * 1000) // 1000)


def test_a_bucket_refills_evenly(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(2)))
    assert _statuses(sandbox, 3) == [200, 200, 429]
    sandbox.advance(30)
    assert _statuses(sandbox, 2) == [200, 429]


def test_a_fixed_window_refills_all_at_once(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(2, fixed_window=True)))
    assert _statuses(sandbox, 3) == [200, 200, 429]
    sandbox.advance(30)
    assert _statuses(sandbox, 1) == [429]
    sandbox.advance(30)
    assert _statuses(sandbox, 3) == [200, 200, 429]


def test_a_burst_can_be_larger_than_a_minute(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(1, burst=3)))
    assert _statuses(sandbox, 4) == [200, 200, 200, 429]
    sandbox.advance(60)
    assert _statuses(sandbox, 2) == [200, 429]


def test_the_wait_that_is_named_is_long_enough(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(7, burst=1)))
    for _ in range(5):
        assert _statuses(sandbox, 1) == [200]
        refused = sandbox.generate()
        sandbox.advance(int(refused.headers["retry-after-ms"]) / 1000)


@pytest.mark.parametrize("fixed_window", [False, True])
def test_headers_tell_what_is_left(serve: Serve, fixed_window: bool) -> None:
    sandbox = serve(Settings(limits=Limits(5, fixed_window=fixed_window)))
    url = f"{sandbox.base_url()}/images/edits"
    edit = sandbox.http.post(url, data=sandbox.body(n="2"), files={"image": as_file(photo())}, headers=BEARER)
    bad = sandbox.generate(size="1x1")
    for response, status, left in ((edit, 200, "3"), (bad, 400, "2")):
        assert response.status_code == status
        for unit in ("images", "requests"):
            assert response.headers[f"x-ratelimit-limit-{unit}"] == "5"
            assert response.headers[f"x-ratelimit-remaining-{unit}"] == left
            assert re.fullmatch(r"[\d.]+m?s", response.headers[f"x-ratelimit-reset-{unit}"])


def test_a_request_counts_for_all_its_images(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(3)))
    assert sandbox.generate(n=2).status_code == 200
    refused = sandbox.generate(n=2)
    assert "Used 2, Requested 2." in error_of(refused)["message"]
    assert sandbox.generate().status_code == 200


def test_a_request_that_no_wait_would_help_names_no_wait(serve: Serve) -> None:
    refused = serve(Settings(limits=Limits(3))).generate(n=4)
    assert error_of(refused)["message"].endswith("Limit 3, Requested 4.")
    assert refused.status_code == 429
    assert "retry-after" not in refused.headers


def test_headers_can_be_left_out_while_the_message_stays(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(1), limit_headers=False))
    accepted, refused = sandbox.generate(), sandbox.generate()
    assert (accepted.status_code, refused.status_code) == (200, 429)
    for response in (accepted, refused, sandbox.generate("rate-long")):
        assert not [name for name in response.headers if name.startswith(("x-ratelimit", "retry-after"))]
    assert "Please try again in" in error_of(refused)["message"]


def test_a_refused_request_is_neither_drawn_nor_judged(serve: Serve) -> None:
    sandbox = serve(Settings(limits=Limits(1)))
    sandbox.generate()
    assert sandbox.generate(size="1x1").status_code == 429
    assert sandbox.log()["images_delivered"] == 1
