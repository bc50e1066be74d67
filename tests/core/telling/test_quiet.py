"""`--quiet`: of every command nothing but errors comes on stderr."""

from __future__ import annotations

import json
from typing import Iterator, List

import pytest
from batch_apis import Service, job, service
from batching import write_jobs
from harness import Home
from pictures import png
from servers import Answer, Recorder, images, refusal

COMMANDS = [
    *("generate cat -o a.jpg", "generate cat --dry-run", "edit in.png cat", "cost --model unknown"),
    *("config", "config --list", "config --init --profile two", "doctor", "history", "spend", "resume"),
    *("history show 1", "history forget 1", "batch run jobs.jsonl --out-dir one"),
    *("batch run jobs.jsonl --dry-run", "batch submit jobs.jsonl --out-dir two", "batch list"),
    *("batch status", "batch wait", "batch fetch"),
]


@pytest.fixture(scope="module")
def host() -> Iterator[Service]:
    with service() as running:
        yield running


def warned(home: Home, base_url: str) -> None:
    """A config file about which every command has a warning, and inputs for them all."""
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"base_url": f"{base_url}/images/edits", "colour": "red"}))
    path.chmod(0o644)
    (home.cwd / "in.png").write_bytes(png(1024, 1024))
    write_jobs(home, job("a quiet lamp"), job("a quiet boat"))


@pytest.fixture(scope="module")
def settled(host: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all commands, in which a request was made."""
    home = Home(tmp_path_factory.mktemp("quiet"))
    warned(home, host.base_url)
    first = home.run("generate", "a cat", "-o", "b.png")
    assert first.code == 0 and first.stderr.count("warning: ") >= 3
    yield home
    home.close()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_goes_well_says_nothing_on_stderr(settled: Home, command: str) -> None:
    run = settled.run(*command.split(), "--quiet")
    assert (run.code, run.stderr) == (0, ""), run.stderr


ERRORS: List[List[str]] = [
    ["generate", "cat"],
    ["edit", "nothing.png", "cat"],
    ["batch", "run", "jobs.jsonl"],
    ["history", "show", "99"],
    ["resume", "99"],
    ["config", "--show", "--profile", "none"],
]


@pytest.mark.parametrize("words", ERRORS, ids=" ".join)
def test_an_error_is_told_all_the_same_and_alone(home: Home, recorder: Recorder, words: List[str]) -> None:
    warned(home, recorder.base_url)
    recorder.answer = lambda request: refusal(400, "No.", "invalid_value")
    run = home.run(*words, "--quiet")
    assert run.code != 0
    lines = run.stderr.splitlines()
    assert lines and all(line.startswith(("error: ", "billed: ")) for line in lines)


def test_a_retry_and_a_download_that_is_resumed_are_no_errors(home: Home, recorder: Recorder) -> None:
    answers = iter([refusal(429, "slow", "slow_down"), images(png(1024, 1024))])
    recorder.answer = lambda request: next(answers)._replace(headers=(("Retry-After", "0"),))
    assert home.run("generate", "a cat", "--quiet", base_url=recorder.base_url).stderr == ""


def test_what_resume_cannot_fetch_is_an_error_under_quiet_too(home: Home, recorder: Recorder) -> None:
    address = json.dumps({"data": [{"url": f"{recorder.root}/gone.png"}]}).encode()
    recorder.answer = lambda request: Answer(body=address) if request.method == "POST" else Answer(404)
    assert home.run("generate", "a cat", base_url=recorder.base_url).code == 7
    run = home.run("resume", "--quiet", base_url=recorder.base_url)
    assert run.code == 7 and run.stderr.startswith("error: 1 images could not be fetched: ")
