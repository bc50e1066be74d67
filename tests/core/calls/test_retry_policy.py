"""What is sent again, and what it may have cost: the table row by row, the waits, and the command."""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import Any, Dict, List, Optional, Tuple

import pytest
from faulty import Exchange, body_of, serving
from harness import Home, Sandbox, generate
from pictures import png
from servers import Answer as HttpAnswer
from servers import Recorder, images, refusal

from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.base.record import replace
from gpt_image2.core.calls.response import Answer
from gpt_image2.core.calls.retry import (
    MAX_SERVER_WAIT_S,
    RULES,
    Again,
    Attempt,
    Rule,
    backoff_s,
    judge,
    may_send_again,
    server_wait_s,
)
from gpt_image2.core.calls.server_error import ServerError
from gpt_image2.core.calls.task import Task, TaskState
from gpt_image2.core.wire.messages import ResponseHead, TransferEnd


def attempt(
    status: int = 200,
    code: str = "",
    *,
    curl: int = 0,
    sent: bool = True,
    message: str = "no",
    headers: Optional[Dict[str, str]] = None,
    stage: str = "",
    type_: str = "",
    said: str = "",
    **rest: Any,
) -> Attempt:
    """An attempt; with a code, type or stage the server answered an error."""
    error = ServerError(message, type=type_, code=code, moderation_stage=stage)
    rest.setdefault("answer", Answer("json", error=error if code or stage or type_ else None))
    head = ResponseHead(status, headers or {}) if status else None
    return Attempt(head, TransferEnd(curl, said, sent), **rest)


TASK = Task("task_1", TaskState.UNDER_WAY)
REFUNDED = Task("task_1", TaskState.FAILED, is_free=True)

SAYS_YES, SAYS_NO = {"x-should-retry": "true"}, {"x-should-retry": "false"}

OUT_OF_CREDIT = (
    "账户余额不足",
    "该令牌额度已用尽",
    "预扣费额度失败, 用户剩余额度: 0.02",
    "账户已欠费",
    "Quota exhausted",
    "your quota has been exhausted",
    "insufficient account balance",
    "not enough credits",
    "Your credit balance is too low",
    "you are out of credits",
    "Billing hard limit has been reached",
    'upstream said {"code": "insufficient_user_quota"}',
)
#: Every rule: what it says of money, whether it allows another request, and attempts that fall under it.
TABLE: List[Tuple[str, Billed, Again, List[Attempt]]] = [
    (
        "image-arrived",
        Billed.YES,
        Again.NEVER,
        [
            attempt(images=1),
            attempt(images=2, curl=18),
            attempt(images=1, status=500, code="server_error"),
            attempt(images=1, status=429, headers=SAYS_YES),
            attempt(answer=Answer("json", urls=("https://x/1.png",))),
        ],
    ),
    (
        "task-refunded",
        Billed.NO,
        Again.NEVER,
        [
            replace(attempt(200, "moderation_blocked"), accepted=REFUNDED),
            replace(attempt(500, type_="x", message="it failed; you were not charged"), accepted=REFUNDED),
        ],
    ),
    (
        "task",
        Billed.MAYBE,
        Again.NEVER,
        [
            replace(attempt(200), accepted=TASK),
            replace(attempt(404), accepted=TASK),
            replace(attempt(429, "insufficient_quota"), accepted=TASK),
            replace(attempt(0, curl=28), accepted=TASK),
        ],
    ),
    (
        "never-connected",
        Billed.NO,
        Again.SAFE,
        [
            *(attempt(0, curl=code, sent=False) for code in (5, 6, 7, 28, 35, 52, 55, 56, 97)),
            attempt(0, curl=56, sent=False, said="CONNECT tunnel failed, response 503"),
        ],
    ),
    (
        "cannot-connect",
        Billed.NO,
        Again.NEVER,
        [
            *(attempt(0, curl=code, sent=False) for code in (1, 3, 26, 51, 58, 60, 77)),
            attempt(0, curl=56, sent=False, said="CONNECT tunnel failed, response 407"),
            attempt(0, curl=56, sent=False, said="Received HTTP code 403 from proxy after CONNECT"),
        ],
    ),
    (
        "quota",
        Billed.NO,
        Again.NEVER,
        [
            attempt(429, "insufficient_quota"),
            attempt(429, "insufficient_quota", headers=SAYS_YES),
            attempt(429, type_="insufficient_quota"),
            attempt(429, "credit_balance_exhausted"),
            attempt(429, "project_spend_limit_exceeded"),
            attempt(403, "monthly_usage_limit_exceeded"),
            attempt(400, "billing_hard_limit_reached"),
            attempt(200, "insufficient_quota"),
            attempt(503, "insufficient_user_quota"),
            attempt(403, "pre_consume_token_quota_failed"),
            attempt(429, type_="x", message="You exceeded your current quota, please check your plan"),
            attempt(403, type_="new_api_error", message="用户额度不足, 剩余额度: 0"),
            *(attempt(500, type_="x", message=words) for words in OUT_OF_CREDIT),
            attempt(403, answer=Answer("other", text="user quota is not enough")),
            attempt(402),
        ],
    ),
    (
        "moderation",
        Billed.MAYBE,
        Again.NEVER,
        [
            attempt(400, "moderation_blocked", stage="output"),
            attempt(200, "moderation_blocked", stage="output"),
            attempt(400, "policy", stage="output"),
            attempt(400, "moderation_blocked"),
            attempt(400, "moderation_blocked", headers=SAYS_YES),
            attempt(403, type_="x", message="Your request was rejected by the safety system."),
            attempt(500, "content_policy_violation"),
            attempt(200, "content_filter"),
        ],
    ),
    (
        "lasting",
        Billed.NO,
        Again.NEVER,
        [
            *(attempt(status) for status in (405, 407, 411, 413, 414, 415, 431, 501, 505, 511)),
            attempt(407, headers=SAYS_YES),
            attempt(501, "server_error", headers={"retry-after": "1"}),
        ],
    ),
    (
        "server-says-retry",
        Billed.NO,
        Again.SAFE,
        [
            attempt(500, headers=SAYS_YES),
            attempt(409, headers={"x-should-retry": "TRUE"}),
            attempt(429, "rate_limit_exceeded", headers=SAYS_YES),
        ],
    ),
    (
        "server-says-stop",
        Billed.NO,
        Again.NEVER,
        [
            attempt(429, "rate_limit_exceeded", headers=SAYS_NO),
            attempt(429, headers=SAYS_NO),
            attempt(503, "server_is_overloaded", headers=SAYS_NO),
        ],
    ),
    (
        "request-too-large",
        Billed.NO,
        Again.NEVER,
        [
            attempt(
                429,
                "rate_limit_exceeded",
                message="Request too large on images per min: Limit 5, Requested 9",
            )
        ],
    ),
    (
        "rate-limit",
        Billed.NO,
        Again.SAFE,
        [attempt(429), attempt(429, "rate_limit_exceeded"), attempt(429, "slow_down")],
    ),
    (
        "overload",
        Billed.NO,
        Again.SAFE,
        [
            attempt(503, "server_is_overloaded"),
            attempt(503, type_="overloaded_error"),
            attempt(503, "slow_down"),
            attempt(503, headers={"retry-after": "3"}),
            attempt(529, "overloaded_error"),
        ],
    ),
    (
        "request-timeout",
        Billed.MAYBE,
        Again.OPT_IN,
        [attempt(408), attempt(408, headers=SAYS_NO), attempt(499)],
    ),
    (
        "refused",
        Billed.NO,
        Again.NEVER,
        [
            attempt(400, "moderation_blocked", stage="input"),
            attempt(400, curl=18),
            *(attempt(status) for status in (301, 302, 304, 400, 401, 403, 404, 409, 422, 451)),
        ],
    ),
    (
        "refused-by-words",
        Billed.NO,
        Again.NEVER,
        [
            *(attempt(200, code) for code in ("rate_limit_exceeded", "invalid_api_key", "model_not_found")),
            attempt(503, "model_not_found"),
            attempt(503, type_="one_api_error", message="当前分组 default 下对于模型 x 无可用渠道"),
            attempt(503, type_="x", message="No available channel for model x"),
            attempt(500, "invalid_api_key"),
            attempt(200, "moderation_blocked", stage="input"),
            attempt(500, "sensitive_words_detected"),
            attempt(200, "model_not_found", curl=18),
        ],
    ),
    (
        "server-error",
        Billed.MAYBE,
        Again.OPT_IN,
        [
            attempt(503),
            attempt(503, "server_error", headers=SAYS_NO),
            attempt(500, headers=SAYS_NO),
            *(attempt(status) for status in (500, 502, 504, 520, 522, 524, 529)),
        ],
    ),
    (
        "cut",
        Billed.MAYBE,
        Again.OPT_IN,
        [
            attempt(0, curl=52),
            attempt(0, curl=56),
            attempt(0, curl=28),
            attempt(0, curl=7, sent=True),
            attempt(200, curl=18),
            attempt(200, curl=28),
            attempt(0, curl=-15),
        ],
    ),
    (
        "unusable-answer",
        Billed.MAYBE,
        Again.NEVER,
        [
            attempt(),
            attempt(answer=Answer()),
            attempt(answer=Answer("html")),
            attempt(200, "server_error"),
            attempt(kept_aside=("/x",)),
        ],
    ),
]


def test_the_table_has_every_rule_in_its_order() -> None:
    assert [name for name, _, _, _ in TABLE] == [rule.name for rule in RULES]


@pytest.mark.parametrize(
    "name, billed, again, one",
    [(name, billed, again, one) for name, billed, again, attempts in TABLE for one in attempts],
)
def test_an_attempt_falls_under_its_rule(name: str, billed: Billed, again: Again, one: Attempt) -> None:
    rule = judge(one)
    assert (rule.name, rule.billed, rule.again) == (name, billed, again)


def test_nothing_that_may_have_been_billed_is_sent_again_without_the_users_word() -> None:
    for rule in RULES:
        assert may_send_again(rule, retry_ambiguous=False) is (rule.again is Again.SAFE)
        assert may_send_again(rule, retry_ambiguous=True) is (rule.again is not Again.NEVER)
        assert rule.billed is Billed.NO or rule.again is not Again.SAFE


def test_every_rule_says_when_it_holds_in_words_of_its_own() -> None:
    assert len({rule.when for rule in RULES}) == len(RULES)
    assert all(isinstance(rule, Rule) and rule.when for rule in RULES)


# Waits

NOW = 1_790_000_000.0


@pytest.mark.parametrize(
    "headers, message, expected",
    [
        ({"retry-after": "7"}, "", 7),
        ({"retry-after": "0"}, "try again in 5s", 0),
        ({"retry-after": "2.5"}, "", 2.5),
        ({"retry-after": "1", "retry-after-ms": "200"}, "try again in 9s", 0.2),
        ({"retry-after-ms": "1500"}, "", 1.5),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, "", 90),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, "", 0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "soon"}, "Please try again in 3s.", 3),
        ({"retry-after": "-3"}, "", None),
        ({}, "Rate limit reached. Please try again in 51.84s. Visit https://x", 51.84),
        ({}, "Please try again in 1m30s.", 90),
        ({}, "Please try again in 1m30.5s", 90.5),
        ({}, "Please try again in 1h0m0s.", 3600),
        ({}, "Please try again in 1h2m", 3720),
        ({}, "Please try again in 200ms.", 0.2),
        ({}, "Please try again in 6m0s.", 360),
        ({}, "Please try again in 2m", 120),
        ({}, "Please retry after 10 seconds", 10),
        ({}, "Please retry after 1 minute.", 60),
        ({}, "please retry in 12 sec", 12),
        ({}, "try again in 20", 20),
        ({}, "please try again later", None),
        ({}, "try again in a while", None),
        ({}, "too many requests", None),
        ({"retry-after": "30s"}, "", 30),
        ({"retry-after": "9" * 400}, "", MAX_SERVER_WAIT_S),
        ({"retry-after": "99999999999999"}, "", MAX_SERVER_WAIT_S),
        ({"retry-after": "9" * 5000 + "x"}, "", MAX_SERVER_WAIT_S),
        ({"retry-after": formatdate(NOW + 1e9, usegmt=True)}, "", MAX_SERVER_WAIT_S),
        ({"retry-after": "²"}, "", None),
        ({"retry-after": "٣"}, "", None),
        ({"retry-after": "nan"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({"retry-after-ms": "9" * 400}, "", MAX_SERVER_WAIT_S),
        ({}, "try again in 1e9s", MAX_SERVER_WAIT_S),
        ({}, "try again in 1e999 hours", MAX_SERVER_WAIT_S),
        ({}, "try again in 2 days", MAX_SERVER_WAIT_S),
        ({}, "try again in " + "9" * 400 + "s", MAX_SERVER_WAIT_S),
        ({}, "try again in ²s", None),
    ],
)
def test_the_servers_word_on_waiting_is_understood(
    headers: Dict[str, str], message: str, expected: Optional[float]
) -> None:
    one = attempt(429, "rate_limit_exceeded", headers=headers, message=message)
    assert server_wait_s(one, NOW) == (expected if expected is None else pytest.approx(expected))


def test_backoff_doubles_up_to_a_minute_with_full_jitter() -> None:
    assert [backoff_s(retry, dice=1.0) for retry in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [backoff_s(retry, dice=0.0) for retry in range(9)] == [0] * 9
    assert backoff_s(2000, dice=0.5) == 30
    assert all(0 <= backoff_s(3) <= 8 for _ in range(200))
    assert len({backoff_s(3) for _ in range(20)}) > 1


# The command

ONE = png(noise=b"one")


def rate_limit(after: str) -> HttpAnswer:
    """A 429 that asks for a wait."""
    plain = refusal(429, "too fast", "rate_limit_exceeded")
    return plain._replace(headers=(*plain.headers, ("Retry-After", after)))


@pytest.mark.parametrize("retries, hits", [(0, 1), (1, 2), (3, 4)])
def test_retries_bounds_how_often_a_request_goes_out(
    retries: int, hits: int, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: rate_limit("0")
    run = generate(home, recorder.base_url, "--retries", str(retries))
    assert run.code == 4
    assert len(recorder.requests) == run.json["attempts"] == hits
    assert run.json["billed"] == "no"


def test_every_wait_is_said_with_its_reason(home: Home, recorder: Recorder) -> None:
    answers = iter([rate_limit("0.05"), refusal(503, "busy", "server_is_overloaded"), images(ONE)])
    recorder.answer = lambda request: next(answers)
    run = generate(home, recorder.base_url)
    assert run.code == 0, run.stderr
    first, second = re.findall(r"^sending again in (\d+\.\d) s \((.*)\)$", run.stderr, re.M)
    assert first == ("0.1", "rate-limit: 429: too many requests or tokens a minute") or first[0] == "0.0"
    assert second[1].startswith("overload: ")
    assert run.json["attempts"] == 3


def test_the_same_request_is_sent_again_byte_by_byte(home: Home, recorder: Recorder) -> None:
    answers = iter([rate_limit("0"), images(ONE)])
    recorder.answer = lambda request: next(answers)
    assert generate(home, recorder.base_url, "--quality", "low").code == 0
    first, second = recorder.requests
    assert (first.path, first.body) == (second.path, second.body)


def test_a_wait_beyond_the_timeout_is_not_begun(home: Home, sandbox: Sandbox, prompt: str) -> None:
    run = home.run(
        "generate", prompt, "-o", "cat.png", "--json", "--timeout", "50", base_url=sandbox.fault("rate-long")
    )
    assert run.code == 4
    assert sandbox.log(prompt)["hits"] == 1
    assert "the server asks to wait 3600 s" in run.json["error"]["hint"]
    assert "sending again" not in run.stderr


def test_after_a_reset_the_request_goes_out_again_only_when_the_user_opts_in(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if len(server.exchanges) % 2:
            exchange.reset()
        else:
            exchange.answer(body_of([ONE]))

    with serving(talk) as server:
        run = generate(home, server.base_url)
        assert (run.code, server.hits, run.json["billed"]) == (7, 1, "maybe")
        hint = run.json["error"]["hint"]
        assert "check your usage" in hint and "resume" in hint and "doctor" in hint
        assert "up to $0.2107" in hint, "the most that it can have cost: `auto` may be high"
        assert "--retry-ambiguous" not in hint
    with serving(talk) as server:
        run = generate(home, server.base_url, "--retry-ambiguous")
        assert (run.code, server.hits, run.json["billed"]) == (0, 2, "yes")
        assert "it may be billed twice" in run.stderr


@pytest.mark.parametrize("word, hits", [("true", 3), ("false", 1)])
def test_x_should_retry_is_obeyed_on_a_rate_limit(
    word: str, hits: int, home: Home, recorder: Recorder
) -> None:
    plain = rate_limit("0")
    recorder.answer = lambda request: plain._replace(headers=(*plain.headers, ("X-Should-Retry", word)))
    assert generate(home, recorder.base_url).code == 4
    assert len(recorder.requests) == hits


def test_a_server_error_that_asks_to_be_retried_is_retried(home: Home, recorder: Recorder) -> None:
    broken = HttpAnswer(500, b"{}", (("X-Should-Retry", "true"), ("Retry-After-Ms", "1")))
    answers = iter([broken, images(ONE)])
    recorder.answer = lambda request: next(answers)
    assert generate(home, recorder.base_url).code == 0
    assert len(recorder.requests) == 2


def test_what_an_earlier_attempt_may_have_cost_is_not_forgotten(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if len(server.exchanges) == 1:
            exchange.reset()
        else:
            exchange.answer(b'{"error": {"message": "bad", "code": "invalid_value"}}', 400)

    with serving(talk) as server:
        run = generate(home, server.base_url, "--retry-ambiguous")
    assert (run.code, run.json["billed"], run.json["attempts"]) == (6, "maybe", 2)


def test_a_refused_connection_is_tried_again_and_costs_nothing(home: Home) -> None:
    with serving(lambda exchange: None) as server:
        pass
    run = generate(home, server.base_url, "--retries", "1")
    assert (run.code, run.json["billed"], run.json["attempts"]) == (7, "no", 2)
    assert run.json["error"]["code"] == "refused"
