"""The flat grounds that a subject is cut out of: which colour to ask for, and in which words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cutouts.keying import colour_difference
from .files import Picture

#: Pictures are looked at in this size.
_LOOK_PX = 256
#: A pixel with so much of a key is lost to it; so large a share of such pixels speaks against the key.
_OF_KEY, _MAX_SHARE = 0.25, 0.02


@dataclass(frozen=True)
class Ground:
    """A flat background: what it is called, and its colour. Of a key, `stems` are parts of words and `words`
    whole ones that speak of the same colour or of what has some of it, in the languages of most prompts."""

    name: str
    rgb: tuple[int, int, int]
    stems: str = ""
    words: str = ""

    @property
    def described(self) -> str:
        """As a prompt names it: `solid green (#00ff00) background`."""
        red, green, blue = self.rgb
        return f"solid pure {self.name} (#{red:02x}{green:02x}{blue:02x}) background"


#: Keys, best first: as the errors with lights of many colours have it, in the tests.
KEYS = (
    Ground(
        "green",
        (0, 255, 0),
        "green grün gruen verde зелен зелён 绿 緑 초록",
        "vert verte emerald lime mint olive grass leaf leaves leafy tree plant forest jungle fern moss lawn "
        "meadow garden clover cactus bush vine palm flower bouquet rose tulip sunflower frog turtle lizard "
        "crocodile alien avocado cucumber lettuce broccoli vegetable salad fruit apple pear strawberry "
        "tomato carrot pineapple watermelon",
    ),
    Ground(
        "magenta",
        (255, 0, 255),
        "magenta pink purple violet violett lila morad púrpura rosa фиолет розов 粉 紫 분홍 보라",
        "rose fuchsia lavender lilac plum orchid peony tulip flamingo blossom amethyst grape raspberry "
        "aubergine eggplant unicorn",
    ),
    Ground(
        "blue",
        (0, 0, 255),
        "blue blau bleu azul синий голуб 蓝 青 파란",
        "navy azure indigo cobalt turquoise teal cyan sapphire sky sea ocean water lake river wave denim "
        "jeans ice iris whale dolphin",
    ),
)
#: What begins the part of a prompt that says its ground; what is before is the user's own.
_SAID = "\n\nWhatever is said above of a background, "
WHITE, BLACK = Ground("white", (255, 255, 255)), Ground("black", (0, 0, 0))


def key_for(prompt: str, sources: Sequence[Picture] = ()) -> Ground:
    """The key of which the prompt does not speak and of which the sources of an edit have the least."""
    own = _own_words(prompt)
    return min(KEYS, key=lambda key: _speaks_of(own, key) + _has_of(sources, key))


def on_ground(prompt: str, ground: Ground) -> str:
    """The prompt for its subject on a ground that it can be cut out of, in place of one that it had so."""
    own = f" Nothing of the subject is {ground.name}." if ground in KEYS else ""
    return (
        f"{_own_words(prompt)}{_SAID}the whole subject stands alone on a perfectly flat, {ground.described} "
        "that reaches every edge of the picture, with room around the subject. It has no shadow, floor, "
        f"gradient, texture or reflection, and is no checkerboard.{own}"
    )


def onto_other_ground(before: Ground, after: Ground) -> str:
    """The prompt of an edit that changes nothing but the ground."""
    return (
        f"Keep this picture exactly as it is and change only the {before.name} background, to a perfectly "
        f"flat, {after.described}, also where it is seen through glass, smoke, glow or hair. Every part of "
        "the subject keeps its place, size, shape, colours and light."
    )


def _own_words(prompt: str) -> str:
    return prompt.partition(_SAID)[0].rstrip()


def _speaks_of(prompt: str, key: Ground) -> float:
    text = prompt.casefold()
    said = set(re.findall(r"\w+", text))
    singular = {word[:-1] for word in said if word.endswith("s")}
    stems = any(stem in text for stem in key.stems.split())
    return float(stems or not (said | singular).isdisjoint(key.words.split()))


def _has_of(sources: Sequence[Picture], key: Ground) -> float:
    """From 0 to 1, where one of the pictures has so much of the key that it would show."""
    shares = [0.0]
    for picture in sources:
        small = picture.image.convert("RGB")
        small.thumbnail((_LOOK_PX, _LOOK_PX))
        of_key = colour_difference(np.asarray(small), np.array(key.rgb, np.float32))
        shares.append(float((of_key > _OF_KEY).mean()))
    return min(1.0, max(shares) / _MAX_SHARE)
