"""Pictures as steps before and after a call of `generate` or `edit`: what core's `Finishing` runs.

Before it a canvas is made, a mask, and the size to ask for; after it what the model sent is laid over its
source, brought to an exact size and packed. After a call nothing is fatal: a step that cannot be done is left
out, and said.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from gpt_image2.core.api.covering import covering_size
from gpt_image2.core.api.images import sha256_of
from gpt_image2.core.api.request import ImageRequest, InputImage
from gpt_image2.core.api.sizes import EXPERIMENTAL_PIXELS, parse_size, resolve_size
from gpt_image2.core.base.about import called
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.outcome import Derivation, MadeFrom, SavedImage
from gpt_image2.core.base.record import replace
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.finishing import FinishedPicture
from gpt_image2.core.commands.further_calls import FurtherCall
from gpt_image2.core.commands.picture_flags import PictureWishes

from .compose import RATIO_TOLERANCE, changed_outside, compose
from .extend import Canvas, extended, margins_to, parse_margins
from .files import Picture, encode, open_picture, save
from .mask_files import read_mask
from .masks import Mask, mask_png
from .shapes import MaskPlan
from .sizes import MAX_EXACT_PX, fitted, flattened, packed, parse_weight
from .transparency import ByKey, ByPair, Cleared, Way
from .uploads import packed_input

_DEFAULT_FIT = "crop"
#: A large picture takes hundreds of MB, so calls that run side by side work on theirs in turn.
_ONE_AT_A_TIME = threading.Lock()


def steps_for(wishes: PictureWishes) -> Steps:
    """The steps that are wished for; a `UsageError` for words that are not understood."""
    exact = parse_size(wishes.exact) if wishes.exact else None
    if wishes.exact and (exact is None or min(exact) < 1 or exact[0] * exact[1] > MAX_EXACT_PX):
        raise UsageError(
            f"`exact` {show(wishes.exact)!r} cannot be a picture's size", hint="give WxH, as 1200x630"
        )
    return Steps(wishes, exact, parse_weight(wishes.under) if wishes.under else None)


@dataclass
class _Work:
    """A picture on its way through the steps, and what is to be said of that."""

    image: Image.Image
    icc_profile: bytes | None
    source: Picture | None = None  # what is put back outside `area`
    area: np.ndarray | None = None
    methods: list[str] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Steps:
    """The steps of one call; see `core/commands/finishing`."""

    def __init__(self, wishes: PictureWishes, exact: tuple[int, int] | None, max_bytes: int | None) -> None:
        self._wishes = wishes
        self._exact = exact
        self._max_bytes = max_bytes
        #: Reads what is put back, and outside which area; that is not kept in memory while a call waits.
        self._put_back: Callable[[], tuple[Picture, np.ndarray]] | None = None
        self._sources: tuple[MadeFrom, ...] = ()
        self._way: Way | None = ByKey() if wishes.cutout else ByPair() if wishes.glass else None

    def before(self, request: ImageRequest, folder: Path) -> ImageRequest:
        """The request as it is to be sent; its new files are in `folder`.

        Raises:
            UsageError: it cannot be made so.
        """
        with _ONE_AT_A_TIME:
            request = self._sized(request, folder)
            return request if self._way is None else self._way.before(request)

    def further(self) -> FurtherCall | None:
        """The call that may follow it; None where none will."""
        return None if self._way is None else self._way.further()

    def next_call(self, images: Sequence[SavedImage]) -> FurtherCall | None:
        """The call that its images need; None where they need none."""
        with _ONE_AT_A_TIME:
            return None if self._way is None else self._way.next_call(images)

    def take(self, images: Sequence[SavedImage]) -> None:
        """Takes the images of that call."""
        if self._way is not None:
            self._way.take(images)

    def _sized(self, request: ImageRequest, folder: Path) -> ImageRequest:
        request = replace(
            request, size=None if request.size is None else resolve_size(request.size) or request.size
        )
        if self._wishes.extend or self._wishes.to:
            return self._extended(request, folder)
        if self._wishes.keep_outside:
            return self._masked(request)
        if self._exact is not None and request.size in (None, "auto"):
            return replace(request, size="{}x{}".format(*covering_size(*self._exact)))
        return request

    def after(self, image: SavedImage, kind: str) -> FinishedPicture:
        """The finished picture as a file of this format: `png`, `jpeg` or `webp`; without data where nothing
        that was wished for could be done."""
        with _ONE_AT_A_TIME:
            return self._finished(image, kind)

    def _finished(self, image: SavedImage, kind: str) -> FinishedPicture:
        if self._way is not None:
            return self._cleared(self._way.cleared(image), image, kind)
        edit = open_picture(image.path, "what the model sent")
        work = _Work(edit.image, edit.icc_profile)
        if self._put_back is not None:
            work.source, work.area = self._put_back()
            self._compose(work, edit)
        if self._exact is not None:
            self._fit(work)
        data = self._encoded(work, kind)
        sources = (MadeFrom(image.path, image.sha256), *self._sources) if work.methods else ()
        method = " + ".join(work.methods) or "as it came"
        derivation = Derivation(method, sources, tuple(work.figures.items()), tuple(work.notes))
        return FinishedPicture(data if work.methods else b"", derivation, tuple(work.warnings))

    def _cleared(self, cleared: Cleared, image: SavedImage, kind: str) -> FinishedPicture:
        """The picture with its clear background; without bytes where it stays as it came."""
        work = _Work(cleared.image, cleared.icc_profile, figures=dict(cleared.figures))
        work.methods += [cleared.method] if cleared.method else []
        work.notes += cleared.notes
        work.warnings += cleared.warnings
        if self._exact is not None:
            self._fit(work)
        data = b""
        if work.methods not in ([], ["native"]) or self._max_bytes is not None or kind != image.format:
            data = self._encoded(work, kind)
        sources = tuple(MadeFrom(each.path, each.sha256) for each in cleared.sources) if data else ()
        method = " + ".join(work.methods) or "as it came"
        derivation = Derivation(method, sources, tuple(work.figures.items()), tuple(work.notes))
        return FinishedPicture(data, derivation, tuple(work.warnings))

    def _extended(self, request: ImageRequest, folder: Path) -> ImageRequest:
        if not request.images:
            raise UsageError("`extend` and `to` are for edits", hint="name the picture to extend")
        if request.mask is not None or request.markup is not None:
            raise UsageError("`extend` makes the mask itself", hint="leave `mask` and `markup` out")
        if request.size not in (None, "auto"):
            raise UsageError("`extend` chooses the size", hint="leave `size` out; `exact` cuts it to size")
        picture = self._opened(request.images[0])
        if self._wishes.extend:
            name, words = "--extend", self._wishes.extend
            margins = parse_margins(words, picture.size)
        else:
            name, words = "--to", self._wishes.to
            margins = margins_to(words, picture.size)
        canvas = extended(picture, margins)
        image = request.images[0]

        def put_back() -> tuple[Picture, np.ndarray]:
            again = self._opened(image)
            made = extended(again, margins)
            return Picture("", made.image, "png", made.image.size, 0, (), again.icc_profile), made.area

        self._put_back = put_back
        first = packed_input(canvas.image, request.images[0], folder, _said(canvas, picture))
        flag = f"{name} {''.join(words.split())}"
        data, _ = mask_png(Mask(canvas.area, MaskPlan(())))
        path = folder / "extended.png"
        save(str(path), data)
        width, height = canvas.image.size
        mask = InputImage(str(path), path.name, "png", width, height, len(data), True, flag, made_from="")
        images = (first, *request.images[1:])
        return replace(request, images=images, mask=mask, size=f"{width}x{height}")

    def _masked(self, request: ImageRequest) -> ImageRequest:
        if not request.images or request.mask is None:
            raise UsageError("`keep_outside` needs a mask", hint="add `mask` or `areas`")
        image, mask = request.images[0], request.mask.made_from or request.mask.path
        picture = self._opened(image)
        read_mask(mask, picture)

        def put_back() -> tuple[Picture, np.ndarray]:
            again = self._opened(image)
            return again, read_mask(mask, again)[0]

        self._put_back = put_back
        if request.size in (None, "auto"):
            return replace(request, size=_size_for(picture))
        asked = parse_size(request.size or "")
        if asked is not None and not _has_shape_of(picture, asked):
            raise UsageError(
                "`size` {}x{} has another shape than the picture, {}x{}: it could not be put back".format(
                    *asked, *picture.size
                ),
                hint="leave `size` out",
            )
        return request

    def _opened(self, image: InputImage) -> Picture:
        """The picture to edit.

        Raises:
            UsageError: it cannot be read, or is not what it was when it was opened before.
        """
        path = image.made_from or image.path
        sources = (MadeFrom(_name_of(image, path), sha256_of(path)),)
        if self._sources not in ((), sources):
            raise UsageError(f"{show(sources[0].path, limit=None)} was changed while the call was under way")
        self._sources = sources
        return open_picture(path, "input image")

    def _compose(self, work: _Work, edit: Picture) -> None:
        assert work.source is not None and work.area is not None
        done = compose(work.source, edit, work.area)
        if done.shift is not None:
            work.figures.update(done.shift.as_json())
        if done.image is None:
            work.warnings.append(f"what the model sent was not laid over its source: {done.reason}")
            return
        work.methods.append("extend" if self._wishes.extend or self._wishes.to else "keep-outside")
        work.figures["tone_levels"] = round(done.tone_levels, 2)
        work.notes += done.notes
        work.image, work.icc_profile = done.image, work.source.icc_profile

    def _fit(self, work: _Work) -> None:
        assert self._exact is not None
        if "tone_levels" in work.figures:
            self._count(work, work.image)
        if work.image.size != self._exact:
            how = self._wishes.fit or _DEFAULT_FIT
            said = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[how]
            larger = any(wished > has for wished, has in zip(self._exact, work.image.size, strict=True))
            how_far = "{} from {}x{} to {}x{}".format(said, *work.image.size, *self._exact)
            work.notes.append(f"{how_far}{', enlarged' * larger}")
            work.image = fitted(work.image, self._exact, how)
        work.methods.append("exact")

    def _encoded(self, work: _Work, kind: str) -> bytes:
        if kind == "jpeg" and work.image.mode == "RGBA":
            work.image = flattened(work.image, "#ffffff")
            work.notes.append("laid on white: jpeg has no transparency")
        data = b""
        if self._max_bytes is not None:
            try:
                done = packed(work.image, kind, self._max_bytes, work.icc_profile)
                data = done.data
                work.methods.append("under")
                work.figures["quality"] = done.quality
                work.notes.append(
                    f"quality {done.quality}" if done.quality else "nothing was lost to get under the weight"
                )
            except UsageError as problem:
                work.warnings.append(f"{problem.message}; {problem.hint}")
        if not data:
            data = encode(work.image, kind, icc_profile=work.icc_profile)
        if "tone_levels" in work.figures and "changed_outside" not in work.figures:
            with Image.open(io.BytesIO(data)) as written:
                self._count(work, written)
            if work.figures["changed_outside"]:
                work.warnings.append(f"{kind} changes pixels outside the mask; png changes none")
        return data

    def _count(self, work: _Work, image: Image.Image) -> None:
        """Counts what is changed outside the mask."""
        assert work.source is not None and work.area is not None
        changed = changed_outside(work.source.image, image, work.area)
        work.figures["changed_outside"] = changed
        work.notes.append(f"{changed:,} pixels changed outside the mask")


def _size_for(picture: Picture) -> str:
    """The legal size of a picture's shape: its own where that is legal and none of the dear ones.

    Raises:
        UsageError: no legal size has its shape.
    """
    width, height = picture.size
    scale = min(1.0, (EXPERIMENTAL_PIXELS / (width * height)) ** 0.5)
    size = covering_size(max(1, int(width * scale)), max(1, int(height * scale)))
    if not _has_shape_of(picture, size):
        raise UsageError(
            f"no size that the API draws has the shape of {width}x{height}: it could not be put back",
            hint=f"cut the picture to 3:1 or less: {called()} fit FILE --exact WxH -o FILE",
        )
    return "{}x{}".format(*size)


def _has_shape_of(picture: Picture, size: tuple[int, int]) -> bool:
    width, height = picture.size
    return abs(size[0] * height / (size[1] * width) - 1) <= RATIO_TOLERANCE


def _name_of(image: InputImage, path: str) -> str:
    """What to call a source: where it lies, or what was typed for one that was fetched."""
    return path if image.source and Path(image.source).expanduser().exists() else image.source or path


def _said(canvas: Canvas, picture: Picture) -> str:
    width, height = canvas.image.size
    kept = "" if canvas.kept_size == picture.size else ", made smaller to {}x{}".format(*canvas.kept_size)
    return f"the picture lies at {canvas.place[0]},{canvas.place[1]} on a canvas of {width}x{height}{kept}"
