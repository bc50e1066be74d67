"""What an agent may spend: a dear call over MCP waits for a yes in the studio, and is not sent without it."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from harness import Home, Sandbox
from mcp import Client, StdioServerParameters
from playwright.sync_api import expect
from processes import until
from studio_driving import JSON, Studio, studio_of
from studio_visitor import Visitor

from gpt_image2 import approvals
from gpt_image2.approvals import Question, answer, answering, ask, is_studio_open, questions
from gpt_image2.core.base.interrupt import StopSwitch

CHEAP, DEAR = "low", "high"


@contextmanager
def calling(home: Home, sandbox: Sandbox, prompt: str, quality: str) -> Iterator[list[Any]]:
    """An agent's call in a thread of its own; its answer is in the list once it has come."""
    words = ["-m", "gpt_image2", "mcp", "--output-dir", str(home.cwd), "--approve-over", "0.05"]
    env = {**home.environment(sandbox.base_url), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    server = StdioServerParameters(command=sys.executable, args=words, env=env)
    fields = {"prompt": prompt, "quality": quality, "size": "1024x1024", "preview": False}
    came: list[Any] = []

    async def call() -> None:
        async with Client(server) as client:
            came.append(await client.call_tool("generate_image", fields))

    thread = threading.Thread(target=anyio.run, args=(call,))
    thread.start()
    yield came
    thread.join(60)
    assert came, "no answer came"


@pytest.mark.parametrize("is_yes", [True, False])
def test_a_dear_call_of_an_agent_waits_for_the_answer_in_the_studio(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor, prompt: str, is_yes: bool
) -> None:
    page = visitor.open(studio)
    with calling(home, sandbox, prompt, DEAR) as came:
        asked = page.locator(".approval")
        expect(asked).to_contain_text("MCP asks to spend up to $0.2")
        expect(asked).to_contain_text(prompt)
        assert sandbox.log(prompt)["requests"] == [] and not came
        asked.get_by_role("button", name="Yes" if is_yes else "No").click()
    (result,) = came
    if is_yes:
        assert not result.is_error
        page.locator(".card").wait_for()
    else:
        assert result.structured_content["error"]["code"] == "not_approved"
        assert result.structured_content["billed"] == "no"
    expect(asked).to_have_count(0)
    assert len(sandbox.log(prompt)["requests"]) == int(is_yes)


def test_a_cheap_call_does_not_ask_and_a_dear_one_without_a_studio_is_refused(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    with calling(home, sandbox, f"{prompt} cheap", CHEAP) as came:
        pass
    assert not came[0].is_error
    with calling(home, sandbox, f"{prompt} dear", DEAR) as came:
        pass
    error = came[0].structured_content["error"]
    assert error["code"] == "not_approved" and "gpt-image2 studio" in error["hint"]
    assert sandbox.log(f"{prompt} dear")["requests"] == []


def question(seconds: float) -> Question:
    """A question that waits so long."""
    import time

    return Question("MCP", "generate", "gpt-image-2", "a fox", 0.2, time.time() + seconds)


def test_a_question_ends_with_its_time_with_its_studio_and_with_its_asker(tmp_path: Path) -> None:
    stop, answers = StopSwitch(), list[Any]()
    with answering(tmp_path):
        assert ask(tmp_path, question(0.3), stop) is None
        asking = threading.Thread(target=lambda: answers.append(ask(tmp_path, question(30), stop)))
        asking.start()
        (found,) = until(lambda: questions(tmp_path))
        assert found.prompt == "a fox" and not answer(tmp_path, "0" * 32, True)
        assert not answer(tmp_path, "../x", True)
    asking.join(10)
    assert answers == [None], "nobody can answer any more"
    assert list((tmp_path / "approvals").iterdir()) == []
    with answering(tmp_path):
        dead = tmp_path / "approvals" / f"{'0' * 32}.json"
        dead.write_text("{}", encoding="utf-8")
        assert questions(tmp_path) == [] and not dead.exists()


def test_a_question_is_answered_once(tmp_path: Path) -> None:
    stop, answers = StopSwitch(), list[Any]()
    with answering(tmp_path):
        asking = threading.Thread(target=lambda: answers.append(ask(tmp_path, question(30), stop)))
        asking.start()
        (found,) = until(lambda: questions(tmp_path))
        assert found.id and answer(tmp_path, found.id, False)
        answer(tmp_path, found.id, True)
        asking.join(10)
    assert answers == [False]


def test_a_question_waits_as_long_as_one_of_two_studios_is_open(tmp_path: Path) -> None:
    stop, answers = StopSwitch(), list[Any]()
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(answering(tmp_path))
        second.enter_context(answering(tmp_path))
        asking = threading.Thread(target=lambda: answers.append(ask(tmp_path, question(30), stop)))
        asking.start()
        (found,) = until(lambda: questions(tmp_path))
        first.close()
        assert is_studio_open(tmp_path) and answer(tmp_path, found.id, True)
        asking.join(10)
    assert answers == [True] and not is_studio_open(tmp_path)


def test_an_answer_counts_although_its_studio_ends_at_once(tmp_path: Path) -> None:
    class Moment(StopSwitch):
        """Between two looks of the asker."""

        def wait(self, seconds: float) -> bool:
            (found,) = questions(tmp_path)
            assert answer(tmp_path, found.id, True) and not answer(tmp_path, found.id, False)
            studio.__exit__(None, None, None)
            return False

    studio = answering(tmp_path)
    studio.__enter__()
    assert ask(tmp_path, question(30), Moment()) is True
    assert list((tmp_path / "approvals").iterdir()) == []


def test_a_question_that_cannot_be_looked_at_for_a_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    class Moment(StopSwitch):
        """While the asker waits."""

        def wait(self, seconds: float) -> bool:
            with monkeypatch.context() as patch:
                patch.setattr(approvals, "open_ours", too_many)
                assert questions(tmp_path) == []
            (found,) = questions(tmp_path)
            return answer(tmp_path, found.id, False)

    with answering(tmp_path):
        assert ask(tmp_path, question(30), Moment()) is False


def test_only_the_page_answers(home: Home, sandbox: Sandbox) -> None:
    with studio_of(home, sandbox.base_url) as studio:
        studio.enter()
        assert studio.post("api/approvals/x", {"yes": "yes"}).status == 400
        assert studio.post("api/approvals/x", {"yes": True}).status == 410
        outside = {**studio.own_headers(), "Origin": "http://evil.example", "Content-Type": JSON}
        path = f"{studio.root}/api/approvals/x"
        assert studio.send("POST", path, outside, b'{"yes": true}').status == 403
