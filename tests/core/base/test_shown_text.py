"""Foreign text on a terminal: what could steer it or hide is visible, and ordinary text is as it was."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image2.core.base.redact import printable, show

ANY = st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=60)


@pytest.mark.parametrize(
    "text, shown",
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\U000e0041\U000e0042", r"\U000e0041\U000e0042"),
        ("half \ud800 a pair", r"half \ud800 a pair"),
        ("one\r\nSaved: two\n\n\tthree", "one Saved: two three"),
        ("one\u2028two\x85three\x0bfour", "one two three four"),
    ],
)
def test_control_characters_are_shown_as_escapes_and_line_ends_as_a_blank(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain ascii, with  two blanks and \\ a backslash",
        "Grüße, Łódź, naïve, e\u0301",
        "图片　已保存，额度",
        "画像を保存しました 葛\U000e0100",
        "שלום עולם",
        "مرحبا بالعالم، می\u200cخواهم",
        "क्\u200dष हिन्दी",
        "ภาษาไทย",
        "👩\u200d👩\u200d👧 ❤\ufe0f 🇩🇪",
        "C:\\Users\\x1b\\a.png",
        "10\u00a0000\u202f€ soft\u00adhyphen",
    ],
)
def test_ordinary_text_of_every_script_is_left_alone(text: str) -> None:
    assert printable(text) == text


@given(ANY)
def test_property_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = printable(text)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [char for char in shown if unicodedata.bidirectional(char) in BIDI_CONTROLS]
    assert printable(shown) == shown
    shown.encode("utf-8")


BIDI_CONTROLS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@given(ANY, st.integers(2, 40))
def test_property_what_is_shown_is_bounded(text: str, limit: int) -> None:
    assert len(show(text, limit=limit)) <= limit


def test_a_megabyte_of_anything_is_shown_in_no_time() -> None:
    for piece in ("  \n", "\x1b", " ", "\r", "\ud800", "a \u2028 "):
        assert len(show(piece * (1_000_000 // len(piece)))) <= 500
