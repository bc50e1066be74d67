"""`doctor --probe` pays once to learn what a base URL does; what it learnt is used, and can be forgotten."""

from __future__ import annotations

import json
from typing import Any, Dict

import pytest
from harness import Home, Run, Sandbox
from ledgers import rows_of
from pictures import png
from servers import Answer, Recorder, Request, images, refusal
from tasks import TaskHost


def probe_check(run: Run) -> Dict[str, Any]:
    (check,) = [check for check in run.json["checks"] if check["name"] == "probe"]
    return check


def test_without_yes_it_says_the_price_and_sends_nothing(home: Home, recorder: Recorder) -> None:
    run = home.run("doctor", "--probe", base_url=recorder.base_url)
    assert run.code == 2
    assert "$0.009" in run.stderr
    assert recorder.requests == []


def test_it_learns_from_one_paid_image_and_keeps_that_image(home: Home, sandbox: Sandbox) -> None:
    run = home.run("doctor", "--probe", "--yes", "--json", base_url=sandbox.base_url)
    assert run.code == 0, run.stdout
    assert run.json["billed"] == "yes"
    detail = probe_check(run)["detail"]
    for fact in ("answers: b64_json", "streams: yes", "edits: yes", "honours_size: yes", "refusal: openai"):
        assert fact in detail
    assert "tasks: no" in detail
    (picture,) = home.state.glob("probe-*.jpg")
    assert picture.read_bytes().startswith(b"\xff\xd8\xff")
    shown = home.run("config", "--show", base_url=sandbox.base_url).stdout
    assert "doctor --probe" in shown


def test_it_asks_for_the_model_that_the_settings_name(home: Home, sandbox: Sandbox) -> None:
    env = {"GPT_IMAGE2_MODEL": "gpt-image-2.6-flare"}
    assert home.run("doctor", "--probe", "--yes", base_url=sandbox.base_url, env=env).code == 0
    assert rows_of(home.ledger)[0]["model"] == "gpt-image-2.6-flare"


@pytest.mark.parametrize("fault", ["refuse-stream", "ignore-stream"])
def test_a_base_url_that_does_not_stream_is_not_asked_to_again(
    home: Home, sandbox: Sandbox, prompt: str, fault: str
) -> None:
    base_url = sandbox.fault(fault)
    assert home.run("doctor", "--probe", "--yes", base_url=base_url).code == 0
    run = home.run("generate", prompt, "--stream", "-o", "a.png", base_url=base_url)
    assert run.code == 0, run.stderr
    assert "without --stream" in run.stderr
    (row,) = sandbox.log(prompt)["requests"]
    assert row["stream"] is False


def test_a_relay_that_wants_other_field_names_gets_them(home: Home, recorder: Recorder) -> None:
    def picky(request: Request) -> Any:
        if request.method == "GET" or b"no-such-model" in request.body:
            return refusal(404, "no such model", "model_not_found")
        if b'name="output_format"' in request.body:
            return refusal(400, "Unknown parameter: 'output_format'.", "unknown_parameter")
        if b'name="image[]"' in request.body:
            return refusal(400, "Unknown parameter: 'image[]'.", "unknown_parameter")
        return images(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9")

    recorder.answer = picky
    run = home.run("doctor", "--probe", "--yes", "--json", base_url=recorder.base_url)
    assert run.code == 0, run.stdout
    assert "format_field: format" in probe_check(run)["detail"]
    (home.cwd / "a.png").write_bytes(png(16, 16))
    recorder.requests.clear()
    edited = home.run(
        "edit",
        "a.png",
        "x",
        "--image",
        "a.png",
        "--format",
        "jpeg",
        "-o",
        "b.jpg",
        base_url=recorder.base_url,
    )
    assert edited.code == 0, edited.stderr
    assert [part.name for part in recorder.only.files()] == ["image", "image"]
    assert recorder.only.texts()["format"] == "jpeg"


def test_what_was_learnt_can_be_forgotten(home: Home, sandbox: Sandbox) -> None:
    home.run("doctor", "--probe", "--yes", base_url=sandbox.base_url)
    assert "forgot" in home.run("doctor", "--forget", base_url=sandbox.base_url).stdout
    assert "not probed" in home.run("config", "--show", base_url=sandbox.base_url).stdout
    assert home.run("doctor", "--forget", "--json", base_url=sandbox.base_url).json["ok"] is True


def test_a_refused_probe_teaches_nothing_and_says_why(home: Home, sandbox: Sandbox) -> None:
    run = home.run("doctor", "--probe", "--yes", "--json", base_url=sandbox.fault("moderation"))
    assert run.code == 5
    assert run.json["billed"] == "no"
    assert probe_check(run)["status"] == "fail"
    assert not (home.state / "hosts.json").exists()


def test_a_relay_that_paints_even_what_is_refused_has_its_picture_saved_counted_and_told(
    home: Home, recorder: Recorder
) -> None:
    def painting(request: Request) -> Any:
        if request.method == "GET":
            return refusal(404, "not here")
        return images(png(noise=str(len(recorder.requests)).encode()))

    recorder.answer = painting
    run = home.run("doctor", "--probe", "--yes", "--json", base_url=recorder.base_url)
    assert run.code == 0, run.stdout
    assert "paints what the API refuses" in run.stderr
    assert "$0.00" in run.stderr
    pictures = sorted(home.state.glob("probe-*"))
    assert len(pictures) == 2
    assert all(str(picture) in probe_check(run)["detail"] for picture in pictures)
    (row,) = rows_of(home.ledger)
    assert (row["billed"], row["status"]) == ("yes", "saved")
    assert len(rows_of(home.ledger, "images")) == 2


def test_a_picture_that_comes_by_its_address_is_fetched(home: Home, recorder: Recorder) -> None:
    picture = png(1024, 1024)

    def answer(request: Request) -> Any:
        if request.path == "/a.png":
            return Answer(body=picture)
        if b"no-such-model" in request.body:
            return refusal(400, "no such model", "model_not_found")
        return Answer(body=json.dumps({"data": [{"url": f"{recorder.root}/a.png"}]}).encode())

    recorder.answer = answer
    run = home.run("doctor", "--probe", "--yes", "--json", base_url=recorder.base_url)
    assert "answers: url" in probe_check(run)["detail"]
    (path,) = home.state.glob("probe-*")
    assert path.read_bytes() == picture


def test_a_host_that_answers_with_tasks_is_known_by_that(home: Home, recorder: Recorder) -> None:
    host = TaskHost(recorder)
    told = recorder.answer
    recorder.answer = lambda request: (
        refusal(400, "Unknown model.", "model_not_found")
        if b"no-such-model" in request.body
        else told(request)
    )
    run = home.run("doctor", "--probe", "--yes", "--json", base_url=host.base_url)
    assert run.code == 0, run.stdout
    assert "tasks: yes" in probe_check(run)["detail"]
    (row,) = rows_of(home.ledger)
    assert (row["status"], row["task_id"], row["billed"]) == ("saved", "task_1", "yes")


def test_a_task_that_is_made_even_of_a_bad_request_is_followed_and_its_image_kept(
    home: Home, recorder: Recorder
) -> None:
    host = TaskHost(recorder)
    run = home.run("doctor", "--probe", "--yes", "--json", base_url=host.base_url)
    assert run.code == 0, run.stdout
    assert len(host.prompts) == 2 and set(host.polls) == {"task_1", "task_2"}
    assert "paints what the API refuses" in run.stderr
    assert len(list(home.state.glob("probe-*"))) == 2
    assert list((home.state / "inflight").iterdir()) == []


def test_a_task_of_the_probe_that_does_not_end_can_be_resumed(home: Home, recorder: Recorder) -> None:
    host = TaskHost(recorder)
    host.hold_polls()
    with home.start("doctor", "--probe", "--yes", base_url=host.base_url) as process:
        host.wait_for_poll()
        process.kill()
    host.release_polls()
    run = home.run("resume", base_url=host.base_url)
    assert (run.code, len(run.saved), len(host.prompts)) == (0, 1, 1), run.stderr
