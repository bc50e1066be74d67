"""Which sizes are legal, what a name or a ratio stands for, and what an image costs."""

from __future__ import annotations

import math
from typing import Tuple

import pytest
from harness import Home
from hypothesis import given
from hypothesis import strategies as st
from servers import Recorder

from gpt_image2.core.api.cost import cost_of_usage, estimate_cost, output_tokens
from gpt_image2.core.api.ratios import nearest_legal_size
from gpt_image2.core.api.sizes import parse_size, resolve_size, size_problem
from gpt_image2.core.base.outcome import Usage

EDGES = st.integers(min_value=1, max_value=20_000)


def is_legal(width: int, height: int) -> bool:
    """The API's rules, written down once more."""
    return (
        width % 16 == 0
        and height % 16 == 0
        and max(width, height) <= 3840
        and max(width, height) <= 3 * min(width, height)
        and 655_360 <= width * height <= 8_294_400
    )


@given(EDGES, EDGES)
def test_property_a_size_is_refused_just_where_the_rules_refuse_it(width: int, height: int) -> None:
    assert (size_problem(width, height) is None) == is_legal(width, height)


@given(st.integers(min_value=1, max_value=240), st.integers(min_value=1, max_value=240))
def test_property_a_size_on_the_grid_is_refused_just_where_the_rules_refuse_it(
    across: int, down: int
) -> None:
    assert (size_problem(16 * across, 16 * down) is None) == is_legal(16 * across, 16 * down)


@given(
    st.floats(min_value=1e-3, max_value=1e6, allow_nan=False),
    st.floats(min_value=1e-3, max_value=1e6, allow_nan=False),
)
def test_property_the_nearest_legal_size_is_always_legal(width: float, height: float) -> None:
    assert is_legal(*nearest_legal_size(width, height))


@given(st.integers(min_value=1, max_value=240), st.integers(min_value=1, max_value=240))
def test_property_a_legal_size_is_nearest_to_itself(across: int, down: int) -> None:
    size = (16 * across, 16 * down)
    if is_legal(*size):
        assert nearest_legal_size(*size) == size


@given(EDGES, EDGES)
def test_property_the_nearest_legal_size_does_not_know_left_from_up(width: int, height: int) -> None:
    wide, high = nearest_legal_size(width, height)
    assert nearest_legal_size(height, width) in ((high, wide), (wide, high))


@given(
    st.integers(min_value=1, max_value=999_999),
    st.integers(min_value=1, max_value=999_999),
    st.sampled_from(["", "@1k", "@2k", "@4k"]),
)
def test_property_a_ratio_resolves_to_a_legal_size_that_resolves_to_itself(
    across: int, down: int, tier: str
) -> None:
    resolved = resolve_size(f"{across}:{down}{tier}")
    assert resolved is not None
    size = parse_size(resolved)
    assert size is not None and is_legal(*size)
    assert resolve_size(resolved) == resolved


@given(st.text(max_size=20))
def test_property_any_text_is_resolved_once_and_for_all_or_not_at_all(text: str) -> None:
    resolved = resolve_size(text)
    assert resolved is None or resolve_size(resolved) == resolved


@given(st.tuples(EDGES, EDGES))
def test_property_a_ratio_within_the_rules_is_kept_but_for_the_grid(edges: Tuple[int, int]) -> None:
    wide, high = nearest_legal_size(*edges)
    wished = min(max(edges[0] / edges[1], 1 / 3), 3.0)
    assert abs(math.log(wide / high / wished)) < 0.06


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("square", "1024x1024"),
        ("landscape", "1536x1024"),
        ("portrait", "1024x1536"),
        ("2k", "2048x1152"),
        ("2k-portrait", "1152x2048"),
        ("4k", "3840x2160"),
        ("4k-portrait", "2160x3840"),
        ("SQUARE", "1024x1024"),
        ("1:1", "1024x1024"),
        ("16:9@4k", "3840x2160"),
        ("16:9@2k", "2048x1152"),
        ("9:16@4k", "2160x3840"),
        ("3:1", "1776x592"),
        ("1536X1024", "1536x1024"),
        ("1536×1024", "1536x1024"),
        ("auto", "auto"),
    ],
)
def test_a_size_by_name_or_ratio_is_sent_as_pixels(home: Home, name: str, size: str) -> None:
    run = home.run("generate", "a cat", "--size", name, "--dry-run", "--json")
    assert f'"size": "{size}"' in run.json["body"], run.stderr


@pytest.mark.parametrize(
    ("size", "nearest", "covering"),
    [
        ("1000x1000", "1008x1008", "1008x1008"),
        ("1792x936", "1792x944", "1792x944"),
        ("1200x630", "1200x624", "1200x640"),
        ("1000x400", "1280x512", "1280x512"),
        ("512x512", "816x816", "816x816"),
        ("4096x4096", "2880x2880", None),
        ("7680x4320", "3840x2160", None),
        ("3840x1024", "3440x1152", "3840x1280"),
        ("0x0", None, None),
        ("999999x16", None, None),
    ],
)
def test_an_illegal_size_is_refused_before_paying_and_legal_ones_are_named(
    home: Home, recorder: Recorder, size: str, nearest: str | None, covering: str | None
) -> None:
    run = home.run("generate", "a cat", "--size", size, "--json", base_url=recorder.base_url)
    assert run.code == 2
    assert recorder.requests == []
    error = run.json["error"]
    assert error["code"] == "invalid_size"
    named, _, rest = error["hint"].rpartition("the nearest legal size is ")[2].partition("; ")
    assert is_legal(*(parse_size(named) or (0, 0)))
    assert nearest in (None, named)
    expected = "" if covering is None else f"{covering} covers it, and --exact {size} cuts that to size"
    assert rest == expected


@pytest.mark.parametrize(
    "size", ["big", "1024", "1024x", "x1024", "-16x16", "16:0", "0:1", "16:9@8k", "1024x1024x3", "", "١٦x١٦"]
)
def test_a_size_that_is_none_is_refused(home: Home, recorder: Recorder, size: str) -> None:
    run = home.run("generate", "a cat", f"--size={size}", base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert len(run.stderr.splitlines()) == 1 and "16:9" in run.stderr


def test_an_illegal_size_of_an_unknown_model_is_passed_through(home: Home) -> None:
    run = home.run("generate", "a cat", "--size", "100x100", "--model", "other", "--dry-run", "--json")
    assert '"size": "100x100"' in run.json["body"]


def test_a_size_above_2560x1440_is_called_experimental(home: Home) -> None:
    big = home.run("generate", "a cat", "--size", "4k", "--dry-run", "--json")
    small = home.run("generate", "a cat", "--size", "2560x1440", "--dry-run", "--json")
    assert any("experimental" in text for text in big.json["warnings"])
    assert small.json["warnings"] == []


OFFICIAL_TABLE = [
    (1024, 1024, 196, 1756, 7024),
    (1536, 1024, 158, 1372, 5488),
    (1024, 1536, 158, 1372, 5488),
    (3840, 2160, 371, 3336, 13342),
]


@pytest.mark.parametrize("row", OFFICIAL_TABLE)
def test_the_official_table_of_output_tokens_is_reproduced(row: Tuple[int, int, int, int, int]) -> None:
    width, height, *tokens = row
    assert [output_tokens(width, height, quality) for quality in ("low", "medium", "high")] == tokens


@pytest.mark.parametrize("row", OFFICIAL_TABLE)
def test_an_estimate_is_the_tokens_of_the_table_and_of_the_prompt_by_their_prices(
    row: Tuple[int, int, int, int, int],
) -> None:
    width, height, *tokens = row
    for quality, count in zip(("low", "medium", "high"), tokens):
        estimate = estimate_cost("gpt-image-2", "x" * 40, f"{width}x{height}", quality, 3)
        assert estimate is not None
        assert estimate.low_usd == estimate.high_usd == pytest.approx(3 * (count * 30 + 10 * 5) / 1e6)


def test_an_automatic_size_or_quality_is_estimated_from_cheapest_to_dearest() -> None:
    estimate = estimate_cost("gpt-image-2", "", "auto", "auto", 1)
    assert estimate is not None
    assert (estimate.low_usd, estimate.high_usd) == (
        pytest.approx(158 * 30 / 1e6),
        pytest.approx(7024 * 30 / 1e6),
    )


def test_previews_cost_a_hundred_tokens_each() -> None:
    plain = estimate_cost("gpt-image-2", "", "1024x1024", "low", 1)
    three = estimate_cost("gpt-image-2", "", "1024x1024", "low", 1, partial_images=3)
    assert plain and three
    assert three.low_usd - plain.low_usd == pytest.approx(300 * 30 / 1e6)


def test_the_price_of_another_model_is_never_guessed() -> None:
    assert estimate_cost("gpt-image-9", "", "1024x1024", "low", 1) is None
    assert cost_of_usage("gpt-image-9", Usage(1, 1, 2)) is None


def test_the_cost_of_an_answer_is_counted_by_kind_of_token() -> None:
    usage = Usage(
        input_tokens=1_000_000,
        output_tokens=1_000_000,
        total_tokens=2_000_000,
        text_tokens=400_000,
        image_tokens=600_000,
        cached_text_tokens=100_000,
        cached_image_tokens=200_000,
    )
    parts = 0.3 * 5 + 0.1 * 1.25 + 0.4 * 8 + 0.2 * 2 + 1.0 * 30
    assert cost_of_usage("gpt-image-2", usage) == pytest.approx(parts)
