"""Through a real LiteLLM proxy in front of the sandbox. `make litellm` installs it and runs these."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from batching import batch, image_files, out_of
from harness import KEY, Home, Run, Sandbox
from intermediaries import litellm
from pictures import png

PROGRAM = os.environ.get("LITELLM", "")
PROXY_KEY = "sk-litellm-0123456789abcdefghijKEY"
#: Models whose provider has a fault: exit code, error code, billed, cure.
FAULTS: dict[str, tuple[int, str, str, str]] = {
    "moderation": (5, "moderation_blocked", "maybe", "change the prompt"),
    "quota": (4, "insufficient_quota", "no", "the key that LiteLLM has"),
    "billing": (4, "insufficient_quota", "no", "the key that LiteLLM has"),
    "auth": (3, "invalid_api_key", "no", "the key that LiteLLM has"),
    "verify": (3, "organization_not_verified", "no", "the key that LiteLLM has"),
    "region": (3, "unsupported_region", "no", "the key that LiteLLM has"),
    "model-missing": (6, "model_not_found", "no", "check --model"),
    "unknown-parameter": (6, "bad_request", "no", "it comes from --format"),
    "rate-long": (4, "rate_limit_exceeded", "no", "the server asks to wait 3600 s"),
    "http-500": (6, "server_error", "maybe", "LiteLLM itself sends what fails"),
    "http-524": (6, "gateway_cut", "maybe", "LiteLLM itself sends what fails"),
    "empty": (6, "no_image", "maybe", "check your usage"),
    "not-an-image": (6, "not_an_image", "maybe", "it was kept"),
}

pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason="LiteLLM is too large to be installed for this: make litellm"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def base_url(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models = dict.fromkeys(("gpt-image-2", "size", "field", "stream", "stream-edit"), sandbox.base_url)
    models.update((fault, sandbox.fault(fault)) for fault in FAULTS)
    folder = tmp_path_factory.mktemp("proxy") / "litellm"
    with litellm(PROGRAM, folder, models, PROXY_KEY, KEY) as url:
        yield url


@pytest.fixture
def home(home: Home) -> Home:
    home.env["GPT_IMAGE2_API_KEY"] = PROXY_KEY
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "mask.png").write_bytes(png(alpha=True))
    return home


def call(home: Home, base_url: str, *words: str) -> Run:
    return home.run(*words, "-o", "cat.png", "--json", "--retries", "0", base_url=base_url)


def only_post(sandbox: Sandbox, prompt: str) -> dict[str, Any]:
    (post,) = sandbox.log(prompt)["requests"]
    return post


def test_a_generation_arrives_with_all_its_fields_and_its_price(
    home: Home, sandbox: Sandbox, base_url: str, prompt: str
) -> None:
    flags = ("--n", "2", "--size", "1536x1024", "--quality", "low", "--format", "webp", "--user", "me")
    run = call(home, base_url, "generate", prompt, *flags, "--moderation", "low", "--background", "opaque")
    assert run.code == 0, run.stdout
    assert {(image["format"], image["width"]) for image in run.json["images"]} == {("webp", 1536)}
    assert run.json["cost_usd"] > 0
    fields = only_post(sandbox, prompt)["fields"]
    asked = {"n": 2, "size": "1536x1024", "quality": "low", "output_format": "webp", "user": "me"}
    assert {**asked, "moderation": "low", "background": "opaque"}.items() <= fields.items()


@pytest.mark.parametrize("more", [(), ("--image", "in.png")], ids=["one image", "two images"])
def test_an_edit_with_a_mask_arrives_with_its_files(
    home: Home, sandbox: Sandbox, base_url: str, prompt: str, more: tuple[str, ...]
) -> None:
    run = call(home, base_url, "edit", "in.png", prompt, "--mask", "mask.png", *more)
    assert run.code == 0, run.stdout
    assert len(only_post(sandbox, prompt)["files"]) == 2 + len(more) // 2


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_provider_refuses_is_told_as_what_it_is(
    home: Home, base_url: str, prompt: str, fault: str
) -> None:
    exit_code, code, billed, cure = FAULTS[fault]
    run = call(home, base_url, "generate", prompt, "--model", fault)
    error = run.json["error"]
    assert (run.code, error["code"], run.json["billed"]) == (exit_code, code, billed)
    assert cure in error["hint"]
    assert KEY not in run.stdout + run.stderr


@pytest.mark.parametrize(
    "words, code, cure",
    [
        (("--model", "size", "--size", "1792x936"), "invalid_size", "the nearest legal size is 1792x944"),
        (("--model", "field", "--param", "x=1"), "bad_request", "it comes from --param x"),
        (("--model", "gpt-image-9"), "model_not_found", "check --model"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_with_its_cure(
    home: Home, base_url: str, prompt: str, words: tuple[str, ...], code: str, cure: str
) -> None:
    run = call(home, base_url, "generate", prompt, *words)
    assert (run.code, run.json["error"]["code"], run.json["billed"]) == (6, code, "no")
    assert cure in run.json["error"]["hint"]


def test_a_key_that_is_not_the_proxys_is_told_as_a_bad_key(home: Home, base_url: str, prompt: str) -> None:
    home.env["GPT_IMAGE2_API_KEY"] = KEY
    run = call(home, base_url, "generate", prompt)
    assert (run.code, run.json["billed"]) == (3, "no")
    assert "check the key" in run.json["error"]["hint"]


def test_a_stream_that_it_cannot_pass_on_is_told_with_the_cure(
    home: Home, base_url: str, prompt: str
) -> None:
    run = call(home, base_url, "generate", prompt, "--model", "stream", "--stream")
    assert run.json["billed"] == "maybe"
    assert "leave out --stream" in run.json["error"]["hint"]


def test_the_image_of_a_streamed_edit_is_saved_although_it_comes_in_an_error(
    home: Home, sandbox: Sandbox, base_url: str, prompt: str
) -> None:
    run = call(home, base_url, "edit", "in.png", prompt, "--model", "stream-edit", "--stream")
    assert (run.code, run.json["http_status"], run.json["billed"]) == (0, 500, "yes"), run.stdout
    assert only_post(sandbox, prompt)["images_delivered"] == 1


def test_a_batch_of_20_arrives_with_one_paid_request_a_job(
    home: Home, sandbox: Sandbox, base_url: str, prompt: str
) -> None:
    jobs = [{"prompt": f"{prompt} {number}", "size": "1024x640"} for number in range(20)]
    run = batch(home, base_url, *jobs)
    assert run.code == 0, run.stdout
    assert len(image_files(out_of(home))) == 20
    for job in jobs:
        only_post(sandbox, str(job["prompt"]))
