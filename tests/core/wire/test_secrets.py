"""The key goes to its server and nowhere else: no process list, no file, no output, no other host."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Set

import pytest
from harness import KEY, Home
from pictures import png
from processes import IS_LINUX, Process, descendants, inspect
from servers import WAIT_S, Answer, Recorder, Request, images, recording, refusal

needs_proc = pytest.mark.skipif(not IS_LINUX, reason="needs /proc")
PROMPT = "a prompt that is nobody's business"


class Source(NamedTuple):
    """One way to give the key."""

    args: List[str]
    env: Dict[str, Optional[str]]
    config: Optional[Dict[str, str]]


SOURCES = {
    "GPT_IMAGE2_API_KEY": Source([], {"GPT_IMAGE2_API_KEY": KEY}, None),
    "api_key": Source([], {}, {"api_key": KEY}),
    "api_key_env": Source(
        [], {"MY_SECRET": KEY, "ALSO_MY_SECRET": f"token={KEY}"}, {"api_key_env": "MY_SECRET"}
    ),
    "api_key_env of OPENAI_API_KEY": Source([], {"OPENAI_API_KEY": KEY}, {"api_key_env": "OPENAI_API_KEY"}),
    "--api-key": Source(["--api-key", KEY], {}, None),
}


def give(home: Home, source: Source) -> Set[Path]:
    """Gives the key in this way; the files that hold it from then on."""
    del home.env["GPT_IMAGE2_API_KEY"]
    home.env.update({name: value for name, value in source.env.items() if value is not None})
    if source.config is None:
        return set()
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(source.config), encoding="utf-8")
    path.chmod(0o600)
    return {path} if KEY in source.config.values() else set()


def files_with(text: str, home: Home) -> Set[Path]:
    """All files of a test that hold a text."""
    places = (home.root, home.cwd, home.tmp)
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {path for path in files if text.encode() in path.read_bytes()}


def curl_of(process: subprocess.Popen[bytes]) -> Process:
    (curl,) = [child for child in descendants(process.pid) if child.name == "curl"]
    return curl


@pytest.fixture
def held(recorder: Recorder) -> Iterator[Recorder]:
    """A recorder that does not answer until it is told to."""
    recorder.hold()
    yield recorder
    recorder.release()


@needs_proc
@pytest.mark.parametrize("command", ["generate", "edit"])
@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_the_key_is_in_no_process_no_file_and_no_output(
    home: Home, held: Recorder, source: Source, command: str
) -> None:
    holders = give(home, source)
    (home.cwd / "in.png").write_bytes(png())
    inputs = ["in.png"] if command == "edit" else []
    process = home.start(command, *inputs, PROMPT, "-o", "cat.png", *source.args, base_url=held.base_url)
    held.wait_for_request()

    children = descendants(process.pid)
    assert [child.name for child in children] == ["curl"], "what else runs?"
    for child in children:
        assert child.argv and KEY.encode() not in child.argv + child.environ
        assert PROMPT.encode() not in child.argv + child.environ
        assert held.base_url.encode() not in child.argv
    assert (KEY.encode() in inspect(process.pid).argv) == bool(source.args), (
        "this test looks in the wrong place"
    )
    assert files_with(KEY, home) == holders

    held.release()
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert held.only.header("authorization") == f"Bearer {KEY}"
    assert KEY.encode() not in stdout + stderr
    assert files_with(KEY, home) == holders
    assert files_with(PROMPT, home) == {home.ledger}
    assert home.leftovers() == []


@needs_proc
def test_curl_keeps_what_it_needs_of_the_environment(home: Home, held: Recorder) -> None:
    proxy = "http://me:proxy-password@127.0.0.1:1"
    home.env.update({"SSL_CERT_DIR": "/some/where", "all_proxy": proxy, "OTHER_API_KEY": "other-secret"})
    process = home.start("generate", PROMPT, base_url=held.base_url)
    held.wait_for_request()
    curl = curl_of(process)
    held.release()
    process.communicate()
    assert b"SSL_CERT_DIR=/some/where" in curl.environ
    assert b"other-secret" not in curl.environ
    assert b"proxy" not in curl.environ + curl.argv, "proxies are told by another way"


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("as_json", [False, True])
def test_a_key_that_the_server_echoes_is_masked(
    home: Home, recorder: Recorder, source: Source, as_json: bool
) -> None:
    holders = give(home, source)
    recorder.answer = lambda request: refusal(401, f"Incorrect key: {KEY}; Bearer {KEY}.", "invalid_api_key")
    args = [*source.args, *(["--json"] if as_json else [])]
    run = home.run("generate", PROMPT, "-o", "cat.png", *args, base_url=recorder.base_url)
    assert run.code == 3
    assert KEY not in run.stdout + run.stderr
    assert f"{KEY[:3]}…{KEY[-4:]}" in (run.stdout if as_json else run.stderr)
    assert files_with(KEY, home) == holders


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, f"a page with {KEY} in it".encode(), (("Content-Type", "text/plain"),)),
        Answer(200, f"<html><title>{KEY}</title>{KEY}</html>".encode(), (("Content-Type", "text/html"),)),
        Answer(200, json.dumps({"echo": KEY, "data": []}).encode()),
        Answer(200, (" " * 1_100_000 + f"x{KEY}").encode()),
        Answer(500, f"Traceback … {KEY}".encode()),
        Answer(302, b"", (("Location", f"https://login.invalid/?key={KEY}"),)),
    ],
    ids=["text", "html", "json", "long", "error page", "redirect"],
)
def test_a_key_in_an_unusable_answer_is_in_no_output_and_the_answer_is_kept_for_this_user_as_it_came(
    home: Home, recorder: Recorder, answer: Answer
) -> None:
    recorder.answer = lambda request: answer
    run = home.run("generate", PROMPT, "-o", "cat.png", base_url=recorder.base_url)
    assert run.code == 6
    assert KEY not in run.stdout + run.stderr
    kept = files_with(KEY, home)
    assert all(home.rescued in path.parents for path in kept)
    if answer.status == 200:
        (path,) = kept
        assert path.read_bytes().strip() == answer.body.strip()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("key", ["1", "none", "test", "local", "abc1234"])
def test_a_key_that_is_but_a_word_changes_no_text_no_address_and_no_kept_answer(
    home: Home, recorder: Recorder, key: str
) -> None:
    body = json.dumps({"data": [{"url": f"{recorder.root}/test/none/local/abc1234/1.png"}]}).encode()
    recorder.answer = lambda request: Answer(body=body) if request.method == "POST" else Answer(404)
    run = home.run("generate", PROMPT, "--json", base_url=recorder.base_url, env={"GPT_IMAGE2_API_KEY": key})
    (kept,) = home.rescued.glob("*answer.json")
    assert f"{recorder.root}/test/none/local/abc1234/1.png" in run.json["error"]["message"]
    assert kept.read_bytes() == body
    shown = home.run("config", "--show", "--json", env={"GPT_IMAGE2_API_KEY": key})
    assert shown.json["settings"]["api_key"]["value"] == "****"


@pytest.mark.parametrize(
    "between",
    [
        "\u00ad",
        "\u200b",
        "\t",
        "\x00",
        "\u2060",
        "\ufeff",
        "\r\n",
        "\u200d\u00ad",
        "\u180e",
        "\u2800",
        "\U000e0041",
    ],
)
@pytest.mark.parametrize("places", [[10], range(1, len(KEY))], ids=["once", "everywhere"])
def test_a_key_that_is_echoed_with_what_nobody_sees_in_it_is_masked(
    home: Home, recorder: Recorder, between: str, places: List[int]
) -> None:
    secret = "correct-horse-battery-staple"
    for key in (KEY, secret):
        said = "".join(between + char if at in places else char for at, char in enumerate(key))
        recorder.answer = lambda request: refusal(400, f"You sent {said}.")  # noqa: B023
        run = home.run("generate", PROMPT, base_url=recorder.base_url, env={"GPT_IMAGE2_API_KEY": key})
        seen = "".join(char for char in run.stdout + run.stderr if char.isprintable() and char != " ")
        assert key not in seen and f"{key[:3]}…{key[-4:]}" in seen
        recorder.answer = lambda request: Answer(body=json.dumps({"echo": said}).encode())  # noqa: B023
        run = home.run("generate", PROMPT, base_url=recorder.base_url, env={"GPT_IMAGE2_API_KEY": key})
        assert key[5:15] not in run.stderr and f"{key[:3]}…{key[-4:]}" in run.stderr


@pytest.mark.parametrize("events", [False, True])
def test_a_key_that_is_echoed_as_the_name_of_a_task_or_its_state_is_masked(
    home: Home, recorder: Recorder, events: bool
) -> None:
    secret = "correct-horse-battery-staple"
    recorder.answer = lambda request: Answer(202, json.dumps({"task_id": secret, "status": secret}).encode())
    flags = ["--events"] if events else ["--no-wait", "--json"]
    args = ["generate", PROMPT, "--timeout", "2", *flags]
    run = home.run(*args, base_url=recorder.base_url, env={"GPT_IMAGE2_API_KEY": secret})
    assert secret not in run.stdout + run.stderr and "aple" in run.stdout + run.stderr
    assert files_with(secret, home) <= set(home.state.rglob("images.jsonl")) | set(home.state.rglob("body"))


def test_a_key_that_is_echoed_as_the_name_of_a_model_is_masked(home: Home, recorder: Recorder) -> None:
    secret = "correct-horse-battery-staple"
    usage = {"input_tokens": 1, "output_tokens": 2, "model": secret}
    body = {**json.loads(images(png()).body), "svg_usage": usage}
    recorder.answer = lambda request: Answer(body=json.dumps(body).encode())
    args = ["generate", PROMPT, "-o", "cat.png", "--json"]
    run = home.run(*args, base_url=recorder.base_url, env={"GPT_IMAGE2_API_KEY": secret})
    assert (run.code, run.json["svg_usage"]["model"]) == (0, "cor…aple")
    assert secret not in run.stdout + run.stderr
    assert files_with(secret, home) == set()


def test_a_secret_that_does_not_look_like_a_key_is_masked_too(home: Home, recorder: Recorder) -> None:
    secret = "correct-horse-battery-staple"
    recorder.answer = lambda request: refusal(400, f"You sent {secret}.")
    run = home.run("generate", PROMPT, base_url=recorder.base_url, env={"GPT_IMAGE2_API_KEY": secret})
    assert recorder.only.header("authorization") == f"Bearer {secret}"
    assert secret not in run.stdout + run.stderr and "cor…aple" in run.stderr


@needs_proc
@pytest.mark.parametrize("command", ["generate", "edit"])
def test_temp_folder_and_files_are_for_this_user_alone(home: Home, held: Recorder, command: str) -> None:
    inputs = ["-"] if command == "edit" else []
    (home.cwd / "in.png").write_bytes(png())
    args = (command, *inputs, PROMPT, "-o", "cat.png")
    with (home.cwd / "in.png").open("rb") as stdin:
        careless = {"preexec_fn": lambda: os.umask(0), "stdin": stdin}
        process = home.start(*args, base_url=held.base_url, **careless)
    held.wait_for_request()
    found = list(home.tmp.rglob("*"))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()}
    held.release()
    process.communicate()
    assert (modes, folders) == ({0o600}, {0o700})
    assert home.leftovers() == []


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
@needs_proc
def test_after_a_signal_curl_is_gone_and_no_file_is_left_but_the_ledger(
    home: Home, held: Recorder, signum: int, code: int
) -> None:
    process = home.start("generate", PROMPT, "-o", "cat.png", base_url=held.base_url)
    held.wait_for_request()
    held_by = files_with(PROMPT, home)
    assert [path for path in held_by if home.tmp in path.parents], "there was nothing to clear away"
    curl = curl_of(process)
    process.send_signal(signum)
    _, stderr = process.communicate(timeout=WAIT_S)  # the server does not answer before that
    assert process.returncode == code, stderr
    assert not Path(f"/proc/{curl.pid}").exists()
    assert home.leftovers() == [] == list(home.cwd.iterdir())
    assert (files_with(PROMPT, home), files_with(KEY, home)) == ({home.ledger}, set())
    assert KEY.encode() not in stderr and b"Traceback" not in stderr


def test_after_an_error_no_file_is_left_but_the_ledger(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: refusal(400, "No.")
    home.run("generate", PROMPT, "-o", "cat.png", base_url=recorder.base_url)
    assert home.leftovers() == [] == list(home.cwd.iterdir())
    assert files_with(PROMPT, home) == {home.ledger}


@pytest.mark.parametrize("place", ["home/.curlrc", "home/.config/curlrc", "curl-home/.curlrc"])
def test_a_curlrc_changes_nothing(home: Home, recorder: Recorder, place: str) -> None:
    stolen = home.cwd.parent / "stolen"
    with recording() as thief:
        path = home.root.parent / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f'output = "{stolen}"\ntrace-ascii = "{stolen}"\nproxy = "{thief.root}"\n'
            'header = "X-From: curlrc"\n'
            f'url = "{thief.root}/more"\nlocation\ninsecure\n'
        )
        env = {"CURL_HOME": str(home.root.parent / "curl-home")} if "curl-home" in place else {}
        run = home.run("generate", PROMPT, "-o", "cat.png", base_url=recorder.base_url, env=env)
        assert run.code == 0, run.stderr
        assert thief.requests == []
    assert not stolen.exists()
    assert recorder.only.header("x-from") is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_with_a_key(home: Home, recorder: Recorder, status: int) -> None:
    with recording() as other:
        recorder.answer = lambda request: Answer(status, b"", (("Location", f"{other.base_url}/images"),))
        run = home.run("generate", PROMPT, "-o", "cat.png", base_url=recorder.base_url)
        assert other.requests == []
    assert run.code == 6
    assert other.base_url in run.stderr and "redirect" in run.stderr
    assert len(recorder.requests) == 1


def test_an_image_by_address_is_fetched_without_the_key(home: Home, recorder: Recorder) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return Answer(200, png(1024, 1024), (("Content-Type", "image/png"),))
        return Answer(200, json.dumps({"data": [{"url": f"{recorder.root}/made.png"}]}).encode())

    recorder.answer = answer
    run = home.run("generate", PROMPT, "-o", "cat.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    asked, fetched = recorder.requests
    assert KEY in repr(asked)
    assert fetched.path == "/made.png" and KEY not in repr(fetched)


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used(home: Home, recorder: Recorder, variable: str) -> None:
    env = {variable: recorder.root}
    run = home.run("generate", PROMPT, "-o", "cat.png", base_url="http://images.invalid/v1", env=env)
    assert run.code == 0, run.stderr
    assert recorder.only.path == "http://images.invalid/v1/images/generations"
    assert recorder.only.header("host") == "images.invalid"


def test_through_a_proxy_to_a_tls_host_the_key_is_not_shown_to_the_proxy(
    home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: Answer(403, b"no tunnel for you")
    run = home.run(
        "generate",
        PROMPT,
        "--retries",
        "0",
        base_url="https://images.invalid/v1",
        env={"HTTPS_PROXY": recorder.root},
    )
    assert run.code == 7
    assert (recorder.only.method, recorder.only.path) == ("CONNECT", "images.invalid:443")
    assert KEY not in repr(recorder.requests)


def test_an_image_that_holds_the_key_by_chance_is_saved_as_it_came(home: Home, recorder: Recorder) -> None:
    picture = png(1024, 1024, noise=KEY.encode())
    recorder.answer = lambda request: images(picture)
    run = home.run("generate", PROMPT, "-o", "cat.png", base_url=recorder.base_url)
    assert run.saved[0].read_bytes() == picture
