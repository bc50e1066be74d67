"""Numbers, dates and JSON from a server: what can be true is read, all else is absent, and nothing raises."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Callable, List, Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gpt_image2.core.api.request import parse_extra
from gpt_image2.core.base.untrusted import count_of, duration_s, first_json, moment_s, whole_number

HUGE = "9" * 5000
#: Text as servers send it where a number is due, and worse.
numbers_in_words = st.one_of(
    st.text(max_size=40),
    st.text("0123456789.e+-smhd ,²٣", max_size=200),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from([HUGE, HUGE + "s", "1" * 45 + "!", "1e999", "nan", "inf", "-1", "1h" * 20_000]),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("0", 0),
        ("007", 7),
        ("1000", 1000),
        ("1001", None),
        ("", None),
        (" 1", None),
        ("+1", None),
        ("-1", None),
        ("1.0", None),
        ("1_0", None),
        ("²", None),
        ("٣", None),
        (HUGE, None),
    ],
)
def test_only_ascii_digits_up_to_a_bound_are_a_whole_number(text: str, expected: Optional[int]) -> None:
    assert whole_number(text, 1000) == expected


@given(numbers_in_words, st.integers(0, 10**15))
def test_property_a_whole_number_is_one_that_its_digits_write_and_within_its_bound(
    text: str, most: int
) -> None:
    number = whole_number(text, most)
    if number is None:
        assert not re.fullmatch("[0-9]{1,18}", text) or int(text) > most
    else:
        assert 0 <= number <= most and int(text) == number


@pytest.mark.parametrize(
    "text, expected",
    [
        ("7", 7),
        ("1.5", 1.5),
        ("240ms", 0.24),
        ("6m0s", 360),
        ("1h2m3.5s", 3723.5),
        ("2 minutes, 5 seconds", 125),
        ("1 DAY", 86_400),
        ("1e3", 1000),
        ("1e9s", 1e5),
        (HUGE, 1e5),
        (HUGE + "s", 1e5),
        ("1" * 45 + "!", None),
        ("", None),
        ("s", None),
        ("-3", None),
        ("nan", None),
        ("²s", None),
        ("٣s", None),
        ("5 apples", None),
    ],
)
def test_a_length_of_time_is_read_whole_and_kept_within_its_bound(
    text: str, expected: Optional[float]
) -> None:
    assert duration_s(text, 1e5) == (None if expected is None else pytest.approx(expected))


def test_what_follows_a_length_of_time_in_a_sentence_is_passed_over() -> None:
    assert duration_s("5 apples", 1e5, whole=False) == 5
    assert duration_s("2m, or never", 1e5, whole=False) == 120
    assert duration_s("soon", 1e5, whole=False) is None


@given(numbers_in_words, st.floats(0, 1e9), st.booleans())
def test_property_a_length_of_time_is_finite_not_negative_and_bounded(
    text: str, most: float, whole: bool
) -> None:
    seconds = duration_s(text, most, whole)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= most)


@pytest.mark.parametrize("value", [True, "5", None, [], -1, 1.5, 101, float("nan"), float("inf"), 10**400])
def test_what_is_no_count_is_absent(value: object) -> None:
    assert count_of(value, 100) is None


def test_a_count_may_be_written_as_a_float() -> None:
    assert [count_of(value, 100) for value in (0, 5, 5.0, 100)] == [0, 5, 5, 100]


@pytest.mark.parametrize("value", [True, "5", None, -1, 1e300, float("nan"), float("inf"), 10**400])
def test_a_moment_that_no_date_can_hold_is_absent(value: object) -> None:
    assert moment_s(value) is None
    assert moment_s(1_764_000_000) == 1_764_000_000.0


@given(json_values)
@example("\ud800")
def test_property_counts_and_moments_of_any_json_are_true_or_absent(value: object) -> None:
    assert count_of(value, 9) in (None, *range(10))
    moment = moment_s(value)
    assert moment is None or 0 <= moment < 1e12


@given(json_values, st.sampled_from(["", " <!-- edge -->", "\n\n", "}", "\x00"]))
def test_property_json_is_read_as_it_was_written_whatever_follows(value: Any, after: str) -> None:
    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    bounded = _without_long_numbers(finite)
    assert first_json("\n " + json.dumps(value) + after) == bounded or isinstance(value, (int, float))


def _without_long_numbers(value: Any) -> Any:
    if isinstance(value, int) and len(str(value)) > 18:
        return None
    if isinstance(value, list):
        return [_without_long_numbers(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _without_long_numbers(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


@given(st.text(max_size=30) | st.text('{}[]",:0123456789.eE+-\\u', max_size=30))
def test_property_no_text_raises_when_it_is_read_as_json(text: str) -> None:
    first_json(text)


def test_numbers_that_are_none_cost_only_themselves() -> None:
    text = f'{{"a": {HUGE}, "b": NaN, "c": -Infinity, "d": 1e999, "e": 5}}'
    assert first_json(text) == {"a": None, "b": None, "c": None, "d": None, "e": 5}


DEEP: List[Callable[[int], str]] = [lambda depth: "[" * depth, lambda depth: "[" * depth + "]" * depth]


@pytest.mark.parametrize("deep", DEEP)
def test_json_that_nests_without_end_is_none(deep: Callable[[int], str]) -> None:
    assert first_json(deep(200_000)) is None
    assert first_json('{"a":' * 200_000) is None


def test_a_value_of_param_that_nests_without_end_is_a_text() -> None:
    assert parse_extra("x=" + "[" * 200_000) == ("x", "[" * 200_000)
