"""Records behave as frozen dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, Callable

import pytest

from gpt_image2.core.base.outcome import Result, SavedImage, Usage
from gpt_image2.core.base.record import replace

IMAGE = SavedImage("cat.png", 3, "png", 1, 2, "ab")


def test_fields_are_given_by_place_or_name_and_the_rest_are_defaults() -> None:
    usage = Usage(1, 2, total_tokens=3, text_tokens=4)
    assert (usage.input_tokens, usage.total_tokens, usage.text_tokens, usage.image_tokens) == (1, 3, 4, None)


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(1, 2),
        lambda kind: kind(1, 2, 3, 4, 5, 6, 7, 8),
        lambda kind: kind(1, 2, 3, input_tokens=1),
        lambda kind: kind(1, 2, 3, colour="red"),
    ],
    ids=["missing", "too many", "twice", "unknown"],
)
def test_values_that_do_not_fit_the_fields_are_refused(make: Callable[[Any], object]) -> None:
    with pytest.raises(TypeError, match="Usage takes each of these once"):
        make(Usage)


def test_equal_means_the_same_kind_with_the_same_values() -> None:
    assert Usage(1, 2, 3) == Usage(1, 2, 3) != Usage(1, 2, 4)
    assert hash(Usage(1, 2, 3)) == hash(Usage(1, 2, 3))
    assert Usage(1, 2, 3) != (1, 2, 3, None, None, 0, 0)


def test_it_shows_its_fields() -> None:
    assert repr(Usage(1, 2, 3)).startswith("Usage(input_tokens=1, output_tokens=2, total_tokens=3, text_tok")


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_it_can_be_copied_and_pickled(copied: Callable[[Result], Result]) -> None:
    result = Result("generate", "gpt-image-2", (IMAGE,), Usage(1, 2, 3))
    assert copied(result) == result and type(copied(result)) is Result


def test_nothing_can_be_deleted_or_added() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        del IMAGE.path
    with pytest.raises(dataclasses.FrozenInstanceError):
        IMAGE.colour = "red"  # type: ignore[attr-defined]


def test_the_functions_of_dataclasses_take_it() -> None:
    result = Result("generate", "gpt-image-2", (IMAGE,))
    assert dataclasses.replace(result, attempts=2) == Result("generate", "gpt-image-2", (IMAGE,), attempts=2)
    assert dataclasses.asdict(result)["images"][0]["path"] == "cat.png"
    assert [field.name for field in dataclasses.fields(Usage)][:2] == ["input_tokens", "output_tokens"]


def test_a_copy_has_the_changed_values_and_no_field_that_its_kind_has_not() -> None:
    copied = replace(IMAGE, path="dog.png")
    assert (copied, IMAGE.path) == (SavedImage("dog.png", 3, "png", 1, 2, "ab"), "cat.png")
    assert list(vars(copied)) == list(vars(IMAGE)) and hash(copied) != hash(IMAGE)
    with pytest.raises(TypeError, match="SavedImage takes each of these once"):
        replace(IMAGE, colour="red")
