"""What an image is renamed over: what was met when the call began, and never a paid picture in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

import pytest
from faulty import completed, partial, serving
from harness import Home, Run
from pictures import png
from processes import end_of
from servers import Recorder, images

CATS = [png(64, 64, noise=bytes([number + 1]) * 100) for number in range(4)]
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="links and FIFOs")
AS_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="only root can act for another user",
)


def warnings_of(run: Run) -> List[str]:
    return [line for line in run.stderr.splitlines() if line.startswith("warning: ")]


def contents(folder: Path) -> List[bytes]:
    return sorted(path.read_bytes() for path in folder.iterdir() if path.is_file())


def run_while(change: Callable[[], object], home: Home, recorder: Recorder, *args: str) -> Run:
    """A run of the script; `change` happens while the server works."""
    recorder.hold()
    with home.start(*args, base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        change()
        recorder.release()
        return end_of(process)


# The name that is ours


def test_without_o_the_newest_is_at_the_known_name_and_each_earlier_one_beside_it(
    home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda request: images(CATS[len(recorder.requests) - 1])
    newest = home.root / "gpt-image2-output.png"
    for number, picture in enumerate(CATS):
        run = home.run("generate", "a cat", base_url=recorder.base_url)
        assert (run.saved, newest.read_bytes()) == ([newest], picture)
        aside = home.root / f"gpt-image2-output.{number}.png"
        assert [str(aside) in line for line in warnings_of(run)] == [True] * (number > 0)
        if number:
            assert aside.read_bytes() == CATS[number - 1]
    assert contents(home.root) == sorted(CATS)


def test_the_picture_that_was_moved_aside_is_found_by_the_history(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(CATS[len(recorder.requests) - 1])
    for _ in range(2):
        home.run("generate", "a cat", base_url=recorder.base_url)
    aside = str(home.root / "gpt-image2-output.1.png")
    assert home.run("history", "show", aside, "--json").json["request"]["id"] == 1


def test_several_images_without_o_are_moved_aside_each(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(*CATS[:2])
    for _ in range(2):
        assert home.run("generate", "a cat", "--n", "2", base_url=recorder.base_url).code == 0
    names = ["-1.1.png", "-1.png", "-2.1.png", "-2.png"]
    assert sorted(path.name for path in home.root.glob("*.png")) == [f"gpt-image2-output{n}" for n in names]


def test_calls_without_o_at_once_keep_every_image(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(
        CATS[[r.json["prompt"] for r in recorder.requests].index(request.json["prompt"])]
    )
    recorder.hold()
    processes = [home.start("generate", f"a cat {n}", base_url=recorder.base_url) for n in range(4)]
    for _ in processes:
        recorder.wait_for_request()
    recorder.release()
    assert [end_of(process).code for process in processes] == [0] * 4
    assert contents(home.root) == sorted(CATS)


def test_no_clobber_without_o_leaves_the_known_name_alone(home: Home, recorder: Recorder) -> None:
    old = home.root / "gpt-image2-output.png"
    old.write_bytes(b"old")
    run = home.run("generate", "a cat", "--no-clobber", base_url=recorder.base_url)
    assert run.saved == [home.root / "gpt-image2-output-1.png"] and old.read_bytes() == b"old"


KILLED_AT = """
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("gpt_image2_script", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
left = int(sys.argv[2])
def counted(name):
    real = getattr(os, name)
    def call(*args, **named):
        global left
        if "gpt-image2-output" in str(args[0]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), 9)
        return real(*args, **named)
    setattr(os, name, call)
for name in ("link", "rename", "replace", "unlink", "chmod"):
    counted(name)
sys.exit(module.main(sys.argv[3:]))
"""


@ON_POSIX
@pytest.mark.parametrize("step", range(5))
def test_a_kill_between_the_steps_of_moving_aside_loses_nothing(
    step: int, home: Home, recorder: Recorder
) -> None:
    old = home.root / "gpt-image2-output.png"
    old.write_bytes(CATS[0])
    recorder.answer = lambda request: images(CATS[len(recorder.requests)])
    *python, script, _ = home.command("-")
    killed = subprocess.run(
        [*python, "-c", KILLED_AT, script, str(step), "generate", "a cat"],
        env=home.environment(recorder.base_url),
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode in (0, -9), killed.stderr
    assert set(CATS[:2]) <= {path.read_bytes() for path in home.root.iterdir() if path.is_file()}
    assert old.read_bytes() in CATS[:2]
    run = home.run("generate", "a cat", base_url=recorder.base_url)
    assert run.code == 0 and old.read_bytes() == CATS[2]
    assert set(CATS[:3]) == {path.read_bytes() for path in home.root.iterdir() if path.is_file()}


# A name that the user gave


def test_a_file_that_another_wrote_during_the_call_is_not_replaced(home: Home, recorder: Recorder) -> None:
    target = home.cwd / "cat.png"
    run = run_while(
        lambda: target.write_bytes(b"theirs"), home, recorder, "generate", "a cat", "-o", "cat.png"
    )
    assert (run.code, run.saved) == (0, [home.cwd / "cat-1.png"])
    (warning,) = warnings_of(run)
    assert str(target) in warning and str(run.saved[0]) in warning
    assert target.read_bytes() == b"theirs"


def test_a_file_that_was_changed_during_the_call_is_not_replaced(home: Home, recorder: Recorder) -> None:
    target = home.cwd / "cat.png"
    target.write_bytes(b"old")
    args = ("generate", "a cat", "--n", "2", "-o", "cat.png", "--json")
    (home.cwd / "cat-2.png").write_bytes(b"old")
    recorder.answer = lambda request: images(*CATS[:2])
    run = run_while(lambda: (home.cwd / "cat-2.png").write_bytes(b"new"), home, recorder, *args)
    paths = [Path(image["path"]).name for image in run.json["images"]]
    assert (run.code, paths, len(run.json["warnings"])) == (0, ["cat-1.png", "cat-3.png"], 1)
    assert (home.cwd / "cat-2.png").read_bytes() == b"new"


def test_an_edit_may_replace_its_own_input(home: Home, recorder: Recorder) -> None:
    target = home.cwd / "cat.png"
    target.write_bytes(CATS[0])
    recorder.answer = lambda request: images(CATS[1])
    run = home.run("edit", "cat.png", "a hat", "-o", "cat.png", base_url=recorder.base_url)
    assert (run.saved, warnings_of(run), contents(home.cwd)) == ([target], [], [CATS[1]])


def test_previews_replace_those_of_an_earlier_call_but_not_what_appeared(home: Home) -> None:
    body = partial(CATS[0], 0) + completed(CATS[1])
    args = ("generate", "a cat", "-o", "cat.png", "--stream", "--partial-images", "1", "--save-partials")
    with serving(lambda exchange: exchange.answer(body, content_type="text/event-stream")) as server:
        runs = [home.run(*args, base_url=server.base_url) for _ in range(2)]
    assert [warnings_of(run) for run in runs] == [[], []]
    assert sorted(path.name for path in home.cwd.iterdir()) == ["cat.partial-0.png", "cat.png"]


def a_fifo(path: Path) -> None:
    os.mkfifo(str(path))


def a_socket(path: Path) -> None:
    # The name is relative: sockets take no long ones.
    script = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, path.name], cwd=str(path.parent), check=True)


def a_folder(path: Path) -> None:
    path.mkdir()


@ON_POSIX
@pytest.mark.parametrize("make", [a_fifo, a_socket, a_folder], ids=lambda make: make.__name__)
@pytest.mark.parametrize("options", [(), ("-o", "cat.png")], ids=["default", "named"])
def test_what_is_no_file_and_appeared_during_the_call_stays(
    options: Sequence[str], make: Callable[[Path], None], home: Home, recorder: Recorder
) -> None:
    target = home.cwd / "cat.png" if options else home.root / "gpt-image2-output.png"
    kinds: List[int] = []

    def appear() -> None:
        make(target)
        kinds.append(target.stat().st_mode)

    recorder.answer = lambda request: images(CATS[0])
    run = run_while(appear, home, recorder, "generate", "a cat", "--json", *options)
    assert [target.stat().st_mode] == kinds
    assert Path(run.json["images"][0]["path"]).read_bytes() == CATS[0]
    assert run.json["warnings"] and run.json["billed"] == "yes"


@ON_POSIX
@pytest.mark.parametrize("make", [a_fifo, a_folder], ids=lambda make: make.__name__)
def test_a_numbered_output_that_is_no_file_is_refused_before_paying(
    make: Callable[[Path], None], home: Home, recorder: Recorder
) -> None:
    make(home.cwd / "cat-2.png")
    run = home.run("generate", "a cat", "--n", "2", "-o", "cat.png", base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, []) and "cat-2.png" in run.stderr


# Links


def plant(link: Path, target: Path, user: int = 65534) -> None:
    """A link as another user makes it."""
    ids = [f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    subprocess.run(["setpriv", *ids, "ln", "-s", str(target), str(link)], check=True)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder like /tmp, which other users can reach."""
    folder = Path("/tmp") / f"shared-{os.urandom(6).hex()}"
    folder.mkdir()
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(str(folder))


@AS_ROOT
@pytest.mark.parametrize("output", ["cat.png", "folder/cat.png", "folder/"])
def test_a_link_of_another_user_in_a_sticky_folder_is_refused_before_paying(
    output: str, shared: Path, home: Home, recorder: Recorder
) -> None:
    victim = home.root / "diary.txt"
    victim.write_bytes(b"my only copy")
    plant(shared / "cat.png", victim)
    plant(shared / "folder", home.root)
    run = home.run("generate", "a cat", "-o", f"{shared}/{output}", base_url=recorder.base_url)
    assert (run.code, recorder.requests, victim.read_bytes()) == (2, [], b"my only copy")
    assert "link of another user" in run.stderr and "nothing was sent" in run.stderr
    assert sorted(home.root.iterdir()) == [victim]


@AS_ROOT
def test_a_link_that_another_user_plants_during_the_call_is_not_followed(
    shared: Path, home: Home, recorder: Recorder
) -> None:
    victim = home.root / "diary.txt"
    victim.write_bytes(b"my only copy")
    recorder.answer = lambda request: images(CATS[0])
    args = ("generate", "a cat", "-o", f"{shared}/cat.png", "--json")
    run = run_while(lambda: plant(shared / "cat.png", victim), home, recorder, *args)
    assert victim.read_bytes() == b"my only copy"
    assert Path(run.json["images"][0]["path"]).read_bytes() == CATS[0]
    assert (run.code, run.json["billed"]) == (8, "yes")


@AS_ROOT
def test_links_of_the_user_in_a_sticky_folder_are_followed(
    shared: Path, home: Home, recorder: Recorder
) -> None:
    (shared / "cat.png").symlink_to(home.root / "real.png")
    recorder.answer = lambda request: images(CATS[0])
    run = home.run("generate", "a cat", "-o", f"{shared}/cat.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert (home.root / "real.png").read_bytes() == CATS[0] and (shared / "cat.png").is_symlink()


@AS_ROOT
def test_under_no_clobber_the_link_of_another_user_counts_as_taken(
    shared: Path, home: Home, recorder: Recorder
) -> None:
    plant(shared / "cat.png", home.root / "nowhere.png")
    args = ("generate", "a cat", "-o", f"{shared}/cat.png", "--no-clobber")
    run = home.run(*args, base_url=recorder.base_url)
    assert (run.code, run.saved) == (0, [shared / "cat-1.png"])


@ON_POSIX
def test_links_that_lead_round_and_round_are_refused_before_paying(home: Home, recorder: Recorder) -> None:
    (home.cwd / "a").symlink_to("b")
    (home.cwd / "b").symlink_to("a")
    run = home.run("generate", "a cat", "-o", "a/cat.png", base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])


def test_a_link_whose_file_was_changed_during_the_call_gets_a_free_name_beside_that_file(
    home: Home, recorder: Recorder
) -> None:
    real = home.root / "real.png"
    real.write_bytes(b"old")
    (home.cwd / "cat.png").symlink_to(real)
    run = run_while(lambda: real.write_bytes(b"new"), home, recorder, "generate", "a", "-o", "cat.png")
    assert (run.code, run.saved, real.read_bytes()) == (0, [home.root / "real-1.png"], b"new")
