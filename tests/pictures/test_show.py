from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from canvases import Desk, photo
from harness import SCRIPT, Home, install_line
from pictures import png
from PIL import Image
from servers import Recorder, images
from terminals import HAS_TMUX, in_tmux, talk, tmux_command

from gpt_image2.pictures.terminal import drawn, method_for, through_tmux

KITTY_ANSWER = b"\x1b_Gi=31;OK\x1b\\"
PLAIN_ANSWER = b"\x1b[?62;22c"
SIXEL_ANSWER = b"\x1b[?62;4;22c"
PLACEHOLDER = "\U0010eeee"
HALF = "▀"
PACKAGE = (sys.executable, "-m", "gpt_image2")


def in_terminal(home: Home, *words: str, answer: bytes = b"", **env: str) -> tuple[str, str]:
    """What a command prints to a terminal of 60 columns and 24 lines that answers so, and to its stdout."""
    environment = home.environment(None, {"TERM": "xterm-256color", **env})
    command = [*PACKAGE, *words]
    typed = [(b"\x1b[c", answer)] if answer else []
    seen, out = talk(command, environment, home.cwd, 60, 24, typed, stdout=subprocess.PIPE)
    return seen.decode("utf-8").replace("\r\n", "\n"), out.decode()


@pytest.fixture
def shown(home: Home) -> Path:
    path = home.cwd / "photo.png"
    Image.fromarray(photo(300, 200)).save(path)
    return path


def kitty_picture(text: str) -> np.ndarray:
    """The picture that kitty's messages in a text transmit."""
    parts = re.findall(r"\x1b_G([^;\x1b]*);([^\x1b]*)\x1b\\", text)
    data = "".join(payload for keys, payload in parts if "f=100" in keys)
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return np.asarray(image.convert("RGB"))


def test_a_terminal_that_answers_as_kitty_gets_its_protocol_and_stdout_only_the_result(
    home: Home, shown: Path
) -> None:
    seen, out = in_terminal(home, "show", "photo.png", answer=KITTY_ANSWER + PLAIN_ANSWER)
    messages = re.findall(r"\x1b_G([^;\x1b]*)", seen)
    place = dict(pair.split("=") for pair in messages[-1].split(","))
    assert (place["a"], place["U"]) == ("p", "1")
    across, down = int(place["c"]), int(place["r"])
    assert seen.count(PLACEHOLDER) == across * down
    assert across <= 59
    height, width = kitty_picture(seen).shape[:2]
    assert width / height == pytest.approx(1.5, rel=0.1)
    assert out == f"{shown} (300x200, png, {shown.stat().st_size // 1024} KB)\n"


def test_a_terminal_that_says_nothing_of_pictures_gets_half_blocks(home: Home, shown: Path) -> None:
    seen, out = in_terminal(home, "show", "photo.png", answer=PLAIN_ANSWER)
    assert HALF in seen
    assert "\x1b_G" not in seen.replace("\x1b_Gi=31", "")
    assert max(line.count(HALF) for line in seen.splitlines()) <= 59
    assert HALF not in out


def test_a_terminal_with_sixel_gets_sixel(home: Home, shown: Path) -> None:
    seen, _ = in_terminal(home, "show", "photo.png", answer=SIXEL_ANSWER)
    assert re.search(r"\x1bP[\d;]*q.*\x1b\\", seen, re.DOTALL)


def test_a_terminal_that_is_known_is_not_asked(home: Home, shown: Path) -> None:
    seen, _ = in_terminal(home, "show", "photo.png", TERM_PROGRAM="WezTerm")
    assert "\x1b[c" not in seen
    (data,) = re.findall(r"\x1b\]1337;File=inline=1;size=\d+;width=\d+;height=\d+[^:]*:([^\x07]*)\x07", seen)
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (300, 200)


def test_inside_tmux_messages_go_through_it_and_the_letters_do_not(home: Home, shown: Path) -> None:
    seen, _ = in_terminal(home, "show", "photo.png", "--via", "kitty", TMUX="/tmp/tmux,1,0", TERM="tmux")
    outside = re.sub(r"\x1bPtmux;.*?[^\x1b]\x1b\\", "", seen, flags=re.DOTALL)
    assert "_G" not in outside
    assert PLACEHOLDER in outside
    inside = "".join(re.findall(r"\x1bPtmux;(.*?[^\x1b])\x1b\\", seen, re.DOTALL)).replace("\x1b\x1b", "\x1b")
    assert kitty_picture(inside).shape[2] == 3


@pytest.mark.skipif(not HAS_TMUX, reason="tmux is not installed")
def test_in_a_real_tmux_on_a_plain_terminal_half_blocks_are_drawn(home: Home, shown: Path) -> None:
    command = [*PACKAGE, "show", "photo.png"]
    with in_tmux(command, home.environment(None, None), home.cwd, 80, 30) as tmux:
        tmux.read_until(r" KB\)")
        screen = tmux.screen()
    assert sum(HALF in line for line in screen) == 10
    assert str(shown)[-20:] in "".join(screen)


@pytest.mark.skipif(not HAS_TMUX, reason="tmux is not installed")
def test_in_a_real_tmux_a_terminal_behind_it_that_speaks_kitty_gets_its_protocol(
    home: Home, shown: Path
) -> None:
    (home.cwd / "conf").write_text("set -g allow-passthrough on\nset -g status off\n")
    show = f"{sys.executable} -m gpt_image2 show photo.png"
    show = f"echo -READY-; read line; {show}; echo -END-; read line"
    env = home.environment(None, {"TERM": "xterm-256color"})
    answers = [(b"-READY-", b"\r"), (b"\x1b_Gi=31", KITTY_ANSWER), (b"-END-", b"\r")]
    with tmux_command(env, "-T", "RGB", conf="conf") as tmux:
        seen = talk([*tmux, "new-session", show], env, home.cwd, 80, 30, answers)[0].decode("utf-8")
    *sent, (place, nothing) = re.findall(r"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\", seen)[1:]
    fields = [dict(pair.split("=") for pair in keys.split(",")) for keys, _ in sent]
    number = int(fields[0]["i"])
    # Kitty's protocol: a png in pieces of 4096 characters at most, all but the last of whole groups of four.
    assert all(int(each["i"]) == number and each["f"] == "100" for each in fields)
    assert [each["m"] for each in fields] == ["1"] * (len(sent) - 1) + ["0"]
    assert all(len(payload) <= 4096 for _, payload in sent)
    assert all(len(payload) % 4 == 0 for _, payload in sent)
    assert nothing == "" and place.startswith(f"a=p,i={number},c=30,r=10,U=1")
    assert np.array_equal(kitty_picture(seen), photo(300, 200))
    # Then letters of its own, whose colour is the picture's number: tmux moves them like any text.
    red, green, blue = number >> 16 & 255, number >> 8 & 255, number & 255
    assert re.search(rf"\x1b\[[\d;]*38[;:]2[;:]+{red}[;:]{green}[;:]{blue}m{PLACEHOLDER}", seen)
    assert seen.count(PLACEHOLDER) >= 300
    assert HALF not in seen


@pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid is not installed")
def test_in_the_background_it_is_drawn_too_and_nobody_is_stopped(home: Home, shown: Path) -> None:
    shell = f"{sys.executable} -m gpt_image2 show photo.png & wait; echo -END-"
    command = ["setsid", "--ctty", "--wait", "bash", "-mc", shell]
    env = home.environment(None, {"TERM": "xterm-256color"})
    seen = talk(command, env, home.cwd, 80, 30, [(b"\x1b[c", PLAIN_ANSWER)])[0].decode("utf-8")
    assert HALF in seen.partition("-END-")[0]
    assert "Stopped" not in seen


def saved_by(out: str) -> list[str]:
    return [line for line in out.splitlines() if line.startswith("Saved: ")]


GENERATE = ("generate", "a cat", "-o", "cat.png", "--quality", "low")


def test_a_call_draws_what_it_saved_on_stderr_and_stdout_has_only_the_path(
    home: Home, recorder: Recorder
) -> None:
    home.env["GPT_IMAGE2_BASE_URL"] = recorder.base_url
    for flags in (["--show"], ["--show", "--json"]):
        seen, out = in_terminal(home, *GENERATE, *flags, answer=PLAIN_ANSWER)
        (line,) = out.splitlines()
        assert json.loads(line)["ok"] if "--json" in flags else line.startswith(f"Saved: {home.cwd}/cat.png")
        assert seen.count(HALF) == 20 * 40, "24 lines but 4, and a cell is twice as high as wide"
        assert seen.index("HTTP 200") < seen.index(HALF)


@pytest.mark.parametrize("flag", ["--quiet", "--events"])
def test_nothing_is_drawn_where_a_program_listens(home: Home, recorder: Recorder, flag: str) -> None:
    home.env["GPT_IMAGE2_BASE_URL"] = recorder.base_url
    seen, out = in_terminal(home, *GENERATE, "--show", flag)
    assert saved_by(out) and HALF not in seen and "\x1b" not in seen
    done = home.run_program(*PACKAGE, *GENERATE, "--show")
    assert done.code == 0 and done.saved and "\x1b" not in done.stdout + done.stderr


def test_what_cannot_be_drawn_is_a_warning_and_the_call_is_as_good_as_before(
    home: Home, recorder: Recorder
) -> None:
    home.env["GPT_IMAGE2_BASE_URL"] = recorder.base_url
    recorder.answer = lambda _: images(png(64, 64).replace(b"IDAT", b"IDOT"))
    seen, out = in_terminal(home, *GENERATE, "--show", answer=PLAIN_ANSWER)
    assert saved_by(out) and HALF not in seen
    assert "the picture is not shown: cannot read picture" in seen


def test_the_script_alone_says_what_to_install_before_it_sends(home: Home, recorder: Recorder) -> None:
    home.script = SCRIPT
    done = home.run(*GENERATE, "--show", base_url=recorder.base_url)
    assert (done.code, recorder.requests) == (2, [])
    assert done.stderr.endswith(f"install it: {install_line('pictures')}\n")


def test_without_a_terminal_nothing_is_drawn_and_that_is_said(desk: Desk) -> None:
    desk.save("photo.png", photo(30, 20))
    done = desk.run("show", "photo.png")
    assert done.code == 0
    assert "standard error is no terminal: nothing was drawn" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert desk.ok("show", "photo.png")["method"] == "none"


def test_what_is_no_picture_is_one_line(desk: Desk) -> None:
    desk.path("a.png").write_bytes(b"nothing")
    assert "cannot read picture a.png" in desk.run("show", "a.png").error


@pytest.mark.parametrize(
    "env, answer, method",
    [
        ({"TERM": "xterm-kitty"}, "", "kitty"),
        ({"TERM_PROGRAM": "ghostty 1.2"}, "", "kitty"),
        ({"TERM_PROGRAM": "WezTerm 20240203"}, "", "iterm"),
        ({"TERM_PROGRAM": "iTerm.app"}, "", "iterm"),
        ({"LC_TERMINAL": "iTerm2"}, "", "iterm"),
        ({"TERM": "xterm"}, "\x1b_Gi=31;OK\x1b\\\x1b[?62c", "kitty"),
        ({"TERM": "xterm"}, "\x1b[?62;4c", "sixel"),
        ({"TERM": "xterm"}, "\x1b[?64;14;44c", "blocks"),
        ({}, "", "blocks"),
    ],
)
def test_what_a_terminal_takes_is_told_by_its_environment_or_its_answer(
    env: dict[str, str], answer: str, method: str
) -> None:
    assert method_for(env, answer) == method


def test_a_picture_is_never_wider_or_higher_than_it_may_be() -> None:
    for size in ((2000, 100), (100, 2000), (1, 1), (700, 700)):
        lines = drawn(Image.new("RGBA", size, (9, 9, 9, 99)), "blocks", 40, 10).splitlines()
        assert len(lines) <= 10
        assert max(line.count(HALF) for line in lines) <= 40


def test_a_message_through_tmux_has_its_escapes_doubled() -> None:
    assert through_tmux("\x1b_Ga=q\x1b\\") == "\x1bPtmux;\x1b\x1b_Ga=q\x1b\x1b\\\x1b\\"
