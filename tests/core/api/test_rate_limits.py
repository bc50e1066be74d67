"""Limits a minute, by headers and by words: those that can be true, whatever a server sends."""

from __future__ import annotations

import math
from typing import Dict, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image2.core.api.rate_limits import limit_in_words, read_rate_limits
from gpt_image2.core.base.events import RateLimit

HUGE = "9" * 5000
VALUES = [HUGE, "1" * 5000 + "!", "1m" * 50_000]
values = st.text("0123456789.smh²٣!- ", max_size=30) | st.sampled_from(VALUES)


def headers(limit: str = "5", remaining: str = "1", reset: str = "12s") -> Dict[str, str]:
    start = "x-ratelimit-"
    return {
        f"{start}limit-requests": limit,
        f"{start}remaining-requests": remaining,
        f"{start}reset-requests": reset,
    }


@pytest.mark.parametrize(
    "given_headers, expected",
    [
        (headers(), (5, 1, 12.0)),
        (headers(reset="6m0s"), (5, 1, 360.0)),
        (headers(reset="1 m 30 s"), (5, 1, 90.0)),
        (headers(reset="1" * 45 + "!"), (5, 1, 0.0)),
        (headers(reset=HUGE + "s"), (5, 1, 0.0)),
        (headers(reset="1790000000"), (5, 1, 0.0)),
        (headers(remaining="900"), (5, 5, 12.0)),
    ],
)
def test_a_limit_is_read_and_a_reset_that_cannot_be_true_is_none(
    given_headers: Dict[str, str], expected: Tuple[int, int, float]
) -> None:
    assert read_rate_limits(given_headers) == (RateLimit("requests", *expected),)


@pytest.mark.parametrize("wrong", [HUGE, "²", "٣", "-1", "", "5.0", "1e3", "five"])
def test_a_limit_that_cannot_be_true_is_absent(wrong: str) -> None:
    assert read_rate_limits(headers(limit=wrong)) == ()
    assert read_rate_limits(headers(remaining=wrong)) == ()


def test_a_limit_of_nothing_is_absent() -> None:
    assert read_rate_limits(headers(limit="0")) == ()


@given(values, values, values)
def test_property_limits_from_any_headers_are_bounded(limit: str, remaining: str, reset: str) -> None:
    for one in read_rate_limits(headers(limit, remaining, reset)):
        assert 0 <= one.remaining <= one.limit <= 10**9
        assert math.isfinite(one.reset_s) and 0 <= one.reset_s <= 86_400


def test_a_limit_in_words_is_read_with_ascii_digits_only() -> None:
    assert limit_in_words("Rate limit reached on images per min (IPM): Limit 5, Used 5") == ("images", 5)
    assert limit_in_words("on requests per minute: Limit: 50") == ("requests", 50)
    assert limit_in_words("on images per min: Limit ٣") is None
    assert limit_in_words("images per min" * 20_000) is None
