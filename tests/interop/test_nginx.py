"""Through a real nginx that cuts what is silent for too long: for 3 s here, for 60 s where nobody set it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from harness import Home, Run, Sandbox, serve_sandbox
from intermediaries import nginx

SILENCE_S = 3
CALL_S = 4  # a preview each second


@pytest.fixture(scope="module")
def relay() -> Iterator[Sandbox]:
    """A relay whose images take longer than nginx waits."""
    with serve_sandbox("--latency", str(CALL_S)) as url:
        yield Sandbox(url)


@pytest.fixture(scope="module")
def proxy(relay: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The relay as it is seen through nginx."""
    with nginx(tmp_path_factory.mktemp("proxy") / "nginx", relay.root, SILENCE_S) as address:
        yield Sandbox(f"{address}/v1")


def generate(home: Home, prompt: str, base_url: str, *more: str) -> Run:
    return home.run(
        "generate", prompt, "-o", "cat.png", "--json", "--size", "1024x640", *more, base_url=base_url
    )


def only_post(relay: Sandbox, prompt: str) -> dict[str, Any]:
    (post,) = relay.log(prompt)["requests"]
    return post


def test_a_silent_call_is_cut_and_told_with_what_it_may_have_cost_and_the_cure(
    home: Home, relay: Sandbox, proxy: Sandbox, prompt: str
) -> None:
    run = generate(home, prompt, proxy.base_url)
    error = run.json["error"]
    assert (run.code, error["code"], error["http_status"]) == (6, "gateway_cut", 504)
    assert run.json["billed"] == "maybe"
    assert "504 Gateway Time-out" in error["message"]
    assert "--stream" in error["hint"] and "check your usage" in error["hint"]
    assert only_post(relay, prompt)


def test_a_stream_that_is_never_silent_for_so_long_arrives(
    home: Home, relay: Sandbox, proxy: Sandbox, prompt: str
) -> None:
    run = generate(home, prompt, proxy.base_url, "--stream", "--partial-images", "3")
    assert run.code == 0, run.stdout
    assert only_post(relay, prompt)["images_delivered"] == 1


def test_a_task_that_takes_longer_arrives_with_one_paid_request(
    home: Home, relay: Sandbox, proxy: Sandbox, prompt: str
) -> None:
    run = generate(home, prompt, f"{proxy.root}/tasks/location:{CALL_S}/v1")
    assert run.code == 0, run.stdout
    assert only_post(relay, prompt)["images_delivered"] == 1
