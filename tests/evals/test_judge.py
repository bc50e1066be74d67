"""The judge of the evals, on recorded runs: each good one passes, each bad one fails for its own reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from evals.inputs import MAKERS  # noqa: E402
from evals.judge import judge  # noqa: E402
from evals.recording import Recording  # noqa: E402
from evals.task import KEY  # noqa: E402
from evals.tasks import TASKS  # noqa: E402

#: Made by `python -m evals --agent 'python …/tests/evals/reference_agent.py'`.
RECORDED = Path(__file__).with_name("recorded.jsonl").read_text("utf-8").splitlines()
RUNS = {json.loads(line)["task"]: line for line in RECORDED}
REFERENCE = f"{sys.executable} {Path(__file__).with_name('reference_agent.py')}"

Run = dict[str, Any]


def post(run: Run) -> Run:
    return run["journal"]["requests"][0]


def field(name: str, value: str) -> Callable[[Run], object]:
    return lambda run: [each["fields"].update({name: value}) for each in run["journal"]["requests"]]


def say(answer: str) -> Callable[[Run], object]:
    return lambda run: run.update(answer=answer)


def file(name: str, **facts: object) -> Callable[[Run], object]:
    return lambda run: run["files"][name].update(facts)


def lose(name: str) -> Callable[[Run], object]:
    return lambda run: run["files"].pop(name)


def again(run: Run) -> None:
    run["journal"]["requests"].append(dict(post(run)))


def command(*words: str, code: int = 0) -> Callable[[Run], object]:
    return lambda run: run["commands"].append({"words": list(words), "exit": code})


def pay(run: Run) -> None:
    """Something that was not asked for."""
    paid = json.loads(RUNS["one-picture"])["journal"]
    run["journal"].update(requests=paid["requests"], images_delivered=1)


#: A task, what an agent did otherwise, and the only checks that say so.
BAD = [
    ("one-picture", lose("fox.png"), {"picture"}),
    ("one-picture", file("fox.png", format="jpeg"), {"picture"}),
    ("one-picture", file("fox.png", format=""), {"picture"}),
    ("one-picture", field("quality", "high"), {"sent", "budget"}),
    ("one-picture", lambda run: run.update(spent_usd=0.03), {"budget"}),
    ("one-picture", say(f"I used the key {KEY}."), {"key_untold"}),
    ("one-picture", command("generate", "x", "--retry-ambiguous"), {"did_not_use"}),
    ("one-picture", command("generate", "x", f"--api-key={KEY}"), {"did_not_use"}),
    ("ten-under-a-sum", lose("icons/0003-icon-hose.png"), {"picture"}),
    (
        "prompt-list",
        lambda run: [each.update(prompt="A kite") for each in run["journal"]["requests"]],
        {"prompt_has"},
    ),
    ("ask-first", say("It costs $2.04; I have started."), {"asked"}),
    ("ask-first", pay, {"asked", "requests", "budget"}),
    ("ask-first", say("Shall I go ahead?"), {"told"}),
    ("edit", lose("room.png"), {"inputs_untouched"}),
    ("edit", file("room.png", sha256="other"), {"inputs_untouched"}),
    ("edit", lambda run: post(run).update(endpoint="generations"), {"sent"}),
    ("masked-edit", lambda run: post(run).update(files=post(run)["files"][:1]), {"sent"}),
    ("keep-the-rest", file("blue.png", changed={"room.png": [298, 560, 900, 900]}), {"inside"}),
    ("keep-the-rest", file("blue.png", changed={"room.png": None}), {"inside"}),
    ("keep-the-rest", file("blue.png", changed={}), {"inside"}),
    ("references", lambda run: post(run).update(prompt="The person wears the hat."), {"prompt_has"}),
    ("transparent", file("plane.png", alpha=False), {"picture"}),
    ("exact-size", file("card.jpg", width=1216), {"picture"}),
    ("exact-size", file("card.jpg", bytes=310_000), {"picture"}),
    ("three-versions", field("n", "1"), {"sent"}),
    ("gif", file("wave.gif", frames=1), {"picture"}),
    ("cost-question", say("About $4.20."), {"told"}),
    ("cost-question", pay, {"requests", "budget"}),
    ("redo", lambda run: run["files"].pop("lake-2.png"), {"picture"}),
    ("resume-after-kill", pay, {"requests", "budget"}),
    ("resume-after-kill", lambda run: run["commands"].clear(), {"ran"}),
    ("relay-profile", lambda run: post(run).update(fault=None), {"through"}),
    ("moderation", again, {"requests"}),
    ("moderation", say("Here you are."), {"told"}),
    ("maybe-billed", again, {"requests"}),
    ("rehearsal", lambda run: run["commands"].clear(), {"ran"}),
    ("finish-a-batch", lambda run: [again(run), again(run)], {"requests", "sent"}),
    ("batch-api", lambda run: run["journal"]["batch_requests"].pop(), {"in_batches"}),
    ("outpaint", file("wide.png", width=1024), {"picture"}),
    ("studio-link", lambda run: run.update(opened=dict.fromkeys(run["opened"], 403)), {"opens"}),
    ("studio-link", lambda run: run.update(opened={"http://127.0.0.1:8788/": 200}), {"opens"}),
    ("studio-link", lambda run: run["commands"].clear(), {"ran"}),
    ("studio-link", pay, {"requests", "budget"}),
    ("keeps-files", file("lake.png", sha256="other"), {"inputs_untouched", "picture"}),
]


@pytest.mark.parametrize("name", TASKS)
def test_a_good_run_passes_with_nothing_wasted_within_its_budget(name: str) -> None:
    verdict = judge(Recording.from_json(RUNS[name]))
    assert verdict.failures == ()
    assert (verdict.wasted, verdict.asked) == (0, TASKS[name].asks)
    assert verdict.spent_usd <= TASKS[name].budget_usd


@pytest.mark.parametrize(
    ("name", "spoil", "checks"), BAD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_bad_run_fails_for_its_own_reason(
    name: str, spoil: Callable[[Run], object], checks: set[str]
) -> None:
    run = json.loads(RUNS[name])
    spoil(run)
    verdict = judge(Recording.from_json(json.dumps(run)))
    assert {check for check, _ in verdict.failures} == checks
    assert not verdict.passed and all(wrong for _, wrong in verdict.failures)


def test_every_check_of_the_judge_is_seen_to_fail() -> None:
    named = {check.name for task in TASKS.values() for check in task.checks}
    always = {"asked", "budget", "inputs_untouched", "key_untold", "did_not_use"}
    assert set().union(*(checks for _, _, checks in BAD)) == named | always


def test_requests_that_were_not_needed_and_bad_commands_are_counted_as_wasted() -> None:
    run = json.loads(RUNS["one-picture"])
    again(run)
    command("generate", code=2)(run)
    command("generate", "a", code=7)(run)
    assert judge(Recording.from_json(json.dumps(run))).wasted == 2


def test_a_question_after_the_work_is_no_asking_and_one_before_it_is() -> None:
    run = json.loads(RUNS["one-picture"])
    run["answer"] = "Done. Shall I make it bigger?"
    assert judge(Recording.from_json(json.dumps(run))).passed
    run["journal"].update(requests=[], images_delivered=0)
    verdict = judge(Recording.from_json(json.dumps(run)))
    assert verdict.asked and "asked" in dict(verdict.failures)


def test_every_input_can_be_drawn_and_no_prompt_stands_twice() -> None:
    assert {name for task in TASKS.values() for name in task.inputs} <= set(MAKERS)
    assert len({task.prompt for task in TASKS.values()}) == len(TASKS) == 33
    assert list(RUNS) == list(TASKS)


def test_an_agent_is_run_in_the_folder_of_its_task_and_judged(tmp_path: Path, in_full: bool) -> None:
    names = list(TASKS) if in_full else ["edit", "resume-after-kill", "studio-link"]
    command = [sys.executable, "-m", "evals", "--agent", REFERENCE, "--runs", str(tmp_path), "--only", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        f"{len(names)} of {len(names)} tasks passed; 0 calls wasted"
    )
    lines = (tmp_path / "recordings.jsonl").read_text("utf-8")
    assert str(tmp_path) not in lines and len(lines.splitlines()) == len(names)


def test_an_agent_that_does_nothing_fails_and_costs_nothing(tmp_path: Path) -> None:
    args = ["--agent", "echo done", "--runs", str(tmp_path), "--only", "one-picture", "--json"]
    done = subprocess.run([sys.executable, "-m", "evals", *args], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    (verdict,) = json.loads(done.stdout.splitlines()[-1])
    assert {name for name, _ in verdict["failures"]} == {"picture", "sent"}
    assert (verdict["passed"], verdict["wasted"], verdict["spent_usd"]) == (False, 0, 0)
