from __future__ import annotations

import pytest
from canvases import Desk, photo, subject

from gpt_image2.pictures import open_picture
from gpt_image2.pictures.grounds import BLACK, KEYS, WHITE, key_for, on_ground, onto_other_ground

SPOKEN = {
    "a red car": "green",
    "a red apple": "magenta",
    "roses in a vase": "blue",
    "a frog on a stone": "magenta",
    "FROGS and grass": "magenta",
    "an evergreen tree": "magenta",
    "a green car with pink stripes": "blue",
    "ein grüner Hut": "magenta",
    "una rana verde y rosa": "blue",
    "一只绿色的鸟": "magenta",
    "a vertical banner": "green",
    "a forest by the sea": "magenta",
}


@pytest.mark.parametrize("prompt, name", SPOKEN.items(), ids=SPOKEN)
def test_a_key_is_chosen_of_which_the_prompt_does_not_speak(prompt: str, name: str) -> None:
    assert key_for(prompt).name == name


def test_a_key_is_chosen_away_from_the_colours_of_the_source(desk: Desk) -> None:
    picture = photo() // 3 + 60
    desk.save("plain.png", picture)
    picture[100:150, 100:150] = (30, 200, 60)
    desk.save("greenish.png", picture)
    picture[10:60, 100:150] = (200, 40, 190)
    desk.save("both.png", picture)
    found = {
        name: key_for("a hat", [open_picture(str(desk.path(name)))]).name
        for name in ("plain.png", "greenish.png", "both.png")
    }
    assert found == {"plain.png": "green", "greenish.png": "magenta", "both.png": "blue"}
    assert key_for("a pink hat", [open_picture(str(desk.path("greenish.png")))]).name == "blue"


def test_the_best_key_comes_first(desk: Desk) -> None:
    errors: list[float] = []
    for key in KEYS:
        desk.save("one.png", subject().on(key.rgb))
        desk.ok("cutout", "one.png", "-o", "cut.png")
        errors.append(subject().alpha_error(desk.pixels("cut.png")[..., 3]))
    assert errors == sorted(errors)


def test_a_prompt_keeps_its_words_and_names_the_ground_by_its_colour() -> None:
    said = on_ground("a glass fox\n", KEYS[0])
    assert said.startswith("a glass fox\n\n")
    assert "solid pure green (#00ff00) background" in said
    assert "Nothing of the subject is green." in said
    assert "Nothing of the subject" not in on_ground("a fox", WHITE)
    assert "solid pure black (#000000) background" in onto_other_ground(WHITE, BLACK)


def test_a_prompt_that_has_a_ground_gets_another_in_its_place() -> None:
    once = on_ground("a glass fox", KEYS[0])
    assert key_for(once) == KEYS[0]
    assert on_ground(once, WHITE) == on_ground("a glass fox", WHITE)
