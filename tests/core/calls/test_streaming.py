"""`--stream`: previews are kept only when asked for, a final image decides, and n images are n requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import pytest
from faulty import Exchange, completed, partial, serving
from harness import Home, Run, Sandbox
from pictures import png
from servers import Answer, Recorder, images, refusal

ONE, TWO, THREE = (png(noise=bytes([number])) for number in (1, 2, 3))


def stream(home: Home, base_url: str, *more: str) -> Run:
    return home.run("generate", "a cat", "-o", "cat.png", "--json", "--stream", *more, base_url=base_url)


def names(home: Home) -> List[str]:
    return sorted(path.name for path in home.cwd.iterdir())


@pytest.mark.parametrize("command", ["generate", "edit"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_save_partials_keeps_every_preview_beside_the_image(
    count: int, command: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    args = ["generate", prompt]
    if command == "edit":
        (home.root / "in.png").write_bytes(png())
        args = ["edit", str(home.root / "in.png"), prompt]
    options = [
        "-o",
        "cat.png",
        "--stream",
        "--partial-images",
        str(count),
        "--save-partials",
        "--size",
        "1024x640",
    ]
    run = home.run(*args, *options, base_url=sandbox.base_url)
    assert run.code == 0, run.stderr
    assert names(home) == sorted(["cat.png", *(f"cat.partial-{number}.png" for number in range(count))])
    assert all((home.cwd / name).read_bytes().startswith(b"\x89PNG") for name in names(home))
    assert run.stdout.count("Saved: ") == 1
    (request,) = sandbox.log(prompt)["requests"]
    assert request["stream"] is True and int(request["fields"]["partial_images"]) == count
    assert home.leftovers() == []


def test_without_save_partials_previews_leave_nothing_behind(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    options = ["-o", "cat.png", "--stream", "--partial-images", "3", "--size", "1024x640"]
    run = home.run("generate", prompt, *options, base_url=sandbox.base_url)
    assert run.code == 0, run.stderr
    assert names(home) == ["cat.png"]
    assert home.leftovers() == []
    assert list(home.rescued.glob("*")) == []


def test_a_stream_asks_for_one_preview_unless_told_otherwise(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=completed(ONE))
    assert stream(home, recorder.base_url).code == 0
    assert (recorder.only.json["stream"], recorder.only.json["partial_images"]) == (True, 1)


def test_a_saved_preview_is_told_with_its_place(home: Home) -> None:
    with serving(lambda exchange: exchange.answer(partial(ONE, 0) + completed(TWO))) as server:
        args = ("generate", "a cat", "-o", "cat.png", "--stream", "--save-partials")
        run = home.run(*args, base_url=server.base_url)
    assert f"preview 0: {home.cwd / 'cat.partial-0.png'}" in run.stderr


def test_previews_and_the_image_are_on_disk_before_the_stream_ends(home: Home) -> None:
    seen: List[List[str]] = []

    def wait_for(name: str) -> None:
        while not (home.cwd / name).exists():
            assert process.poll() is None, "it ended before the file was there"
        seen.append(names(home))

    def talk(exchange: Exchange) -> None:
        exchange.start(10_000_000, content_type="text/event-stream")
        exchange.send(partial(ONE, 0))
        wait_for("cat.partial-0.png")
        exchange.send(completed(TWO).rstrip(b"\n"))
        wait_for("cat.png")

    with serving(talk) as server:
        args = ("generate", "a cat", "-o", "cat.png", "--stream", "--save-partials", "--json")
        with home.start(*args, base_url=server.base_url) as process:
            stdout, _ = process.communicate(timeout=30)
    assert seen[0][-1] == "cat.partial-0.png" and "cat.png" in seen[1]
    assert json.loads(stdout)["billed"] == "yes"
    assert process.returncode == 0


@pytest.mark.parametrize("saving", [True, False])
def test_when_the_final_image_never_comes_the_last_preview_is_kept(saving: bool, home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        exchange.start(10_000_000, content_type="text/event-stream")
        exchange.send(partial(ONE, 0) + partial(TWO, 1) + partial(THREE, 2)[:-30])

    with serving(talk) as server:
        run = stream(home, server.base_url, *(["--save-partials"] if saving else []))
    assert (run.code, run.json["billed"], run.json["images"]) == (7, "maybe", [])
    if saving:
        assert names(home) == ["cat.partial-0.png", "cat.partial-1.png"]
        assert (home.cwd / "cat.partial-1.png").read_bytes() == TWO
    else:
        (kept,) = home.rescued.glob("*")
        assert kept.read_bytes() == TWO
        assert any(str(kept) in warning for warning in run.json["warnings"])
        assert names(home) == []
    assert home.leftovers() == []


def test_n_images_are_n_streams_of_one_side_by_side(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    recorder.answer = lambda request: Answer(body=completed(png(noise=request.body + bytes([len(served)]))))
    served: List[int] = [1]
    args = ("generate", "a cat", "--n", "3", "-o", "cat.png", "--stream", "--json")
    with home.start(*args, base_url=recorder.base_url) as process:
        for _ in range(3):  # all three are under way before one is answered
            recorder.wait_for_request()
        recorder.release()
        stdout, stderr = process.communicate(timeout=30)
    answer = json.loads(stdout)
    assert process.returncode == 0, stderr
    assert [Path(image["path"]).name for image in answer["images"]] == ["cat-1.png", "cat-2.png", "cat-3.png"]
    assert answer["attempts"] == 3
    assert any("3 requests" in warning for warning in answer["warnings"])
    assert ["n" in request.json for request in recorder.requests] == [False] * 3
    assert home.leftovers() == []


def test_of_n_streams_one_may_fail_and_the_others_are_saved(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if len(server.exchanges) == 2:
            exchange.reset()
        else:
            exchange.answer(completed(ONE))

    with serving(talk) as server:
        run = stream(home, server.base_url, "--n", "3")
    assert (run.code, run.json["billed"], len(run.json["images"]), server.hits) == (9, "yes", 2, 3)
    assert run.json["usage"] is None and run.json["cost_usd"] is None


def test_saved_previews_of_n_streams_carry_the_number_of_their_image(home: Home) -> None:
    with serving(lambda exchange: exchange.answer(partial(ONE, 0) + completed(TWO))) as server:
        run = stream(home, server.base_url, "--n", "2", "--save-partials")
    assert run.code == 0
    assert names(home) == ["cat-1.partial-0.png", "cat-1.png", "cat-2.partial-0.png", "cat-2.png"]


@pytest.mark.parametrize("n", ["1", "3"])
def test_a_server_that_refuses_to_stream_is_asked_again_without(
    n: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    args = ["generate", prompt, "--n", n, "-o", "cat.png", "--stream", "--json", "--size", "1024x640"]
    run = home.run(*args, base_url=sandbox.fault("refuse-stream"))
    log = sandbox.log(prompt)
    assert (run.code, len(run.json["images"])) == (0, int(n))
    assert log["hits"] == 2 * int(n) == run.json["attempts"]
    assert any("refuses streaming" in warning for warning in run.json["warnings"])
    refused, served = ([row for row in log["requests"] if row["status"] == status] for status in (400, 200))
    assert all("stream" in row["fields"] for row in refused)
    assert not any("stream" in row["fields"] or "partial_images" in row["fields"] for row in served)


def test_the_fall_back_needs_no_retry_and_happens_once(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: refusal(400, "Unknown parameter: 'stream'.", "unknown_parameter")
    run = stream(home, recorder.base_url, "--retries", "0")
    assert (run.code, len(recorder.requests), run.json["billed"]) == (6, 2, "no")


@pytest.mark.parametrize(
    "answer",
    [
        refusal(500, "stream failed", "server_error"),
        refusal(400, "Invalid size for a downstream model", "invalid_value"),
        Answer(body=b'{"error": {"message": "stream is not supported", "param": "stream"}}'),
    ],
)
def test_a_failure_that_is_no_refusal_of_streaming_is_not_sent_again(
    answer: Answer, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: answer
    assert stream(home, recorder.base_url).code == 6
    assert len(recorder.requests) == 1


def test_a_server_that_ignores_the_wish_to_stream_is_understood(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(ONE)
    run = stream(home, recorder.base_url)
    assert (run.code, len(recorder.requests)) == (0, 1)
    assert (home.cwd / "cat.png").read_bytes() == ONE
