"""What a real LiteLLM proxy, 1.108.7, answers in front of an Images API: recorded, and replayed here.

`tests/interop/test_litellm.py` has the proxy itself. Those of its database are by its source.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict, List, Optional, Tuple

import pytest
from batching import Painter, batch
from harness import Home, generate
from pictures import png
from servers import USAGE, Answer, Recorder

ONCE = ("--retries", "0")
OF_ITS_KEY = "of the key that LiteLLM has"


def said(status: int, words: str, kind: str, param: Optional[str] = None, model: str = "x") -> Answer:
    """What LiteLLM passes on, with what it adds."""
    words += f"\n\nLiteLLM: model group '{model}' failed with the error above. No fallback was attempted."
    return its_own(status, words, kind, param)


def its_own(status: int, words: str, kind: str, param: Optional[str] = None, code: str = "") -> Answer:
    """LiteLLM's envelope: its code is the status as a text."""
    error: Any = {"message": words, "type": kind, "param": param, "code": code or str(status)}
    return Answer(status, json.dumps({"error": error}).encode())


BAD = "litellm.BadRequestError: OpenAIException - "
RATE = "litellm.RateLimitError: RateLimitError: OpenAIException - "
#: The answer, exit code, error code, billed, cure.
ANSWERS: List[Tuple[Answer, int, str, str, str]] = [
    (
        said(
            400,
            f"{BAD}Invalid size '1792x936'. Width and height must both be divisible by 16.",
            "invalid_request_error",
            "size",
        ),
        6,
        "invalid_size",
        "no",
        "the nearest legal size is 1792x944",
    ),
    (
        said(400, f"{BAD}Unknown parameter: 'output_format'.", "invalid_request_error", "output_format"),
        6,
        "bad_request",
        "no",
        "it comes from --format",
    ),
    (
        said(
            400,
            f"{BAD}Your request was rejected by the safety system. safety_violations=[violence].",
            "image_generation_user_error",
        ),
        5,
        "moderation_blocked",
        "maybe",  # it says no more whether that was before work
        "change the prompt",
    ),
    (
        said(
            429,
            f"{RATE}You exceeded your current quota, please check your plan and billing details.",
            "throttling_error",
        ),
        4,
        "insufficient_quota",
        "no",
        OF_ITS_KEY,
    ),
    (
        said(400, f"{BAD}Billing hard limit has been reached.", "billing_limit_user_error"),
        4,
        "insufficient_quota",
        "no",
        OF_ITS_KEY,
    ),
    (
        said(
            401,
            "litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided: "
            "sk-test-0000000000000000KEY. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            "authentication_error",
        ),
        3,
        "invalid_api_key",
        "no",
        OF_ITS_KEY,
    ),
    (
        said(
            403,
            "litellm.APIError: APIError: OpenAIException - Your organization must be verified to use the "
            "model `gpt-image-2`.",
            "permission_error",
        ),
        3,
        "organization_not_verified",
        "no",
        OF_ITS_KEY,
    ),
    (
        said(
            404,
            "litellm.NotFoundError: NotFoundError: OpenAIException - The model 'gpt-image-2' does not exist "
            "or you do not have access to it.",
            "invalid_request_error",
        ),
        6,
        "model_not_found",
        "no",
        "check --model",
    ),
    (
        its_own(
            400,
            "400: {'error': '/image/generations: Invalid model name passed in model=gpt-image-9. Call "
            "`/v1/models` to view available models for your key.'}",
            "invalid_request_error",
        ),
        6,
        "model_not_found",
        "no",
        "check --model",
    ),
    (
        its_own(
            403,
            "key not allowed to access model. This key can only access models=['gpt-image-1'].",
            "key_model_access_denied",
            "model",
        ),
        6,
        "key_model_access_denied",
        "no",
        "check --model",
    ),
    (its_own(400, "No connected db.", "no_db_connection"), 3, "no_db_connection", "no", "check the key"),
    (
        its_own(
            422,
            "Budget has been exceeded! Key=k Current cost: 0.21, Max budget: 0.2",
            "budget_exceeded",
        ),
        4,
        "budget_exceeded",
        "no",
        "add credit or raise the limit",
    ),
    (
        said(
            500,
            "litellm.InternalServerError: InternalServerError: OpenAIException - The server had an error "
            "while processing your request. Sorry about that!",
            "internal_server_error",
        ),
        6,
        "server_error",
        "maybe",
        "LiteLLM itself sends what fails up to 9 times",
    ),
    (
        said(
            524,
            "litellm.APIError: APIError: OpenAIException - Error code: 524",
            "internal_server_error",
        ),
        6,
        "gateway_cut",
        "maybe",
        "LiteLLM itself sends what fails up to 9 times",
    ),
    (
        its_own(500, "'>=' not supported between instances of 'str' and 'int'", "internal_server_error"),
        6,
        "server_error",
        "maybe",
        "check your usage",
    ),
]


@pytest.mark.parametrize("answer, exit_code, code, billed, cure", ANSWERS)
def test_what_litellm_passes_on_is_told_as_what_it_is(
    answer: Answer, exit_code: int, code: str, billed: str, cure: str, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: answer
    run = generate(home, recorder.base_url)
    error = run.json["error"]
    assert (run.code, error["code"], run.json["billed"]) == (exit_code, code, billed)
    assert cure in error["hint"]
    assert len(recorder.requests) == 1


def test_a_stream_that_litellm_cannot_pass_on_is_told_with_the_cure(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: said(
        500,
        "litellm.APIConnectionError: APIConnectionError: OpenAIException - 'str' object has no attribute "
        "'model_dump'",
        "internal_server_error",
    )
    run = generate(home, recorder.base_url, "--stream")
    assert run.json["billed"] == "maybe"
    assert "leave out --stream, which LiteLLM cannot pass on; " in run.json["error"]["hint"]


def streamed_edit(*events: Dict[str, Any]) -> Answer:
    """An edit's stream in the words of an error."""
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return said(500, f"litellm.APIError: APIError: OpenAIException - {stream}", "internal_server_error")


def event(kind: str, picture: bytes, **more: Any) -> Dict[str, Any]:
    return {"type": f"image_edit.{kind}", "b64_json": base64.b64encode(picture).decode(), **more}


def test_the_image_of_a_stream_that_is_quoted_in_an_error_is_saved_with_its_cost(
    home: Home, recorder: Recorder
) -> None:
    preview, final = png(noise=b"0" * 1000), png(noise=b"1" * 200_000)
    recorder.answer = lambda request: streamed_edit(
        event("partial_image", preview, partial_image_index=0), event("completed", final, usage=USAGE)
    )
    run = generate(home, recorder.base_url, "--stream")
    assert (run.code, run.json["billed"], run.json["usage"]["output_tokens"]) == (0, "yes", 196)
    assert run.pictures == [final]
    assert len(recorder.requests) == 1


def test_of_a_quoted_stream_without_a_final_image_the_preview_is_kept(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: streamed_edit(event("partial_image", png(), partial_image_index=0))
    run = generate(home, recorder.base_url, "--stream")
    assert (run.code, run.json["billed"]) == (6, "maybe")
    assert "the last preview was kept" in run.json["warnings"][0]
    assert "leave out --stream" in run.json["error"]["hint"]


def test_no_wait_helps_where_one_request_asks_for_too_much(home: Home, recorder: Recorder) -> None:
    words = f"{RATE}Request too large for gpt-image-2 (for limit images per min): Limit 5, Requested 10."
    recorder.answer = lambda request: said(429, words, "throttling_error")
    run = generate(home, recorder.base_url, "--n", "10")
    assert (run.code, len(recorder.requests)) == (4, 1)
    assert "no wait helps" in run.json["error"]["hint"]


def test_a_batch_waits_out_the_cooldown_of_a_deployment(home: Home, painter: Painter) -> None:
    words = (
        "No deployments available for selected model, Try again in 0.2 seconds. All deployments for selected "
        "model are in cooldown. Passed model=gpt-image-2. pre-call-checks=False, cooldown_list=['c9ed648d']"
    )
    answers = iter([its_own(429, words, "throttling_error")])
    painter.server.answer = lambda request: next(answers, None) or painter.answer(request)
    run = batch(home, painter.base_url, *({"prompt": f"a cat {number}"} for number in range(3)))
    assert run.code == 0, run.stdout
    assert sorted(painter.hits.values()) == [1, 1, 2]
