from __future__ import annotations

import pytest
from canvases import Desk, photo, subject

from gpt_image2.pictures import open_picture
from gpt_image2.pictures.cutouts.keying import cut_out
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
LIGHTS = {
    "candle": (255, 214, 120),
    "fire": (255, 140, 40),
    "ember": (255, 70, 30),
    "gold": (255, 200, 60),
    "moon": (225, 232, 255),
    "sky": (120, 190, 255),
    "lime": (200, 255, 120),
    "violet": (180, 110, 255),
    "neon pink": (255, 90, 200),
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


def test_the_best_key_comes_first() -> None:
    errors = {key.name: 0.0 for key in KEYS}
    for light in LIGHTS.values():
        lit = subject(200, light)
        for key in KEYS:
            errors[key.name] += lit.alpha_error(cut_out(lit.on(key.rgb)).alpha) / len(LIGHTS)
    assert list(errors.values()) == sorted(errors.values()), errors


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
