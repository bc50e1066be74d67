"""Every cause has one line what happened and one line what to do; what a server says is shown safely."""

from __future__ import annotations

import json
import socket
import ssl
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest
from faulty import serving
from harness import KEY, Home, Run, Sandbox, generate
from pictures import png
from servers import Answer, Recorder, images

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.calls.explain import explain
from gpt_image2.core.calls.response import Answer as ReadAnswer
from gpt_image2.core.calls.retry import Attempt, judge
from gpt_image2.core.wire.messages import ResponseHead, TransferEnd

ONCE = ("--retries", "0")
#: A key and certificates for relay.example, made for these tests; the first is for 127.0.0.1 as well.
TLS_KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggpgRGnip8/os5ELr
+6vCODeQoCgPxRAIymzR9e1wjRShRANCAASR5H5yLrwnMUJlKUfgMAAL3chxZcy5
Wx1nTg6UIjyf/qBd2Bg+VuVKX/gptUkQM/k6WXOG8VKMffSZsJGWTQia
-----END PRIVATE KEY-----
"""
FOR_LOOPBACK = """-----BEGIN CERTIFICATE-----
MIIBhTCCASygAwIBAgIUN7kZoulGPtkilJuxnCbEpKEDVBAwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcmVsYXkuZXhhbXBsZTAgFw0yNjExMjIxNzEyMjlaGA8yMTI2
MTAyOTE3MTIyOVowGDEWMBQGA1UEAwwNcmVsYXkuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABJHkfnIuvCcxQmUpR+AwAAvdyHFlzLlbHWdODpQiPJ/+
oF3YGD5W5Upf+Cm1SRAz+TpZc4bxUox99JmwkZZNCJqjUjBQMB4GA1UdEQQXMBWC
DXJlbGF5LmV4YW1wbGWHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQU
pJU2FOGssyLMwPgyeTQGfp1YELUwCgYIKoZIzj0EAwIDRwAwRAIgMcIYk15ADj8Q
JbRSdk2Zt02wDebWG96tgToFIpAk0qUCIBk1uD2Fdcsx39yZ56nLSn3Iy58dH94Y
U7IkVaJaoC2g
-----END CERTIFICATE-----
"""
FOR_ANOTHER_HOST = """-----BEGIN CERTIFICATE-----
MIIBgDCCASagAwIBAgIUYoKze80LX/I67JU3zGQz9T+brS4wCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcmVsYXkuZXhhbXBsZTAgFw0yNjExMjIxNzEyMjlaGA8yMTI2
MTAyOTE3MTIyOVowGDEWMBQGA1UEAwwNcmVsYXkuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABJHkfnIuvCcxQmUpR+AwAAvdyHFlzLlbHWdODpQiPJ/+
oF3YGD5W5Upf+Cm1SRAz+TpZc4bxUox99JmwkZZNCJqjTDBKMBgGA1UdEQQRMA+C
DXJlbGF5LmV4YW1wbGUwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUpJU2FOGs
syLMwPgyeTQGfp1YELUwCgYIKoZIzj0EAwIDSAAwRQIhAK4wJqMsvtTfSIbXIOVw
KHwvNzGq/CNXIemVQB4e/tTtAiAEOdkNV6W9LNnjICa+lcLq2i7LA/y2GATz93zY
sHGGtQ==
-----END CERTIFICATE-----
"""


def plain(document: Dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(document).encode())


def error_of(run: Run) -> Tuple[str, str, str]:
    """Code, cause and cure; each a line of its own."""
    error = run.json["error"]
    assert sorted(error) == ["code", "hint", "http_status", "message", "request_id"]
    assert "\n" not in error["message"] + error["hint"]
    return error["code"], error["message"], error["hint"]


def envelope(status: int, message: str, code: Optional[str] = None, **more: Any) -> Answer:
    """The API's error, with all that may be in it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code, **more}
    return Answer(status, json.dumps({"error": error}).encode(), (("X-Request-Id", "req_42"),))


CAUSES: List[Tuple[str, int, str, str, str]] = [
    # fault, exit code, error code, cause, cure
    ("auth", 3, "invalid_api_key", "Incorrect API key provided", "check the key: config --show"),
    ("verify", 3, "organization_not_verified", "must be verified", "verify the organisation"),
    ("region", 3, "unsupported_country_region_territory", "not supported", "not offered where you are"),
    ("quota", 4, "insufficient_quota", "exceeded your current quota", "add credit"),
    ("billing", 4, "billing_hard_limit_reached", "hard limit", "raise the limit"),
    ("rate-long", 4, "rate_limit_exceeded", "Rate limit reached", "wait 3600 s"),
    ("moderation", 5, "moderation_blocked", "(stage: input; categories: ", "change the prompt"),
    ("moderation-output", 5, "moderation_blocked", "(stage: output; categories: ", "--moderation low"),
    ("unknown-parameter", 6, "unknown_parameter", "Unknown parameter: 'output_format'", "--format"),
    ("model-missing", 6, "model_not_found", "does not exist", "check --model"),
    ("http-500", 6, "server_error", "HTTP 500: ", "may have been billed"),
    ("http-524", 6, "gateway_cut", "HTTP 524: ", "add --stream"),
    ("html-200", 6, "html_page", "Welcome to the sandbox relay", "check base_url"),
    ("redirect", 6, "redirect", "HTTP 302", "correct base_url"),
    ("cut-last", 7, "truncated", "the answer was cut after", "may have been billed"),
]


@pytest.mark.parametrize("fault, exit_code, code, cause, cure", CAUSES, ids=[row[0] for row in CAUSES])
def test_a_cause_is_named_with_its_cure(
    fault: str, exit_code: int, code: str, cause: str, cure: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    args = ["generate", prompt, "-o", "cat.png", "--json", "--retries", "0", "--size", "1024x640"]
    run = home.run(*args, base_url=sandbox.fault(fault))
    got, message, hint = error_of(run)
    assert (run.code, got) == (exit_code, code)
    assert cause in message and cure in hint
    assert run.json["error"]["http_status"] == (run.json["http_status"] or None)
    assert run.json["error"]["request_id"] == run.json["request_id"]
    assert str(run.json["request_id"]).startswith("req_")


def test_without_json_the_cause_the_cure_the_money_and_the_request_id_are_on_stderr(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    run = home.run("generate", prompt, "-o", "cat.png", base_url=sandbox.fault("quota"))
    assert run.stdout == ""
    assert "error: HTTP 429: You exceeded your current quota" in run.stderr
    assert "; add credit" in run.stderr
    assert "billed: no (requests sent: 1, request id req_" in run.stderr


SERVERS_WORDS: List[Tuple[Answer, int, str, str]] = [
    (envelope(503, "busy", "server_is_overloaded"), 6, "server_is_overloaded", "try again later"),
    (
        envelope(400, "Invalid size '1792x936'. Width and height must both be divisible by 16."),
        6,
        "invalid_size",
        "the nearest legal size is 1792x944",
    ),
    (
        envelope(400, "bad value", "invalid_value", param="size"),
        6,
        "invalid_value",
        "the nearest legal size is 1024x1024",
    ),
    (
        envelope(400, "Unknown parameter: 'background'.", "unknown_parameter"),
        6,
        "unknown_parameter",
        "--background",
    ),
    (
        envelope(400, "Unknown parameter: 'x'.", "unknown_parameter", param="x"),
        6,
        "unknown_parameter",
        "it comes from --param x",
    ),
    (
        envelope(400, "Too long", "string_above_max_length", param="prompt"),
        6,
        "string_above_max_length",
        "the prompt",
    ),
    (envelope(401, "no"), 3, "invalid_api_key", "check the key"),
    (envelope(403, "no"), 3, "forbidden", "check its permissions"),
    (envelope(404, "no such page"), 6, "not_found", "it usually ends in /v1"),
    (envelope(429, "slow", "slow_down"), 4, "slow_down", "wait a minute"),
    (envelope(429, "Please try again in 51.84s."), 4, "rate_limit_exceeded", "wait 52 s"),
    (envelope(504, "upstream timed out"), 6, "gateway_cut", "add --stream"),
    (envelope(502, "bad gateway"), 6, "server_error", "may have been billed"),
    (
        envelope(400, "Your request was rejected by the safety system."),
        5,
        "moderation_blocked",
        "change the prompt",
    ),
    (
        envelope(
            400,
            "no",
            "moderation_blocked",
            moderation_details={
                "moderation_stage": "input",
                "categories": {"violence": True, "self-harm": False},
            },
        ),
        5,
        "moderation_blocked",
        "change the prompt",
    ),
]


QUOTA = ("insufficient_quota", "no", "add credit")
NO_MODEL = ("model_not_found", "no", "check --model")
BLOCKED = ("moderation_blocked", "maybe", "change the prompt")
#: How relays word what a refusal means, under whatever status: exit code, error code, billed, cure.
RELAYS_WORDS: List[Tuple[Answer, int, str, str, str]] = [
    (envelope(403, "user quota is not enough", "insufficient_user_quota"), 4, *QUOTA),
    (envelope(403, "token quota is not enough", "pre_consume_token_quota_failed"), 4, *QUOTA),
    (envelope(503, "用户额度不足, 剩余额度: 0"), 4, *QUOTA),
    (envelope(400, "账户余额不足，请充值"), 4, *QUOTA),
    (envelope(429, "You exceeded your current quota, please check your plan."), 4, *QUOTA),
    (envelope(500, "Quota exhausted"), 4, *QUOTA),
    (Answer(402), 4, *QUOTA),
    (Answer(403, b"Insufficient balance"), 4, *QUOTA),
    (envelope(200, "no", "insufficient_quota"), 4, *QUOTA),
    (envelope(503, "No available channel for model x", "model_not_found"), 6, *NO_MODEL),
    (envelope(503, "当前分组 default 下对于模型 x 无可用渠道"), 6, *NO_MODEL),
    (envelope(400, "blocked", "moderation_blocked"), 5, *BLOCKED),
    (envelope(500, "content policy violation"), 5, *BLOCKED),
    (envelope(500, "Blocked by moderation"), 5, *BLOCKED),
    (envelope(400, "the prompt was moderated"), 5, *BLOCKED),
    (envelope(400, "Invalid value for moderation"), 6, "bad_request", "no", ""),
    (plain({"success": False, "errMsg": "余额不足"}), 4, *QUOTA),
    (plain({"id": "1", "status": "failed", "failure_reason": "input_moderation", "error": ""}), 5, *BLOCKED),
    (plain({"artifacts": [{"base64": "", "finishReason": "CONTENT_FILTERED"}]}), 5, *BLOCKED),
    (
        Answer(200, b'data: {"id": "1", "status": "failed", "error": "blocked by moderation"}\n\n'),
        5,
        *BLOCKED,
    ),
    (envelope(500, "sensitive words detected"), 5, "sensitive_words_detected", "no", "change the prompt"),
    (Answer(407), 7, "proxy", "no", "set HTTPS_PROXY"),
    (Answer(501), 6, "server_error", "no", ""),
]


@pytest.mark.parametrize("answer, exit_code, code, billed, cure", RELAYS_WORDS)
def test_what_a_relay_says_goes_before_its_status(
    answer: Answer, exit_code: int, code: str, billed: str, cure: str, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: answer
    args = ["generate", "a cat", "-o", "cat.png", "--json"]
    run = home.run(*args, "--retry-ambiguous", base_url=recorder.base_url)
    got, _, hint = error_of(run)
    assert (run.code, run.json["billed"]) == (exit_code, billed)
    said = json.loads(answer.body).get("error") if answer.body[:1] == b"{" else None
    assert got in (code, said["code"] if said else code)
    assert cure in hint
    assert len(recorder.requests) == 1


def test_a_wait_that_nobody_could_mean_is_told_with_the_most_that_is_waited(
    home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(429, b"{}", (("Retry-After", "9" * 400),))
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, len(recorder.requests)) == (4, 1)
    assert "the server asks to wait 7200 s or longer" in error_of(run)[2]


@pytest.mark.parametrize("answer, exit_code, code, cure", SERVERS_WORDS)
def test_the_servers_words_lead_to_a_cure(
    answer: Answer, exit_code: int, code: str, cure: str, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: answer
    run = generate(home, recorder.base_url, *ONCE, "--size", "1024x1024", "--param", "x=1")
    got, message, hint = error_of(run)
    assert (run.code, got) == (exit_code, code)
    assert cure in hint, hint
    assert message.startswith(f"HTTP {answer.status}: ")
    assert len(recorder.requests) == 1


def test_only_the_categories_that_were_found_are_named(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: SERVERS_WORDS[-1][0]
    assert "categories: violence)" in error_of(generate(home, recorder.base_url, *ONCE))[1]


# What a server says


def test_text_of_the_server_is_shown_in_one_line_without_control_characters_and_at_most_500_of_it(
    home: Home, recorder: Recorder
) -> None:
    nasty = "\x1b]0;owned\x07\x1b[2J\r\nfake: line\x00\x9b31m\u202egnp.exe\u2028" + "x" * 9000
    recorder.answer = lambda request: envelope(400, nasty, "bad\x1b[31m", param="p\x1b[31m")
    run = generate(home, recorder.base_url, *ONCE)
    _, message, _ = error_of(run)
    assert len(message) <= 520
    text_run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    for text in (message, run.json["error"]["hint"], text_run.stderr.replace("\n", "")):
        assert all(char.isprintable() for char in text), text
    assert "owned" in message and "x…" in message


def test_a_key_is_masked_wherever_the_server_puts_it(home: Home, recorder: Recorder) -> None:
    places: List[Answer] = [
        envelope(401, f"Incorrect API key provided: {KEY}. Bearer {KEY}"),
        envelope(400, f"no {KEY}", f"code {KEY}", param=KEY),
        Answer(500, f"<title>{KEY}</title>".encode()),
        Answer(302, b"", (("Location", f"http://x/?key={KEY}"),)),
        Answer(200, f"plain {KEY}".encode()),
        Answer(200, json.dumps({"data": [{"url": f"{recorder.root}/{KEY}.png"}]}).encode()),
        Answer(
            400,
            json.dumps({"error": {"message": "no", "moderation_details": {"categories": [KEY]}}}).encode(),
        ),
        envelope(400, "also not " + "sk-proj-abcdefghijklmnopqrstuvwxyz123456"),
        Answer(400, b"{}", (("X-Request-Id", KEY),)),
    ]
    for place in places:
        recorder.answer = lambda request, place=place: (  # type: ignore[misc]
            place if request.method == "POST" else Answer(404)
        )
        for more in ([], ["--json"]):
            args = ["generate", "a cat", "-o", "cat.png", "--retries", "0", *more]
            run = home.run(*args, base_url=recorder.base_url)
            assert run.code not in (0, 1)
            assert KEY[3:-4] not in run.stdout + run.stderr, place
            assert "nopqrstuvwxyz12" not in run.stdout + run.stderr
    for path in home.root.rglob("*"):
        is_kept = (
            home.rescued in path.parents or home.state / "inflight" in path.parents
        )  # for this user alone
        assert not path.is_file() or is_kept or KEY[3:-4].encode() not in path.read_bytes()


# The network


def explained(
    code: int,
    said: str = "",
    *,
    sent: bool = False,
    status: int = 0,
    elapsed_s: float = 1.0,
    body_bytes: int = 0,
    proxy: str = "",
) -> Any:
    """The error for a transfer that curl ended with this code."""
    head = ResponseHead(status, {}) if status else None
    attempt = Attempt(
        head,
        TransferEnd(code, said, sent, proxy=proxy),
        ReadAnswer(),
        elapsed_s=elapsed_s,
        body_bytes=body_bytes,
    )
    request = ImageRequest("a cat")
    return explain(attempt, judge(attempt), request, "https://api.example/v1", (KEY,))


@pytest.mark.parametrize(
    "code, said, expected, cause, cure",
    [
        (6, "Could not resolve host: api.example", "dns", "api.example cannot be resolved", "the network"),
        (7, "Failed to connect to api.example port 443", "refused", "api.example refuses", "its port"),
        (28, "Connection timed out", "connect_timeout", "no connection to api.example", "try again"),
        (35, "wrong version number", "tls", "TLS handshake with api.example", "https:// against http://"),
        (60, "self-signed certificate", "tls_certificate", "cannot be verified", "CURL_CA_BUNDLE"),
        (
            60,
            "SSL: no alternative certificate subject name matches target host name 'api.example'",
            "tls_certificate",
            "cannot be verified",
            "for another host name",
        ),
        (77, "error setting certificate verify locations", "tls_ca", "CA file", "CURL_CA_BUNDLE"),
    ],
)
def test_what_keeps_a_connection_from_being_made_is_named_and_costs_nothing(
    code: int, said: str, expected: str, cause: str, cure: str
) -> None:
    error = explained(code, said)
    assert (error.code, error.billed.value, int(error.exit_code)) == (expected, "no", 7)
    assert cause in error.message and cure in error.hint


@pytest.mark.parametrize(
    "code, said, what",
    [
        (5, "Could not resolve proxy: p", "cannot be found"),
        (5, "Unsupported proxy syntax in 'http://p:x'", "cannot be found"),
        (7, "Failed to connect to 10.0.0.1 port 3128: Connection refused", "cannot be reached"),
        (7, "Failed to connect to api.example port 3128: Connection refused", "cannot be reached"),
        (7, "Can't complete SOCKS5 connection to api.example. (5)", "did not connect to api.example"),
        (28, "Connection timed out after 30000 milliseconds", "does not answer in time"),
        (56, "CONNECT tunnel failed, response 403", "did not connect to api.example"),
        (56, "Received HTTP code 407 from proxy after CONNECT", "wants a name and a password"),
        (97, "Can't complete SOCKS5 connection to api.example. (4)", "did not connect to api.example"),
    ],
)
def test_what_a_proxy_does_not_do_is_told_of_it_and_its_variable(code: int, said: str, what: str) -> None:
    error = explained(code, said, proxy="all_proxy (http://****@10.0.0.1:3128)")
    assert (error.code, error.billed.value, int(error.exit_code)) == ("proxy", "no", 7)
    assert f"the proxy of all_proxy (http://****@10.0.0.1:3128) {what}" in error.message
    assert "all_proxy" in error.hint


@pytest.mark.parametrize("elapsed_s", [55.0, 60.2, 65.0, 95.0, 100.4, 125.0, 130.0])
def test_a_silent_connection_that_is_closed_after_a_gateways_time_is_told_as_that(elapsed_s: float) -> None:
    for code, status in ((52, 0), (56, 0), (18, 200)):
        error = explained(code, "Empty reply", sent=True, status=status, elapsed_s=elapsed_s)
        assert error.code == "gateway_cut"
        assert "add --stream" in error.hint and "keep the connection alive" in error.hint
        assert error.billed.value == "maybe"


@pytest.mark.parametrize("elapsed_s, body_bytes", [(20.0, 0), (70.0, 0), (140.0, 0), (60.0, 10)])
def test_other_cuts_are_no_gateways(elapsed_s: float, body_bytes: int) -> None:
    error = explained(56, "reset", sent=True, elapsed_s=elapsed_s, body_bytes=body_bytes)
    assert error.code == ("truncated" if body_bytes else "connection_lost")
    assert error.billed.value == "maybe" and "check your usage" in error.hint


def test_time_that_ran_out_is_told_with_the_time_and_the_cure() -> None:
    error = explained(28, "Operation timed out", sent=True, elapsed_s=600.0)
    assert (error.code, error.message) == ("timeout", "no whole answer within 600 s")
    assert "raise --timeout, or add --stream" in error.hint


def test_a_name_that_does_not_resolve_is_told(home: Home) -> None:
    run = generate(home, "http://nowhere.onion/v1", *ONCE)  # curl asks nobody for such a name
    code, message, _ = error_of(run)
    assert (run.code, code, run.json["billed"]) == (7, "dns", "no")
    assert "nowhere.onion" in message


@pytest.mark.parametrize(
    "variable", ["https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "ALL_PROXY by SOCKS"]
)
def test_a_proxy_that_is_down_is_named_with_its_variable_on_any_host_and_port(
    home: Home, variable: str
) -> None:
    with serving(lambda exchange: None) as server:
        pass
    name, _, kind = variable.partition(" by ")
    place = f"127.0.0.1:{server.port}"
    env = {name: f"socks5h://me:pass-word@{place}" if kind else f"http://me:pass-word@{place}"}
    scheme = "http" if name == "http_proxy" else "https"
    run = generate(home, f"{scheme}://relay.example:{server.port}/v1", *ONCE, env=env)
    code, message, hint = error_of(run)
    assert (run.code, code, run.json["billed"]) == (7, "proxy", "no")
    assert name in message and place in message and "cannot be reached" in message
    assert name in hint and "NO_PROXY" in hint and "pass-word" not in run.stdout + run.stderr


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:7", "socks9://me:pass-word@127.0.0.1:7", "://x"])
def test_a_proxy_of_an_unknown_kind_is_told_before_anything_is_tried(home: Home, proxy: str) -> None:
    run = generate(home, "https://relay.example/v1", env={"ALL_PROXY": proxy})
    code, message, hint = error_of(run)
    assert (run.code, code, run.json["attempts"]) == (7, "proxy", 0)
    assert "ALL_PROXY names a proxy of an unknown kind" in message and "socks5h://" in hint
    assert "pass-word" not in run.stdout and not home.ledger.exists()
    doctor = home.run("doctor", "--json", base_url="https://relay.example/v1", env={"ALL_PROXY": proxy})
    assert (doctor.code, doctor.json["error"]["code"]) == (7, "doctor_proxy")


def test_no_proxy_leads_around_a_proxy_that_is_down(home: Home) -> None:
    env = {"ALL_PROXY": "http://127.0.0.1:1", "no_proxy": ".onion"}
    code, message, hint = error_of(generate(home, "http://nowhere.onion/v1", *ONCE, env=env))
    assert code == "dns" and "proxy" not in message + hint


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_told_as_that(home: Home, recorder: Recorder, scheme: str) -> None:
    recorder.answer = lambda request: Answer(407, b"<html>Login</html>", (("Proxy-Authenticate", "Basic"),))
    proxy = recorder.root.replace("://", "://me:pass-word@")
    run = generate(home, f"{scheme}://relay.example/v1", *ONCE, env={"all_proxy": proxy})
    code, message, hint = error_of(run)
    assert (run.code, code, run.json["billed"]) == (7, "proxy", "no")
    assert "all_proxy" in message and "wants a name and a password" in message
    assert "NAME:PASSWORD" in hint and "pass-word" not in run.stdout


BLOCKED_PAGE = b"<html><head><title>Access Denied</title></head><body>Category: AI</body></html>"
HTML = (("Content-Type", "text/html"), ("Via", "1.1 proxy.corp"))


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 451, 503])
def test_a_page_of_the_proxy_is_not_taken_for_the_apis_answer(
    home: Home, recorder: Recorder, status: int
) -> None:
    recorder.answer = lambda request: Answer(status, BLOCKED_PAGE, HTML)
    run = generate(home, "http://relay.example/v1", *ONCE, env={"http_proxy": recorder.root})
    code, message, hint = error_of(run)
    assert (run.code, code) == (7, "proxy")
    assert "http_proxy" in message and f"HTTP {status}: Access Denied" in message
    assert "http_proxy" in hint and "permissions" not in hint and "the key" not in hint


def test_what_the_api_says_through_a_proxy_is_the_apis(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: envelope(401, "Incorrect API key provided")
    run = generate(home, "http://relay.example/v1", *ONCE, env={"http_proxy": recorder.root})
    assert (run.code, error_of(run)[0]) == (3, "invalid_api_key")


@pytest.mark.parametrize("status", [401, 403, 451])
@pytest.mark.parametrize("title", [b"Access Denied", b"Verify you are human", b"Your country is blocked"])
def test_a_web_page_that_keeps_people_out_is_not_the_apis(
    home: Home, recorder: Recorder, status: int, title: bytes
) -> None:
    page = b"<!DOCTYPE html><html><head><title>" + title + b"</title></head></html>"
    recorder.answer = lambda request: Answer(status, page, HTML)
    run = generate(home, recorder.base_url)
    code, message, hint = error_of(run)
    assert (run.code, code, run.json["billed"]) == (6, "html_page", "no")
    assert message == f"HTTP {status}: {title.decode()}"
    assert "web page" in hint and "check base_url" in hint
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
        b"Client sent an HTTP request to an HTTPS server.\n",
        b"<!DOCTYPE HTML PUBLIC '-//IETF//DTD HTML 2.0//EN'>\n<html><head>\n<title>400 Bad Request</title>\n"
        b"</head><body>\n<h1>Bad Request</h1>\n<p>Your browser sent a request that this server could not "
        b"understand.<br />\nReason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ],
    ids=["nginx", "Go", "Apache"],
)
def test_http_to_a_port_that_wants_https_is_told(home: Home, recorder: Recorder, body: bytes) -> None:
    recorder.answer = lambda request: Answer(400, body, HTML)
    run = generate(home, recorder.base_url)
    code, _, hint = error_of(run)
    assert (run.code, code, run.json["billed"]) == (7, "tls", "no")
    assert "https:// in base_url" in hint and len(recorder.requests) == 1


def test_a_port_that_does_not_speak_http_is_told(home: Home) -> None:
    with serving(lambda exchange: exchange.send(b"\x15\x03\x03\x00\x02\x02\x46")) as server:
        run = generate(home, server.base_url, *ONCE)
    code, _, hint = error_of(run)
    assert (run.code, code) == (7, "not_http")
    assert "https://" in hint


@pytest.mark.parametrize("body", [b"", b"<html><title>413 Request Entity Too Large</title></html>", b"{}"])
def test_a_request_that_is_too_large_is_told_with_its_size_and_what_makes_it_smaller(
    home: Home, recorder: Recorder, body: bytes
) -> None:
    recorder.answer = lambda request: Answer(413, body)
    (home.cwd / "in.png").write_bytes(png(256, 256) + bytes(3_000_000))
    run = home.run("edit", "in.png", "a hat", "--json", base_url=recorder.base_url)
    code, message, hint = error_of(run)
    assert (run.code, code, run.json["billed"]) == (6, "too_large", "no")
    assert "HTTP 413" in message and "3.0 MB" in hint and "fewer, or smaller" in hint
    assert "prompt has 5 characters" in error_of(generate(home, recorder.base_url))[2]


def test_an_answer_that_cannot_be_decompressed_is_not_told_as_cut(home: Home, recorder: Recorder) -> None:
    headers = (("Content-Type", "application/json"), ("Content-Encoding", "br"))
    recorder.answer = lambda request: Answer(200, b"\x0b\x05\x80{\x83\x03" * 9, headers)
    run = generate(home, recorder.base_url, *ONCE)
    code, message, _ = error_of(run)
    assert (run.code, code, run.json["billed"]) == (7, "bad_encoding", "maybe")
    assert "cannot be decompressed" in message and "cut" not in message


@pytest.mark.parametrize("base_url, sent", [("http://127.0.0.1:1/v1", 0), (None, 3)])
def test_requests_sent_counts_what_was_sent(
    home: Home, recorder: Recorder, base_url: Optional[str], sent: int
) -> None:
    recorder.answer = lambda request: Answer(429, b"{}", (("Retry-After", "0"),))
    run = home.run("generate", "a cat", base_url=base_url or recorder.base_url)
    assert f"billed: no (requests sent: {sent})" in run.stderr
    assert len(recorder.requests) == sent


def test_an_unknown_field_of_the_server_is_told_as_a_field_and_not_as_a_flag_that_is_none(
    home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: envelope(400, "no", "invalid_value", param="billing_group")
    _, _, hint = error_of(generate(home, recorder.base_url, *ONCE))
    assert "billing_group" in hint and "--" not in hint


def test_a_proxy_that_refuses_is_asked_once(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(407)
    args = ["generate", "a cat", "-o", "cat.png", "--json"]
    for base_url in ("https://relay.example/v1", "http://relay.example/v1"):
        env: Dict[str, Optional[str]] = {"HTTPS_PROXY": recorder.root, "http_proxy": recorder.root}
        recorder.requests.clear()
        run = home.run(*args, base_url=base_url, env=env)
        assert (run.code, error_of(run)[0], run.json["billed"]) == (7, "proxy", "no")
        assert run.json["attempts"] == 1
        assert "wants a name and a password" in run.json["error"]["message"]


def test_https_to_a_server_without_tls_is_told(home: Home) -> None:
    def answer_in_plain_words(connection: socket.socket) -> socket.socket:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return connection

    with serving(lambda exchange: None, answer_in_plain_words) as server:
        run = generate(home, f"https://127.0.0.1:{server.port}/v1", *ONCE)
    assert (run.code, error_of(run)[0], run.json["billed"]) == (7, "tls", "no")


@contextmanager
def tls_server(folder: Path, certificate: str) -> Iterator[str]:
    """A server with this certificate, which answers every request with an image; its base URL."""
    (folder / "server.pem").write_text(TLS_KEY + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(folder / "server.pem"))

    def before(connection: socket.socket) -> socket.socket:
        return context.wrap_socket(connection, server_side=True)

    with serving(lambda exchange: exchange.answer(images(png()).body), before) as server:
        yield f"https://127.0.0.1:{server.port}/v1"


def test_a_certificate_of_an_unknown_authority_is_told_and_curl_ca_bundle_is_the_cure(
    home: Home, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(FOR_LOOPBACK)
    with tls_server(tmp_path, FOR_LOOPBACK) as base_url:
        run = generate(home, base_url, *ONCE)
        code, message, hint = error_of(run)
        assert (run.code, code, run.json["billed"]) == (7, "tls_certificate", "no")
        assert "CURL_CA_BUNDLE" in hint and len(message) < 200 and "curl.se" not in message
        assert generate(home, base_url, *ONCE, env={"CURL_CA_BUNDLE": str(bundle)}).code == 0


def test_a_certificate_for_another_host_is_told(home: Home, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(FOR_ANOTHER_HOST)
    with tls_server(tmp_path, FOR_ANOTHER_HOST) as base_url:
        run = generate(home, base_url, *ONCE, env={"CURL_CA_BUNDLE": str(bundle)})
    assert (run.code, error_of(run)[0], run.json["billed"]) == (7, "tls_certificate", "no")
    assert "another host name" in error_of(run)[2]


def test_a_ca_file_that_is_not_there_is_told(home: Home, tmp_path: Path) -> None:
    with tls_server(tmp_path, FOR_LOOPBACK) as base_url:
        run = generate(home, base_url, *ONCE, env={"CURL_CA_BUNDLE": str(tmp_path / "nowhere.pem")})
    assert (run.code, error_of(run)[0], run.json["billed"]) == (7, "tls_ca", "no")
