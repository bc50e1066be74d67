"""What a killed or unlucky call had received is finished by `resume`, or in passing by the next call."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Callable, Dict, List

import pytest
from faulty import Exchange, quoted, serving
from harness import Home, Run, Sandbox
from ledgers import change, rows_of
from pictures import png
from servers import USAGE, WAIT_S, Answer, Recorder, Request, images

from gpt_image2 import Client, GptImage2Error
from gpt_image2.core.calls import leftovers as leftovers_module
from gpt_image2.core.outputs import adopt as adopt_module
from gpt_image2.core.outputs.adopt import adopt
from gpt_image2.core.outputs.inflight import InFlight
from gpt_image2.core.outputs.naming import OutputPlan
from gpt_image2.core.settings.base_url import OWN_SANDBOXES

ONE, TWO = png(noise=b"\1" * 900), png(noise=b"\2" * 900)


def answer_with_addresses(recorder: Recorder, files: Dict[str, Answer]) -> None:
    urls = [f"{recorder.root}{path}" for path in files]

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            said = {"data": [{"url": url} for url in urls], "usage": USAGE}
            return Answer(body=json.dumps(said).encode())
        return files[request.path]

    recorder.answer = answer


def unfetched(home: Home, recorder: Recorder, files: Dict[str, Answer]) -> Run:
    """A call whose images came as addresses, of which none can be fetched."""
    answer_with_addresses(recorder, {path: Answer(404) for path in files})
    run = home.run("generate", "a cat", "-o", "cat.png", "--n", "2", "--json", base_url=recorder.base_url)
    assert (run.code, run.json["billed"], list(home.cwd.iterdir())) == (7, "yes", [])
    answer_with_addresses(recorder, files)
    recorder.requests.clear()
    return run


def killed(home: Home, talk: Callable[[Exchange], None], is_there: Callable[[], bool]) -> None:
    """Kills a streaming call as soon as so much of it is on disk."""
    with serving(talk) as server:
        args = ["generate", "a cat", "-o", "cat.png", "--stream"]
        with home.start(*args, base_url=server.base_url) as process:
            deadline = time.monotonic() + WAIT_S
            while not is_there():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
            process.kill()


def test_images_that_could_not_be_fetched_are_fetched_without_another_request(
    home: Home, recorder: Recorder
) -> None:
    unfetched(home, recorder, {"/1.png": Answer(body=ONE), "/2.png": Answer(body=TWO)})
    run = home.run("resume", "--json")
    (call,) = run.json["calls"]
    assert (run.code, call["kept"], call["waiting"], "sandbox" in call) == (0, [], [], False)
    assert [Path(image["path"]).name for image in call["images"]] == ["cat-1.png", "cat-2.png"]
    assert [path.read_bytes() for path in sorted(home.cwd.iterdir())] == [ONE, TWO]
    assert {request.method for request in recorder.requests} == {"GET"}
    (row,) = rows_of(home.ledger)
    assert (row["status"], row["billed"], len(rows_of(home.ledger, "images"))) == ("saved", "yes", 2)
    again = home.run("resume")
    assert (again.code, again.stdout, "nothing is left" in again.stderr) == (0, "", True)
    assert list((home.state / "inflight").iterdir()) == []


def test_what_still_cannot_be_fetched_waits_for_another_try(home: Home, recorder: Recorder) -> None:
    unfetched(home, recorder, {"/1.png": Answer(body=ONE), "/2.png": Answer(404)})
    run = home.run("resume", "--json")
    (call,) = run.json["calls"]
    assert (run.code, run.json["error"]["code"]) == (7, "download_failed")
    assert [Path(image["path"]).name for image in call["images"]] == ["cat-1.png"]
    assert len(call["waiting"]) == 1 and "/2.png" in call["waiting"][0] and "404" in call["waiting"][0]
    (row,) = rows_of(home.ledger)
    assert row["cost_usd"] > 0 and row["usage"], "what was known of the cost is not forgotten"
    answer_with_addresses(recorder, {"/1.png": Answer(body=ONE), "/2.png": Answer(body=TWO)})
    run = home.run("resume", call["id"])
    assert (run.code, [path.name for path in run.saved]) == (0, ["cat-2.png"])
    assert [path.read_bytes() for path in sorted(home.cwd.iterdir())] == [ONE, TWO]


@pytest.mark.parametrize("comes", ["as addresses", "in the answer"])
def test_an_input_that_comes_back_beside_the_result_is_no_image_of_a_call_that_is_resumed(
    comes: str, home: Home, recorder: Recorder
) -> None:
    (home.cwd / "in.png").write_bytes(TWO)
    files = {"/1.png": Answer(body=TWO), "/2.png": Answer(body=ONE)}
    answer_with_addresses(recorder, {path: Answer(404) for path in files})
    run = home.run("edit", "in.png", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, run.json["billed"]) == (7, "yes")
    (left,) = (home.state / "inflight").iterdir()
    if comes == "in the answer":  # as it is when a call is killed before it has understood that
        data = [{"b64_json": base64.b64encode(each).decode()} for each in (TWO, ONE)]
        (left / "body").write_text(json.dumps({"data": data}))
        (left / "images.jsonl").unlink()
    answer_with_addresses(recorder, files)
    (call,) = home.run("resume", "--json").json["calls"]
    assert [Path(image["path"]).name for image in call["images"]] == ["cat.png"]
    assert (home.cwd / "cat.png").read_bytes() == ONE
    assert sorted(path.name for path in home.cwd.iterdir()) == ["cat.png", "in.png"]


def test_the_end_of_a_call_whose_process_was_killed_right_after_it_was_recorded_stands(
    home: Home, recorder: Recorder
) -> None:
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    (before,) = rows_of(home.ledger)
    asked = InFlight(home.state, {"id": before["id"], "base_url": recorder.base_url, "numbers": [1]})
    asked.head_came(200, {})
    asked.leave()
    assert home.run("resume").code == 0
    assert rows_of(home.ledger) == [before] and before["status"] == "saved"
    assert list((home.state / "inflight").iterdir()) == []


def test_the_next_call_finishes_in_passing_once(home: Home, recorder: Recorder) -> None:
    unfetched(home, recorder, {"/1.png": Answer(body=ONE), "/2.png": Answer(404)})
    files = recorder.answer
    recorder.answer = lambda request: files(request) if request.method == "GET" else images(TWO)
    warned: List[bool] = []
    for number in range(3):
        run = home.run("generate", "a dog", "-o", f"dog{number}.png", "--json", base_url=recorder.base_url)
        assert run.code == 0
        warned.append("resume" in str(run.json["warnings"]))
    assert warned == [True, False, False]
    assert [request.path for request in recorder.requests if request.method == "GET"] == ["/1.png", "/2.png"]
    assert (home.cwd / "cat-1.png").read_bytes() == ONE


def test_a_whole_image_whose_process_was_killed_gets_its_name(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        exchange.start(10_000_000, content_type="text/event-stream")
        exchange.send(b"data: " + quoted(ONE))  # whether it is the final one would come behind it
        exchange.wait_until_gone()

    killed(home, talk, lambda: any(path.stat().st_size == len(ONE) for path in home.cwd.glob(".*.part")))
    run = home.run("resume", "--json")
    (call,) = run.json["calls"]
    assert [Path(image["path"]).name for image in call["images"]] == ["cat.png"]
    assert (run.code, [path.read_bytes() for path in home.cwd.iterdir()]) == (0, [ONE])


def test_an_image_that_is_still_in_the_answer_is_saved(home: Home) -> None:
    """As a defect leaves it: from there on the answer was only written down."""

    def talk(exchange: Exchange) -> None:
        exchange.start(10_000, content_type="application/json")
        exchange.send(b'{"data": [')
        exchange.wait_until_gone()

    killed(home, talk, lambda: any(path.stat().st_size for path in home.state.rglob("*body*")))
    (body,) = home.state.rglob("*body*")
    body.write_bytes(b'{"data": [' + quoted(ONE) + b"}]}")
    run = home.run("resume", "--json")
    (call,) = run.json["calls"]
    assert [Path(image["path"]).name for image in call["images"]] == ["cat.png"]
    assert (run.code, call["kept"], (home.cwd / "cat.png").read_bytes()) == (0, [], ONE)
    assert rows_of(home.ledger)[0]["billed"] == "yes"


def test_an_answer_without_an_image_is_kept(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        exchange.start(10_000, content_type="application/json")
        exchange.send(b'{"data": [{"b64_json": "')
        exchange.wait_until_gone()

    killed(home, talk, lambda: any(path.stat().st_size for path in home.state.rglob("*body*")))
    run = home.run("resume", "--json")
    ((kept,),) = [call["kept"] for call in run.json["calls"]]
    assert run.code == 0 and b'{"data"' in Path(kept).read_bytes()


@pytest.mark.parametrize("wanted", ["no-such-call", "../rescued", "..", "/etc"])
def test_an_unknown_call_is_refused(wanted: str, home: Home) -> None:
    run = home.run("resume", wanted)
    assert run.code == 2 and "nothing is left" in run.stderr


def test_a_call_that_is_under_way_is_left_alone(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        assert home.run("resume", "--json").json["calls"] == []
        recorder.release()
        assert process.wait() == 0
    assert (home.cwd / "cat.png").is_file()


def test_what_is_left_of_a_forgotten_call_is_forgotten_with_it(home: Home, recorder: Recorder) -> None:
    for _ in range(2):
        unfetched(home, recorder, {"/1.png": Answer(404), "/2.png": Answer(404)})
    run = home.run("history", "forget", "1", "--json")
    assert (run.json["forgotten"], run.json["not_resumed"]) == (1, 1)
    (left,) = (home.state / "inflight").iterdir()
    assert left.name.startswith("2-")
    run = home.run("history", "forget", "--all", "--yes")
    assert run.stdout.endswith("; 1 of them cannot be resumed any more\n")
    assert list((home.state / "inflight").iterdir()) == []
    assert "nothing is left" in home.run("resume").stderr


def test_what_is_resumed_of_a_forgotten_request_is_not_recorded_again(home: Home, recorder: Recorder) -> None:
    unfetched(home, recorder, {"/1.png": Answer(body=ONE), "/2.png": Answer(body=TWO)})
    change(home.ledger, "DELETE FROM requests")
    assert home.run("resume").code == 0
    assert rows_of(home.ledger, "images") == []


def test_a_rehearsal_that_is_killed_before_its_answer_is_no_real_money(
    home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        process.kill()
        process.wait()
    recorder.release()
    (row,) = rows_of(home.ledger)
    assert row["host"] != "the sandbox"
    assert "sandbox" not in home.run("history", "show", "1", "--json").json["request"]
    recorder.answer = lambda _: Answer(body=b"{}", headers=(("x-gpt-image-2-sandbox", "1"),))
    (call,) = home.run("resume", "--json").json["calls"]
    assert call["sandbox"] is True
    assert home.run("history", "show", "1", "--json").json["request"]["sandbox"] is True
    assert "a rehearsal: placeholders, at no cost" in home.run("history", "show", "1").stdout
    (row,) = rows_of(home.ledger)
    assert row["host"] == "the sandbox"
    assert home.run("spend", "--json").json["maybe_billed"] == 0
    assert "no real money" in home.run("spend").stdout


def test_a_call_to_a_sandbox_of_our_own_is_a_rehearsal_from_its_beginning(
    home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda _: Answer(500, b"{}")
    OWN_SANDBOXES.add(recorder.base_url)
    try:
        env = {**home.environment(recorder.base_url)}
        with pytest.raises(GptImage2Error):
            Client(env=env, retries=0).generate("a cat", output=home.cwd / "cat.png")
    finally:
        OWN_SANDBOXES.discard(recorder.base_url)
    (row,) = rows_of(home.ledger)
    assert row["host"] == "the sandbox"


def test_a_whole_image_that_no_folder_takes_stays_where_it_is(tmp_path: Path) -> None:
    part = tmp_path / ".cat.png.gi2-0123456789ab.part"
    part.write_bytes(ONE)
    nowhere = tmp_path / "file"
    nowhere.write_bytes(b"in the way of every folder")
    plan = OutputPlan(nowhere / "out", "cat", ".png", False, True, nowhere / "rescued")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adopt_module, "rescue_folders", lambda folder: [folder])
        assert adopt([{"part": str(part), "number": 1}], plan) == ((), ())
    assert part.read_bytes() == ONE


def test_json_says_when_the_sandbox_has_answered_and_only_then(
    home: Home, recorder: Recorder, sandbox: Sandbox
) -> None:
    recorder.answer = lambda _: images(ONE)
    args = ("generate", "a cat", "-o", "cat.png", "--json")
    assert home.run(*args, base_url=sandbox.base_url).json["sandbox"] is True
    assert "sandbox" not in home.run(*args, base_url=recorder.base_url).json


def test_an_address_in_a_refusal_that_a_killed_call_had_received_is_not_fetched(
    home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(404) if request.path == "/v1/models" else Answer(body=ONE)
    body = json.dumps({"data": [{"url": f"{recorder.root}/how-to.png"}]})

    def talk(exchange: Exchange) -> None:
        exchange.start(len(body) + 1, status=400)
        exchange.send(body.encode())
        exchange.wait_until_gone()

    killed(home, talk, lambda: any(path.stat().st_size for path in home.state.glob("inflight/*/*body*")))
    run = home.run("resume", "--json", base_url=recorder.base_url)
    (call,) = run.json["calls"]
    assert (run.code, call["images"], call["waiting"]) == (0, [], [])
    assert [request.path for request in recorder.requests if request.path.endswith(".png")] == []
    (row,) = rows_of(home.ledger)
    assert (row["status"], row["billed"]) == ("interrupted", "maybe")


def test_a_defect_in_what_an_earlier_call_left_does_not_keep_the_next_one_from_being_made(
    home: Home, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfetched(home, recorder, {"/1.png": Answer(404), "/2.png": Answer(404)})

    def fail(*_: object, **__: object) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr(leftovers_module, "adopt", fail)
    recorder.answer = lambda request: images(TWO)
    client = Client(base_url=recorder.base_url, env=home.env)
    assert client.generate("a dog", output=home.cwd / "dog.png").image.sha256
    assert (home.cwd / "dog.png").read_bytes() == TWO
    assert len(list((home.state / "inflight").iterdir())) == 1
