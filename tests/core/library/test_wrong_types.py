"""Whatever is of a wrong type, or has a value that it cannot have, is told before anything is sent, in the
library's own words."""

from __future__ import annotations

import enum
import io
import re
from typing import Any, Dict

import pytest
from asking import client
from harness import Home
from pictures import png
from servers import Recorder

import gpt_image2
from gpt_image2 import AsyncClient, Client, UsageError

#: What is given, and what the message names.
WRONG: Dict[str, Dict[str, Any]] = {
    "prompt": {
        "none": None,
        "bytes": b"a cat",
        "number": 7,
        "list": ["a", "cat"],
        "blank": "  ",
        "nul": "a\0b",
    },
    "model": {"number": 2, "empty": "", "list": ["gpt-image-2"]},
    "n": {"text": "2", "fraction": 2.0, "bool": True, "none left": 0, "many": 11, "list": [1]},
    "size": {"tuple": (1024, 1024), "number": 1024, "no size": "big", "illegal": "5x5"},
    "quality": {"number": 1, "bool": True},
    "complexity": {"number": 1},
    "output_format": {"number": 1, "unknown": "bmp"},
    "output_compression": {"text": "70", "more": 101},
    "frame_count": {"text": "3"},
    "frame_duration_ms": {"fraction": 0.5},
    "svg_model": {"number": 1},
    "svg_effort": {"bool": False},
    "background": {"tuple": (0, 0, 0)},
    "moderation": {"bool": False},
    "user": {"number": 17},
    "safety_identifier": {"bytes": b"x"},
    "partial_images": {"text": "1", "alone": 1, "many": 9},
    "extra": {"list": [("seed", 7)], "text": "seed=7", "keys": {1: 2}, "own": {"n": 2}},
    "output": {"number": 1, "empty": "", "nul": "a\0b", "bytes": b"cat.png", "text file": io.StringIO()},
    "no_clobber": {"text": "yes", "number": 1},
    "save_partials": {"number": 0},
    "max_cost_usd": {"text": "0.5", "bool": True, "nan": float("nan"), "too little": 0.0001},
    "no_wait": {"text": "no"},
    "stream": {"text": "true"},
}
WRONG_INPUTS = {
    "none": None,
    "number": 7,
    "dict": {"image": "a.png"},
    "none of them": [],
    "a none among them": [None],
    "missing": "missing.png",
    "a text file": io.StringIO("x"),
    "at its end": io.BytesIO(),
    "no image": b"x",
    "too many": [png()] * 17,
    "a path of bytes": [[b"x"]],
}
WRONG_CLIENTS: Dict[str, Any] = {
    "timeout_s": "60",
    "retries": 2.5,
    "retry_ambiguous": "no",
    "max_download_bytes": "1 MB",
    "waits_for_server": 1,
    "base_url": 80,
    "api_key": 5,
    "profile": ["a"],
    "config": 3,
    "env": [("HOME", "/")],
    "observer": "print",
    "history": "off",
}


class Quality(str, enum.Enum):
    LOW = "low"


def is_in_our_words(error: UsageError) -> bool:
    """No flag of the command line is in it."""
    return bool(error.hint) and not re.search(r"(?<!\w)--?[a-z]", f"{error.message} {error.hint}")


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values.values()],
    ids=[f"{name}: {kind}" for name, values in WRONG.items() for kind in values],
)
def test_a_wrong_argument_is_a_usage_error_and_nothing_is_sent(
    name: str, value: Any, home: Home, recorder: Recorder
) -> None:
    maker = client(home, recorder.base_url)
    arguments = {"prompt": "a cat", "quality": "low", name: value}
    with pytest.raises(UsageError) as caught:
        maker.generate(arguments.pop("prompt"), **arguments)
    assert is_in_our_words(caught.value), (caught.value.message, caught.value.hint)
    assert caught.value.result is None and recorder.requests == [] and curl_is_unused(home)


@pytest.mark.parametrize("image", WRONG_INPUTS.values(), ids=WRONG_INPUTS)
def test_a_wrong_input_is_a_usage_error_and_nothing_is_sent(
    image: Any, home: Home, recorder: Recorder
) -> None:
    with pytest.raises(UsageError) as caught:
        client(home, recorder.base_url).edit(image, "a hat")
    assert is_in_our_words(caught.value), (caught.value.message, caught.value.hint)
    assert recorder.requests == [] and home.leftovers() == []


@pytest.mark.parametrize("name", ["mask", "markup"])
def test_what_lies_beside_an_input_is_looked_at_as_closely(name: str, home: Home, recorder: Recorder) -> None:
    for value in (7, io.StringIO(), b"x", ["m.png"]):
        with pytest.raises(UsageError) as caught:
            client(home, recorder.base_url).edit(png(), "a hat", **{name: value})
        assert name in caught.value.message
    assert recorder.requests == []


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(("name", "value"), WRONG_CLIENTS.items(), ids=WRONG_CLIENTS)
def test_a_client_is_not_made_with_a_wrong_argument(name: str, value: Any, kind: Any, home: Home) -> None:
    arguments: Dict[str, Any] = {"env": home.environment(None), name: value}
    with pytest.raises(UsageError) as caught:
        kind(**arguments)
    assert f"`{name}`" in caught.value.message and is_in_our_words(caught.value)


def test_a_misspelt_name_is_a_type_error_that_says_what_was_meant(home: Home, recorder: Recorder) -> None:
    maker: Any = client(home, recorder.base_url)
    with pytest.raises(TypeError, match="did you mean 'quality'"):
        maker.generate("a cat", qualty="low")
    with pytest.raises(TypeError, match=r"generate\(\) has no argument 'mask'"):
        maker.generate("a cat", mask=png())
    with pytest.raises(TypeError, match="did you mean 'timeout_s'"):
        kind: Any = Client
        kind(timeout=5)
    with pytest.raises(TypeError):
        maker.batch(["a cat"], home.cwd / "out", concurency=2)
    assert recorder.requests == []


@pytest.mark.parametrize(
    "jobs",
    [
        "a cat",
        b"a cat",
        7,
        None,
        [],
        [7],
        [None],
        [{"prompt": b"x"}],
        [{"prompt": "a", "image": 7}],
        {"prompt": "a"},
    ],
)
def test_jobs_that_are_none_are_refused_before_anything_is_sent(
    jobs: Any, home: Home, recorder: Recorder
) -> None:
    with pytest.raises(UsageError) as caught:
        list(client(home, recorder.base_url).batch(jobs, home.cwd / "out"))
    assert is_in_our_words(caught.value), (caught.value.message, caught.value.hint)
    assert recorder.requests == [] and home.leftovers() == []


@pytest.mark.parametrize(
    "call",
    [
        lambda maker: maker.history(limit=0),
        lambda maker: maker.history(since="soon"),
        lambda maker: maker.history(since=7),
        lambda maker: maker.spend("week"),
        lambda maker: maker.estimate(size="5x5"),
        lambda maker: maker.estimate(7),
        lambda maker: maker.estimate(input_images="2"),
    ],
)
def test_what_is_asked_of_the_past_is_looked_at_too(call: Any, home: Home, recorder: Recorder) -> None:
    with pytest.raises(UsageError) as caught:
        call(client(home, recorder.base_url))
    assert caught.value.hint


def test_what_is_worth_the_same_is_taken(home: Home, recorder: Recorder) -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    from decimal import Decimal

    given: Any = {"n": Two(), "quality": Quality.LOW, "max_cost_usd": Decimal("1.5"), "size": None}
    with pytest.raises(gpt_image2.PartialError):
        client(home, recorder.base_url).generate("a cat", **given)
    assert recorder.only.json == {"model": "gpt-image-2", "prompt": "a cat", "n": 2, "quality": "low"}


def curl_is_unused(home: Home) -> bool:
    """Nothing of a call is in the state folder."""
    return not home.ledger.exists() and not list(home.rescued.glob("*"))
