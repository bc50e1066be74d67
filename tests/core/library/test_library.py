"""The same calls from Python: frozen results, documented exceptions, events."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any, List

import pytest
from harness import KEY, Home
from pictures import png
from servers import Answer, Recorder, images, refusal

import gpt_image2
from gpt_image2 import (
    ApiError,
    AuthenticationError,
    Billed,
    Client,
    ConfigError,
    Event,
    ExitCode,
    Finished,
    GptImage2Error,
    HeadersReceived,
    ImageSaved,
    ModerationError,
    OutputError,
    PartialError,
    QuotaError,
    RateLimitError,
    RequestStarted,
    Result,
    RetryWaiting,
    SavedImage,
    Usage,
    UsageError,
    Warned,
)

PICTURE = png(1024, 1024)


def client(home: Home, recorder: Recorder, **options: Any) -> Client:
    return Client(env=home.environment(recorder.base_url), **options)


def test_generate_returns_the_image_and_what_it_cost(home: Home, recorder: Recorder) -> None:
    answer = images(PICTURE)
    recorder.answer = lambda request: answer._replace(headers=(("x-request-id", "req_7"),))
    target = home.cwd / "cat.png"
    result = client(home, recorder).generate("a cat", output=target, quality="low")
    assert result.images == (
        SavedImage(
            path=target,
            size_bytes=len(PICTURE),
            format="png",
            width=1024,
            height=1024,
            sha256=hashlib.sha256(PICTURE).hexdigest(),
        ),
    )
    assert target.read_bytes() == PICTURE
    assert result.usage == Usage(13, 196, 209, text_tokens=13, image_tokens=0)
    assert result.cost_usd == pytest.approx(13 * 5e-6 + 196 * 30e-6)
    assert (result.command, result.model) == ("generate", "gpt-image-2")
    assert (result.billed, result.http_status, result.request_id) == (Billed.YES, 200, "req_7")
    assert (result.attempts, result.warnings) == (1, ())
    assert result.elapsed_s > 0
    assert recorder.only.json == {"model": "gpt-image-2", "prompt": "a cat", "quality": "low"}


def test_edit_takes_one_image_or_several_and_a_mask(home: Home, recorder: Recorder) -> None:
    for name, data in (("a.png", png(noise=b"a")), ("b.png", png(noise=b"b")), ("m.png", png(alpha=True))):
        (home.cwd / name).write_bytes(data)
    maker = client(home, recorder)
    one = maker.edit(home.cwd / "a.png", "a hat", output=home.cwd / "1.png", mask=home.cwd / "m.png")
    maker.edit([str(home.cwd / "a.png"), home.cwd / "b.png"], "a hat", output=home.cwd / "2.png")
    first, second = recorder.requests
    assert one.command == "edit"
    assert [part.name for part in first.files()] == ["image", "mask"]
    assert [part.filename for part in second.files()] == ["a.png", "b.png"]


def test_every_argument_becomes_the_field_of_its_name(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(PICTURE, PICTURE)
    result = client(home, recorder).generate(
        "a cat",
        output=home.cwd / "cat.webp",
        model="gpt-image-2-2026-04-21",
        n=2,
        size="16:9@2k",
        quality="high",
        output_format="webp",
        output_compression=70,
        background="opaque",
        moderation="low",
        user="me",
        extra={"safety_identifier": "x", "nested": {"a": [1, None]}},
    )
    assert recorder.only.json == {
        "model": "gpt-image-2-2026-04-21",
        "prompt": "a cat",
        "n": 2,
        "size": "2048x1152",
        "quality": "high",
        "output_format": "webp",
        "output_compression": 70,
        "background": "opaque",
        "moderation": "low",
        "user": "me",
        "safety_identifier": "x",
        "nested": {"a": [1, None]},
    }
    assert [Path(image.path).name for image in result.images] == ["cat-1.webp", "cat-2.webp"]


@pytest.mark.parametrize(
    "value", [Result("generate", "m"), SavedImage(Path("p"), 1, "png", 1, 1, "x"), Usage(1, 1, 2)]
)
def test_results_are_frozen(value: Any) -> None:
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, "other")


def test_the_functions_of_the_package_use_what_is_configured(
    home: Home, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("GPT_IMAGE2_", "OPENAI_", "XDG_")):
            monkeypatch.delenv(name)
    for name, value in home.environment(recorder.base_url).items():
        monkeypatch.setenv(name, value)
    (home.cwd / "in.png").write_bytes(png())
    made = gpt_image2.generate("a cat", output=home.cwd / "made.png")
    edited = gpt_image2.edit(home.cwd / "in.png", "a hat", output=home.cwd / "out.png", n=1)
    assert (made.image.path, edited.image.path) == (home.cwd / "made.png", home.cwd / "out.png")
    assert [request.header("authorization") for request in recorder.requests] == [f"Bearer {KEY}"] * 2


@pytest.mark.parametrize(
    ("answer", "kind", "code", "exit_code", "billed"),
    [
        (refusal(401, "Bad key.", "invalid_api_key"), AuthenticationError, "invalid_api_key", 3, "no"),
        (refusal(403, "No.", None), AuthenticationError, None, 3, "no"),
        (refusal(429, "Slow down.", "rate_limit_exceeded"), RateLimitError, "rate_limit_exceeded", 4, "no"),
        (refusal(429, "No money.", "insufficient_quota"), QuotaError, "insufficient_quota", 4, "no"),
        (refusal(400, "Blocked.", "moderation_blocked"), ModerationError, "moderation_blocked", 5, "maybe"),
        (
            refusal(400, "Unknown parameter: 'x'.", "unknown_parameter"),
            ApiError,
            "unknown_parameter",
            6,
            "no",
        ),
        (refusal(500, "Oh.", "server_error"), ApiError, "server_error", 6, "maybe"),
        (Answer(200, b"{}"), ApiError, "no_image", 6, "maybe"),
    ],
)
def test_each_refusal_raises_its_exception(
    home: Home,
    recorder: Recorder,
    answer: Answer,
    kind: type[GptImage2Error],
    code: str | None,
    exit_code: int,
    billed: str,
) -> None:
    recorder.answer = lambda request: answer
    with pytest.raises(kind) as caught:
        client(home, recorder, retries=0).generate("a cat", output=home.cwd / "cat.png")
    error = caught.value
    assert type(error) is kind
    assert code is None or error.code == code
    assert (error.exit_code, error.billed.value, error.http_status) == (exit_code, billed, answer.status)
    assert error.message == str(error)
    assert error.result is not None
    assert (error.result.images, error.result.attempts) == ((), 1)
    assert list(home.cwd.iterdir()) == []


def test_fewer_images_than_asked_raise_with_those_that_came(home: Home, recorder: Recorder) -> None:
    with pytest.raises(PartialError) as caught:
        client(home, recorder).generate("a cat", output=home.cwd / "cat.png", n=3)
    error = caught.value
    assert error.billed is Billed.YES and error.exit_code == ExitCode.PARTIAL
    assert error.result is not None
    assert [image.path for image in error.result.images] == [home.cwd / "cat-1.png"]


def test_an_image_that_finds_a_folder_in_its_place_is_rescued(home: Home, recorder: Recorder) -> None:
    def answer(request: object) -> Answer:
        (home.cwd / "cat.png").mkdir()  # somebody was faster
        return images(PICTURE)

    recorder.answer = answer
    with pytest.raises(OutputError) as caught:
        client(home, recorder).generate("a cat", output=home.cwd / "cat.png")
    result = caught.value.result
    assert result is not None and result.images[0].rescued
    assert Path(result.images[0].path).parent == home.rescued
    assert Path(result.images[0].path).read_bytes() == PICTURE


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 11},
        {"size": "5x5"},
        {"output_format": "gif"},
        {"output": ""},
        {"output": "a\0b"},
        {"max_cost_usd": float("nan")},
    ],
)
def test_bad_arguments_raise_before_anything_is_sent(home: Home, recorder: Recorder, arguments: Any) -> None:
    with pytest.raises(UsageError) as caught:
        client(home, recorder).generate("a cat", **{"output": str(home.cwd / "cat.png"), **arguments})
    assert caught.value.billed is Billed.NO and caught.value.result is None
    assert caught.value.hint
    assert recorder.requests == []


@pytest.mark.parametrize(
    ("arguments", "flags", "field", "flag"),
    [
        ({"n": 11}, ["--n", "11"], "`n` is 11", "--n is 11"),
        (
            {"output_format": "webp", "output_compression": 101},
            ["--format", "webp", "--compression", "101"],
            "`output_compression` is 101",
            "--output-compression is 101",
        ),
        ({"max_cost_usd": 0}, ["--max-cost", "0"], "more than `max_cost_usd` $0", "more than --max-cost $0"),
        ({"extra": {"n": 2}}, ["--param", "n=2"], "`extra` holds n", "--param holds n"),
    ],
)
def test_a_refusal_names_the_field_to_a_program_and_its_flag_to_a_command_line(
    home: Home, recorder: Recorder, arguments: Any, flags: List[str], field: str, flag: str
) -> None:
    with pytest.raises(UsageError) as caught:
        client(home, recorder).generate("a cat", **arguments)
    assert field in caught.value.message
    run = home.run("generate", "a cat", *flags, "--json", base_url=recorder.base_url)
    assert flag in run.json["error"]["message"] and "`" not in run.json["error"]["hint"]
    assert recorder.requests == []


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_none_is_refused(home: Home, recorder: Recorder, timeout_s: float) -> None:
    with pytest.raises(UsageError):
        client(home, recorder, timeout_s=timeout_s)


@pytest.mark.parametrize("image", [[], "missing.png", "nul\0.png"])
def test_bad_inputs_of_an_edit_raise_before_anything_is_sent(
    home: Home, recorder: Recorder, image: Any
) -> None:
    with pytest.raises(UsageError):
        client(home, recorder).edit(image, "a cat", output=home.cwd / "cat.png")
    assert recorder.requests == []


def test_a_missing_key_raises_only_when_something_is_sent(home: Home, recorder: Recorder) -> None:
    env = home.environment(recorder.base_url, {"GPT_IMAGE2_API_KEY": None})
    maker = Client(env=env)
    with pytest.raises(ConfigError) as caught:
        maker.generate("a cat", output=home.cwd / "cat.png")
    assert caught.value.code == "no_api_key"
    assert recorder.requests == []


def test_an_observer_hears_what_happens_in_its_order(home: Home, recorder: Recorder) -> None:
    events: List[Event] = []
    result = client(home, recorder, observer=events.append).generate("a cat", output=home.cwd / "cat")
    assert [type(event) for event in events] == [
        RequestStarted,
        HeadersReceived,
        ImageSaved,
        Warned,
        Finished,
    ]
    started, headers, saved, warned, finished = events
    assert isinstance(started, RequestStarted) and started.attempt == 1
    assert isinstance(headers, HeadersReceived) and headers.http_status == 200
    assert isinstance(saved, ImageSaved) and saved.image == result.images[0]
    assert isinstance(warned, Warned) and result.warnings == (warned.message,)
    assert isinstance(finished, Finished) and finished.result == result


def test_an_observer_hears_of_a_retry(home: Home, recorder: Recorder) -> None:
    def answer(request: object) -> Answer:
        if len(recorder.requests) > 1:
            return images(PICTURE)
        return refusal(429, "Slow down.", "rate_limit_exceeded")._replace(headers=(("retry-after-ms", "1"),))

    recorder.answer = answer
    events: List[Event] = []
    result = client(home, recorder, observer=events.append).generate("a cat", output=home.cwd / "cat.png")
    assert result.attempts == 2
    (waiting,) = [event for event in events if isinstance(event, RetryWaiting)]
    assert waiting.wait_s == pytest.approx(0.001)


def test_nothing_is_printed(home: Home, recorder: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    client(home, recorder).generate("a cat", output=home.cwd / "cat.png")
    assert capfd.readouterr() == ("", "")


def test_the_settings_do_not_show_the_key(home: Home, recorder: Recorder) -> None:
    assert KEY not in repr(client(home, recorder).settings)


def test_the_public_names_are_those_that_are_promised() -> None:
    assert {"Client", "generate", "edit", "Result", "SavedImage", "Usage", "GptImage2Error"} <= set(
        gpt_image2.__all__
    )
    assert all(hasattr(gpt_image2, name) for name in gpt_image2.__all__)
    assert gpt_image2.__version__ == gpt_image2.VERSION


def test_every_error_is_of_one_tree_and_every_public_name_is_documented() -> None:
    for name in gpt_image2.__all__:
        value = getattr(gpt_image2, name)
        is_ours = inspect.isclass(value) or inspect.isfunction(value)
        assert not is_ours or inspect.getdoc(value), name
        if inspect.isclass(value) and issubclass(value, Exception):
            assert issubclass(value, GptImage2Error)


def test_the_package_is_typed() -> None:
    assert (Path(gpt_image2.__file__).parent / "py.typed").is_file()


def test_two_calls_of_one_client_are_two_calls(home: Home, recorder: Recorder) -> None:
    maker = client(home, recorder)
    first = maker.generate("a cat", output=home.cwd / "1.png")
    second = maker.generate("a dog", output=home.cwd / "2.png")
    assert [json.loads(r.body.decode())["prompt"] for r in recorder.requests] == ["a cat", "a dog"]
    assert first.attempts == second.attempts == 1


def test_importing_the_package_is_quick_to_touch_nothing(home: Home) -> None:
    code = "import gpt_image2, sys; print([m for m in sys.modules if m.startswith('gpt_image2.sandbox')])"
    run = home.run_program(sys.executable, "-W", "error", "-c", code, env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert run == (0, "[]\n", "")
