"""A clear background by one call or two: what is asked for, and what is made of what came.

Each way is told of the first request (`before`), says which call may follow (`further`, for its price) and
which one is needed (`next_call`), gets its images (`take`), and makes a picture of all that (`cleared`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.api.sizes import size_problem
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.outcome import SavedImage
from gpt_image2.core.base.record import replace
from gpt_image2.core.commands.further_calls import FurtherCall

from .check import CLEAR, OPAQUE, Verdict, check_alpha
from .cutouts.keying import Cutout, cut_out, has_colour
from .cutouts.pairs import cut_out_pair, flat_ground
from .files import Picture, open_picture
from .grounds import BLACK, KEYS, WHITE, key_for, on_ground, onto_other_ground
from .shapes import rgb_of

#: A picture lies on a flat ground that nobody asked for where no more of its border is touched.
_MAX_TOUCHED = 0.1
#: A large picture takes hundreds of MB, so those of jobs that run side by side are looked at in turn.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Cleared:
    """A picture with a clear background, made from `sources`. `method` is `native`, `key` or `pair`; empty
    where nothing led there, and the picture is as it came."""

    image: Image.Image
    icc_profile: bytes | None
    method: str
    figures: Mapping[str, object]
    sources: tuple[SavedImage, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Way(Protocol):
    """A way to a clear background, for one command."""

    def before(self, request: ImageRequest) -> ImageRequest:
        """The first request; a `UsageError` where it asks for what cannot be clear."""
        ...

    def further(self) -> FurtherCall | None:
        """The call that may follow; None where none will."""
        ...

    def next_call(self, images: Sequence[SavedImage]) -> FurtherCall | None:
        """The call that these images of the first one need; None where they need none."""
        ...

    def take(self, images: Iterable[SavedImage]) -> None:
        """Takes the images of that call."""
        ...

    def cleared(self, image: SavedImage) -> Cleared:
        """What an image of the first call has become; a `UsageError` where it cannot be read."""
        ...


class ByKey:
    """`cutout`: the API's own transparency, looked at; where it did not come, the subject is drawn again on a
    flat key, which is taken out. At once on the key where an opaque background is asked for."""

    def __init__(self) -> None:
        self._asked = ImageRequest("")
        self._key = KEYS[0]
        self._is_on_key = False
        self._wanting: list[int] = []
        self._second: dict[int, SavedImage] = {}

    def before(self, request: ImageRequest) -> ImageRequest:
        """See `Way`."""
        _check_format(request)
        self._asked = request
        self._key = key_for(request.prompt, [open_picture(image.path) for image in request.images])
        self._is_on_key = request.background == "opaque"
        return self._on_key() if self._is_on_key else replace(request, background="transparent")

    def further(self) -> FurtherCall | None:
        """See `Way`."""
        if self._is_on_key:
            return None
        return FurtherCall(self._on_key(), "key", f"the subject again on flat {self._key.name}")

    def next_call(self, images: Sequence[SavedImage]) -> FurtherCall | None:
        """See `Way`."""
        call = self.further()
        self._wanting = [] if call is None else [each.number for each in images if _is_wanting(each)]
        if call is None or not self._wanting:
            return None
        count = len(self._wanting)
        return replace(call, request=replace(call.request, n=count if count > 1 else None))

    def take(self, images: Iterable[SavedImage]) -> None:
        """See `Way`."""
        self._second.update(
            (self._wanting[each.number - 1], each) for each in images if each.number <= len(self._wanting)
        )

    def cleared(self, image: SavedImage) -> Cleared:
        """See `Way`."""
        first = open_picture(image.path, "what the model sent")
        verdicts = check_alpha(first)
        problems = _failing(verdicts)
        if not problems:
            return Cleared(first.image, first.icc_profile, "native", _figures(verdicts), (image,))
        second = self._second.get(image.number)
        if second is not None:
            try:
                return _cut(open_picture(second.path), (second, image))
            except UsageError as problem:
                problems.append(f"{second.path}: {problem.message}")
        try:
            return _cut(first, (image,), 1.0 if self._is_on_key else _MAX_TOUCHED)
        except UsageError as problem:
            problems.append(problem.message)
        return _as_it_came(first, image, problems)

    def _on_key(self) -> ImageRequest:
        prompt = on_ground(self._asked.prompt, self._key)
        return replace(self._asked, prompt=prompt, background="opaque")


class ByPair:
    """`glass`: the subject is drawn on white, and that is edited to black. Where both fit, they say how much
    comes through at each pixel."""

    def __init__(self) -> None:
        self._asked = ImageRequest("")
        self._second: SavedImage | None = None

    def before(self, request: ImageRequest) -> ImageRequest:
        """See `Way`."""
        _check_format(request)
        if request.count > 1:
            raise UsageError("`glass` makes one picture a call", hint="leave `n` out")
        self._asked = request
        return replace(request, prompt=on_ground(request.prompt, WHITE), background="opaque")

    def further(self) -> FurtherCall | None:
        """See `Way`."""
        words = onto_other_ground(WHITE, BLACK)
        request = replace(self._asked, prompt=words, images=(), mask=None, markup=None, background="opaque")
        return FurtherCall(request, "black", "the same picture on black", is_needed=True)

    def next_call(self, images: Sequence[SavedImage]) -> FurtherCall | None:
        """See `Way`."""
        call = self.further()
        if call is None or not images:
            return None
        first = open_picture(images[0].path, "what the model sent")
        flat_ground(first)  # without it no second picture would help
        width, height = first.size
        size = self._asked.size if size_problem(width, height) else f"{width}x{height}"
        return replace(call, request=replace(call.request, size=size), edits=images[0].path)

    def take(self, images: Iterable[SavedImage]) -> None:
        """See `Way`."""
        self._second = next(iter(images), None)

    def cleared(self, image: SavedImage) -> Cleared:
        """See `Way`."""
        first = open_picture(image.path, "what the model sent")
        if self._second is None or image.number > 1:
            return _as_it_came(first, image, [])
        try:
            cutout, shift = cut_out_pair(first, open_picture(self._second.path))
        except UsageError as problem:
            return _as_it_came(first, image, [problem.message])
        return _of_cutout(first, cutout, "pair", shift.as_json(), (image, self._second))


def look_at(path: str) -> tuple[list[dict[str, object]], list[str]]:
    """Whether the background of a picture is clear, as the JSON has it, and in words what is not so; a
    `UsageError` where it cannot be read."""
    with _ONE_AT_A_TIME:
        verdicts = check_alpha(open_picture(path))
    return [verdict.as_json() for verdict in verdicts], _failing(verdicts)


def _check_format(request: ImageRequest) -> None:
    if request.effective_format == "jpeg":
        raise UsageError("jpeg has no transparency", hint="use `output_format` png or `output_format` webp")


def _is_wanting(image: SavedImage) -> bool:
    """Whether a picture has no clear background and lies on no colour that it can be cut out of as it is."""
    picture = open_picture(image.path, "what the model sent")
    if not _failing(check_alpha(picture)):
        return False
    try:
        cleared = _cut(picture, (image,), _MAX_TOUCHED)
    except UsageError:
        return True
    return bool(cleared.warnings) or not has_colour(np.array(rgb_of(str(cleared.figures["key"]))))


def _cut(picture: Picture, sources: tuple[SavedImage, ...], max_touched: float = 1.0) -> Cleared:
    """The picture without its flat background.

    Raises:
        UsageError: it has none, or its subject touches more of its border.
    """
    if picture.has_alpha and np.asarray(picture.image.getchannel("A")).min() < OPAQUE:
        raise UsageError("a part of it is transparent")
    cutout = cut_out(picture.rgb)
    alpha = cutout.alpha
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    if float((border > CLEAR).mean()) > max_touched:
        raise UsageError("it lies on no flat background that it could be cut out of")
    red, green, blue = cutout.key or (0, 0, 0)
    return _of_cutout(picture, cutout, "key", {"key": f"#{red:02x}{green:02x}{blue:02x}"}, sources)


def _of_cutout(
    picture: Picture, cutout: Cutout, method: str, figures: dict[str, object], sources: tuple[SavedImage, ...]
) -> Cleared:
    image, alpha = cutout.image, cutout.alpha
    verdicts = check_alpha(Picture(picture.path, image, "png", image.size, 0))
    clear, soft = float((alpha <= CLEAR).mean()), float(((alpha > CLEAR) & (alpha < OPAQUE)).mean())
    return Cleared(
        image,
        picture.icc_profile,
        method,
        {**figures, **_figures(verdicts)},
        sources,
        (*cutout.notes, f"{clear:.1%} of it is clear, {soft:.1%} soft"),
        tuple(_failing(verdicts)),
    )


def _as_it_came(picture: Picture, source: SavedImage, problems: Sequence[str]) -> Cleared:
    figures = _figures(check_alpha(picture))
    return Cleared(picture.image, picture.icc_profile, "", figures, (source,), warnings=tuple(problems))


def _failing(verdicts: Sequence[Verdict]) -> list[str]:
    return [f"{verdict.name}: {verdict.detail}" for verdict in verdicts if not verdict.ok]


def _figures(verdicts: Sequence[Verdict]) -> dict[str, object]:
    return {"checks": [verdict.as_json() for verdict in verdicts]}
