"""The line that changes on a terminal while a command waits."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional

import pytest
from harness import Home
from hypothesis import given
from hypothesis import strategies as st
from servers import Recorder
from terminals import HAS_TMUX, in_tmux, open_terminal, resize

from gpt_image2.core.telling.live_line import cells_of, glyphs_of, live_text

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no pseudo terminals")
#: How long a call takes is told from its beginning: what a busy machine takes to send it is added to 70 s.
GENERATE = ("generate", "a cat", "-o", "cat", "--quality", "low")
BLOCKS, ASCII = ("█", "░"), ("#", "-")
DRAWN = re.compile("\r\x1b\\[J\x1b\\[\\?7l([^\x1b]*)\x1b\\[\\?7h\r")


class Watched:
    """The script on a terminal of its own."""

    def __init__(self, home: Home, columns: int, *words: str, base_url: str, **env: str) -> None:
        home.env.update({"TERM": "xterm", **env})
        self._ours, self._theirs = open_terminal(columns)
        self._process = home.start(*words, base_url=base_url, stderr=self._theirs)
        self.text = ""

    @property
    def lines(self) -> List[str]:
        """What the line was, each time it was drawn."""
        return DRAWN.findall(self.text)

    def read_until(self, pattern: str) -> str:
        """The last that was drawn when something has been said."""
        while not re.search(pattern, self.text):
            self.text += os.read(self._ours, 4096).decode()
        return self.lines[-1] if self.lines else ""

    def resize(self, columns: int) -> None:
        """Makes the window smaller or larger."""
        resize(self._theirs, columns)

    def read_to_end(self) -> Optional[bytes]:
        """All of it; what came on stdout."""
        os.close(self._theirs)
        try:
            while True:
                self.text += os.read(self._ours, 4096).decode()
        except OSError:  # Linux tells the end of a terminal by an error
            os.close(self._ours)
        return self._process.communicate()[0]


@pytest.mark.parametrize(
    "columns, looks",
    [
        (80, r"\d+ s of about 7\d s [█░]{30}"),
        (40, r"\d+ s of about 7\d s [█░]{20,21}"),
        (20, r"\d+ s of about 7\d s"),
        (9, r"\d s of a"),
    ],
)
def test_a_waiting_call_shows_its_time_and_a_bar_within_the_width(
    home: Home, recorder: Recorder, columns: int, looks: str
) -> None:
    recorder.hold()
    watched = Watched(home, columns, *GENERATE, base_url=recorder.base_url)
    line = watched.read_until("\x1b\\[\\?7h")
    recorder.release()
    stdout = watched.read_to_end()
    assert re.fullmatch(looks, line)
    assert cells_of(line) < columns
    assert stdout is not None and stdout.startswith(b"Saved: ")
    assert watched.text.rindex("\x1b[J") > watched.text.rindex("\x1b[?7h"), "the line is left behind"


def test_a_window_that_is_made_smaller_gets_a_shorter_line(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    watched = Watched(home, 80, *GENERATE, base_url=recorder.base_url)
    watched.read_until("░{20}")
    watched.resize(26)
    watched.read_until("about 7\\d s [█░]{6,7}\x1b")
    recorder.release()
    watched.read_to_end()
    assert len(watched.lines) >= 2


@pytest.mark.skipif(not HAS_TMUX, reason="tmux is not installed")
@pytest.mark.parametrize("smaller", [40, 20])
def test_nothing_of_a_wrapped_line_is_left_in_tmux(home: Home, recorder: Recorder, smaller: int) -> None:
    recorder.hold()
    env = home.environment(recorder.base_url, None)
    with in_tmux(home.command(*GENERATE), env, home.cwd, 80, 12, "one\ntwo\nthree\n") as tmux:
        tmux.read_until(r"of about 7\d s ░{20}")
        before = tmux.screen()
        tmux.resize(smaller, 12)
        wrapped = tmux.screen()
        tmux.read_until(r"of about 7\d s")
        screen = tmux.screen()
        recorder.release()
        tmux.read_until("HTTP 200")
        after = tmux.screen()
    assert before[0] == "one" and wrapped[-1].startswith("░"), "the window has wrapped nothing"
    assert not any("░" in line or "of about" in line for line in screen[:-1])
    assert re.fullmatch(r"\d+ s of about 7\d s( [█░]+)?", screen[-1])
    assert not any("░" in line for line in after)


def test_a_console_without_block_characters_gets_ascii(
    home: Home, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.hold()
    command = [word for word in home.command(*GENERATE) if word != "-I"]  # which takes no encoding
    monkeypatch.setattr(home, "command", lambda *_: command)
    watched = Watched(home, 60, base_url=recorder.base_url, PYTHONIOENCODING="ascii")
    line = watched.read_until(r"\x1b\[\?7h")
    recorder.release()
    watched.read_to_end()
    assert re.fullmatch(r"\d+ s of about 7\d s [#-]{30}", line)
    assert [glyphs_of(encoding) for encoding in ("cp437", "latin-1", None)] == [BLOCKS, ASCII, ASCII]


@pytest.mark.parametrize(
    "env, flag",
    [({"TERM": "dumb"}, "--json"), ({}, "--quiet"), ({}, "--events"), ({"NO_COLOR": "1"}, "--json")],
)
def test_where_no_line_is_wanted_none_is_drawn(
    home: Home, recorder: Recorder, env: Dict[str, str], flag: str
) -> None:
    watched = Watched(home, 80, *GENERATE, flag, base_url=recorder.base_url, **env)
    watched.read_to_end()
    assert "\x1b" not in watched.text


def test_previews_are_marked_where_they_came(home: Home) -> None:
    assert live_text(["20 s"], 0.5, [0.25, 0.5], 25, ASCII) == "20 s #####|####|---------"


def test_where_nobody_knows_how_long_it_takes_there_is_no_bar() -> None:
    assert live_text(["9 s", "in progress"], None, (), 30, BLOCKS) == "9 s in progress"
    assert live_text(["9 s", "in progress"], None, (), 10, BLOCKS) == "9 s"


@pytest.mark.parametrize(
    "cells, line",
    [
        (79, "3/12 done ████░░░░░░░░░░░ 1 failed, 4 in flight, $0.12 spent, about 3 min to go"),
        (40, "3/12 done ██░░░░░░ 1 failed, 4 in flight"),
        (20, "3/12 done ██░░░░░░░░"),
        (12, "3/12 done"),
    ],
)
def test_what_has_no_room_is_left_out_and_the_bar_takes_the_rest(cells: int, line: str) -> None:
    parts = ["3/12 done", "1 failed", "4 in flight", "$0.12 spent", "about 3 min to go"]
    assert live_text(parts, 0.25, (), cells, BLOCKS) == line


@given(
    parts=st.lists(st.text(max_size=30), min_size=1, max_size=5),
    share=st.none() | st.floats(0, 2),
    marks=st.lists(st.floats(0, 1), max_size=3),
    cells=st.integers(0, 120),
)
def test_property_a_line_never_takes_more_cells_than_there_are(
    parts: List[str], share: Optional[float], marks: List[float], cells: int
) -> None:
    assert cells_of(live_text(parts, share, marks, cells, BLOCKS)) <= cells


def test_wide_characters_count_two_and_joined_ones_none() -> None:
    assert [cells_of(text) for text in ("abc", "画像", "e\u0301", "a\u200bb")] == [3, 4, 1, 2]
