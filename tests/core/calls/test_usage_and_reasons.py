"""What an answer says beside its images: tokens that can be true, and why there is no image."""

from __future__ import annotations

import json
import math
from typing import Any, Dict, List, Optional, Tuple

import pytest
from harness import Home
from hypothesis import given
from hypothesis import strategies as st
from pictures import png
from servers import Answer, Recorder, images

from gpt_image2.core.api.cost import cost_of_usage
from gpt_image2.core.base.outcome import Usage
from gpt_image2.core.calls.response import read_usage
from gpt_image2.core.calls.server_error import read_server_error

MODEL = "gpt-image-2"


def usage(tokens_in: Any, tokens_out: Any, **split: Any) -> Dict[str, Any]:
    return {
        "usage": {
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "input_tokens_details": split,
        }
    }


def cost(document: object) -> Optional[float]:
    read = read_usage(document)
    return None if read is None else cost_of_usage(MODEL, read)


# Tokens

CHAT = {"prompt_tokens": 150, "completion_tokens": 4200}


@pytest.mark.parametrize(
    "document, usd",
    [
        (usage(20, 196, text_tokens=20, image_tokens=0), 20 * 5 + 196 * 30),
        (usage(20, 196), 20 * 5 + 196 * 30),
        (usage(100, 196, text_tokens=0, image_tokens=0), 100 * 5 + 196 * 30),
        (usage(20.0, 196.0), 20 * 5 + 196 * 30),
        ({"usage": CHAT}, 150 * 5 + 4200 * 30),
        (
            {"usage": {**CHAT, "prompt_tokens_details": {"text_tokens": 50, "image_tokens": 100}}},
            50 * 5 + 100 * 8 + 4200 * 30,
        ),
        ({"usage": {**CHAT, "input_tokens": 0, "output_tokens": 0}}, 150 * 5 + 4200 * 30),
        # Of unknown kind: as text, and as image only what the text cannot be.
        (usage(1000, 196, text_tokens=1000, image_tokens=0, cached_tokens=1000), 1000 * 1.25 + 196 * 30),
        (
            usage(1000, 196, text_tokens=200, image_tokens=800, cached_tokens=600),
            200 * 1.25 + 400 * 2 + 400 * 8 + 196 * 30,
        ),
        (usage(1000, 196, cached_tokens=100), 900 * 5 + 100 * 1.25 + 196 * 30),
        (
            usage(300, 196, text_tokens=100, image_tokens=200, cached_tokens_details={"image_tokens": 50}),
            100 * 5 + 150 * 8 + 50 * 2 + 196 * 30,
        ),
    ],
)
def test_tokens_are_priced_by_their_kind_under_every_name(document: object, usd: float) -> None:
    assert cost(document) == pytest.approx(usd / 1e6)


@pytest.mark.parametrize(
    "document",
    [
        usage(0, 0, text_tokens=0, image_tokens=0),
        usage(20, 0),
        usage(-1, 196),
        usage(20, -5),
        usage(20, 10**12),
        usage(20, 1.5),
        usage("20", "196"),
        usage(True, True),
        usage(float("nan"), float("inf")),
        usage(10, 196, image_tokens=11),
        usage(10, 196, text_tokens=10**6),
        usage(10, 196, cached_tokens=11),
        usage(10, 196, cached_tokens=-1),
        usage(10, 196, cached_tokens=float("nan")),
        usage(10, 1, text_tokens=10, cached_tokens_details={"text_tokens": 10**11, "image_tokens": 10**11}),
        usage(10, 196, text_tokens=10, image_tokens=0, cached_tokens_details={"image_tokens": 1}),
        {"usage": {"total_tokens": 216}},
        {"usage": [1, 2]},
        {"usage": None},
        [],
        None,
    ],
)
def test_tokens_that_cannot_be_true_are_unknown(document: object) -> None:
    assert read_usage(document) is None


def test_a_total_below_its_parts_is_their_sum() -> None:
    document = usage(20, 196)
    document["usage"]["total_tokens"] = 5
    read = read_usage(document)
    assert read is not None and read.total_tokens == 216


counts = st.one_of(
    st.integers(-5, 2000),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.sampled_from([10**400, 10**11, "5", [], {}]),
)
splits = st.dictionaries(
    st.sampled_from(["text_tokens", "image_tokens", "cached_tokens", "cached_tokens_details"]),
    counts | st.dictionaries(st.sampled_from(["text_tokens", "image_tokens"]), counts),
)


@given(counts, counts, splits)
def test_property_a_cost_is_unknown_or_a_true_sum_of_money(
    tokens_in: Any, tokens_out: Any, split: Dict[str, Any]
) -> None:
    usd = cost(usage(tokens_in, tokens_out, **split))
    assert usd is None or (math.isfinite(usd) and 0 < usd <= 2e7 * 30 / 1e6)


@given(st.lists(st.integers(0, 10**6), min_size=7, max_size=7))
def test_property_no_usage_costs_less_than_nothing(numbers: List[int]) -> None:
    usd = cost_of_usage(MODEL, Usage(*numbers))
    assert usd is not None and usd >= 0


def test_usage_of_zeros_beside_an_image_is_told_as_unknown(home: Home, recorder: Recorder) -> None:
    zeros = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    body = {**json.loads(images(png()).body), "usage": zeros}
    recorder.answer = lambda request: Answer(body=json.dumps(body).encode())
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, run.json["cost_usd"], run.json["usage"]) == (0, None, None)


def test_usage_counts_whatever_a_gateway_writes_after_the_answer(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=images(png()).body + b" <!-- served by edge -->")
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, run.json["warnings"]) == (0, [])
    assert run.json["cost_usd"] == pytest.approx((13 * 5 + 196 * 30) / 1e6)


# Reasons

BLOCKED = {"message": "rejected by the safety system", "code": "moderation_blocked"}
REASONS: List[Tuple[Dict[str, Any], str, str, int]] = [
    # the answer, the message in it, its code, its status
    ({"error": {"message": "no", "code": "c", "type": "t"}}, "no", "c", 0),
    ({"error": {"message": "no", "code": 402}}, "no", "", 402),
    ({"error": {"message": "no", "code": "429"}}, "no", "", 429),
    ({"error": {"message": "no", "code": 1026}}, "no", "1026", 0),
    ({"error": "no", "code": "busy"}, "no", "busy", 0),
    ({"error": True, "message": "no"}, "no", "", 0),
    ({"code": 401, "message": "Invalid token", "data": None, "success": False}, "Invalid token", "", 401),
    ({"code": 400, "msg": "blocked", "data": []}, "blocked", "", 400),
    ({"code": "InsufficientBalance", "message": "no"}, "no", "InsufficientBalance", 0),
    ({"error_code": 17, "error_msg": "daily limit"}, "daily limit", "", 0),
    ({"detail": [{"loc": ["body"], "msg": "Field required"}]}, "Field required", "", 0),
    ({"success": False, "errors": [{"code": 7003, "message": "no route"}]}, "no route", "7003", 0),
    ({"status": "failed", "error": BLOCKED, "data": None}, BLOCKED["message"], BLOCKED["code"], 0),
    ({"type": "response.failed", "response": {"error": BLOCKED}}, BLOCKED["message"], BLOCKED["code"], 0),
    (
        {"response": {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}},
        "content_filter",
        "content_filter",
        0,
    ),
    ({"data": [{"b64_json": None, "url": None, "revised_prompt": "not that"}]}, "not that", "", 0),
    ({"choices": [{"message": {"content": "", "refusal": "I cannot"}}]}, "I cannot", "", 0),
    ({"choices": [{"finish_reason": "content_filter"}]}, "content_filter", "content_filter", 0),
    ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, *["PROHIBITED_CONTENT"] * 2, 0),
    ({"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, "IMAGE_SAFETY", "IMAGE_SAFETY", 0),
]


@pytest.mark.parametrize("document, message, code, status", REASONS)
def test_the_reason_is_found_wherever_an_answer_gives_it(
    document: Dict[str, Any], message: str, code: str, status: int
) -> None:
    error = read_server_error(document)
    assert error is not None
    assert (error.message, error.code, error.status) == (message, code, status)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [{"b64_json": "", "revised_prompt": "a cat"}, {"b64_json": ""}], "message": "here you are"},
        {"data": [{"b64_json": "", "revised_prompt": "a cat"}]},
        {"data": [{"url": "https://x/1.png", "revised_prompt": "a cat"}]},
        {"data": [{"revised_prompt": "not that"}, {"url": "https://x/1.png", "revised_prompt": "a cat"}]},
        {"data": [{"revised_prompt": ""}]},
        {"code": 0, "message": "success", "data": None},
        {"success": True, "msg": "done"},
        {"id": "task_1", "status": "queued", "message": "your turn comes"},
        {"choices": [{"finish_reason": "stop", "message": {"content": "here", "refusal": None}}]},
        {"response": {"status": "in_progress", "error": None, "incomplete_details": None}},
        {"error": None},
        {},
        [],
        None,
        "error",
    ],
)
def test_what_is_no_reason_is_not_taken_for_one(document: object) -> None:
    assert read_server_error(document) is None


NAMES = (
    "error message msg code type data response detail errors status choices moderation_details categories"
    " revised_prompt incomplete_details reason finish_reason"
)
names = st.sampled_from(NAMES.split())
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)


@given(documents)
def test_property_no_answer_raises_when_its_reason_is_read(document: object) -> None:
    error = read_server_error(document)
    if error is not None:
        assert error.status == 0 or 400 <= error.status <= 599
        assert all(isinstance(text, str) for text in (error.message, error.type, error.code, error.param))


def test_a_reason_is_bounded_and_one_that_nests_without_end_is_none() -> None:
    error = read_server_error({"error": {"message": "x" * 10**6, "code": "y" * 10**6}})
    assert error is not None and len(error.message) <= 10_000 and len(error.code) <= 10_000
    deep: List[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert read_server_error({"error": {"message": deep}}) is not None
