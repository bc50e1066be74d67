"""Where the images of an answer are: found by what they are, whatever the names that lead to them.

Base64, data URIs and SVG are written to disk as they come. Addresses are collected, and chosen from when the
answer has ended: those where the API documents them, else those that are most surely of images.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, List, Optional, Set, Tuple, cast

from ..base.errors import UsageError
from ..base.record import Record, replace
from ..base.untrusted import first_json
from ..wire.json_stream import IN_A_LIST, Place, StringSink
from .collect import ImageCollector
from .image_text import ImageText
from .store import ImageWriter

_MOST_FINDINGS, _MOST_IN_ALL = 1000, 20_000
_MOST_DELTAS = 16  # each may hold a file open

_ADDRESS = r"(?i)https?://[^\s<>]{1,16384}"
#: An address under the name of one: some have blanks.
_NAMED_ADDRESS = r"(?i)https?://[^\x00-\x1f<>]{1,16384}"
_OF_ADDRESSES = re.compile(r"(?i)ur[il]s?$")
#: An address without its server: a path from the root, or one with a file's extension.
_RELATIVE = r"/[^\x00-\x1f]+|[^\x00-\x20:/?#<>{}][^\x00-\x1f:?#<>{}]*\.[A-Za-z0-9]{2,5}([?#][^\x00-\x1f]*)?"
_IMAGE_FILE = r"(?i)[^?#]*\.(?:png|jpe?g|webp|gif|svg)(?:[?#]|$)"

#: Names of what was sent, and of what is no result.
_NOT_OURS = re.compile(
    r"(?i)inputs?|requests?|param(eter)?s|options|(revised_)?prompt|errors?|(input_|image_)?mask(_image)?(_urls?)?"
    r"|(init|input|source|original|reference)_?(images?|files?)_?(urls?)?|image_?inputs?|references"
)
_PREVIEW = re.compile(r"(?i)thumb|preview|partial")
#: Names of addresses that lead to images, and of those that lead elsewhere.
_OF_RESULTS = re.compile(
    r"(?i)image|img|pic|output|result|ur[il]s?$|file|download|data$|artifact|media|asset|src"
)
_OF_SERVICE = re.compile(
    r"(?i)poll|status|cancel|stream|web(?!p)|doc|help|hook|callback|avatar|logo|icon|profile|terms|home"
    r"|response_?url|info|support|contact|endpoint|upgrade|dashboard|billing|site"
)
#: Names that say nothing of where an address leads, or that it leads to what an image was made of.
_OF_ANYTHING = re.compile(r"(?i)get|self|href|next|prev(ious)?")
#: Names of what was thought on the way: the addresses in it are of what was looked at.
_OF_THOUGHT = re.compile(r"(?i)reasoning(_content|_details)?|think(ing)?|thoughts?")
_OF_ORIGIN = re.compile(r"(?i)(source|original|reference)(_?ur[il])?")
_DOCUMENTED, _SURE, _BY_NAME, _PERHAPS, _NO_IMAGE = 4, 3, 2, 1, 0


class Finding(Record):
    """An address in an answer. `rank` is how surely it is that of a result, `where` the names that lead to
    the list or object that holds it, `is_alone` that no image itself stands beside it."""

    url: str
    rank: int
    where: Tuple[str, ...]
    container: int
    is_alone: bool = True


class ImageFinder:
    """Finds the images of one answer: `wants` goes to a `JsonSplitter`.

    `keep(text, is_far)` gets what is no image as it comes, the far end of a long text marked as such;
    `on_image(writer, place, is_preview)` each image that is whole.
    """

    def __init__(
        self,
        collector: ImageCollector,
        keep: Callable[[bytes, bool], None],
        on_image: Callable[[ImageWriter, Tuple[str, ...], bool], None],
        images_at: str = "",
    ) -> None:
        """`images_at` is where a host is known to have its images, such as `data.result.images`."""
        self._images_at = [step for step in images_at.split(".") if step and not step.isdigit()]
        self._collector = collector
        self._keep = keep
        self._on_image = on_image
        self._deltas: Dict[Tuple[str, ...], ImageText] = {}
        self._in_document: List[Finding] = []
        self._findings: List[Finding] = []
        self._with_image: Set[int] = set()  # the objects of the document that hold an image themselves
        self._lists_of_images: Set[Tuple[str, ...]] = set()
        #: What is said in words where images are expected: the text of a chat.
        self.said = ""
        #: That what reads the addresses in words does not lie beside the script.
        self.alone: Optional[UsageError] = None

    def wants(self, place: Place) -> Optional[StringSink]:
        """The sink for a string of a document; None for one that is no image, whatever it looks like."""
        names = _keys(place.path)
        is_base64 = place.path[-1:] == ("b64_json",)
        if not is_base64 and any(_NOT_OURS.fullmatch(name) for name in names):
            return None
        if "delta" not in names or len(self._deltas) == _MOST_DELTAS:
            return self.text(place)
        # One text in pieces, an event each.
        sink = self._deltas.setdefault(place.path, self.text(place))
        return lambda piece: None if piece is None else sink(piece)

    def text(self, place: Place) -> ImageText:
        """The sink for one text, which may be all of an answer."""
        is_preview = any(map(_PREVIEW.search, place.path))
        is_base64 = place.path[-1:] == ("b64_json",)
        seen: Set[str] = set()

        def image_ended(writer: ImageWriter) -> None:
            # What one text shows twice is one image, as what comes from two places.
            again = ("again",) if writer.sha256 in seen else ()
            seen.add(writer.sha256)
            if place.path[-1:] != (IN_A_LIST,):
                self._with_image.add(place.container)
            self._lists_of_images.add(place.path[:-1])
            self._on_image(writer, (*place.path[:-1], *again), is_preview)

        return ImageText(
            self._collector, self._keep, image_ended, lambda text: self._text_ended(place, text), is_base64
        )

    def document_ended(self, counts: bool) -> bool:
        """A document has ended. Its addresses count unless it is a refusal or a preview; whether it had an
        image, or the address of one."""
        found, self._in_document = self._in_document, []
        with_image, self._with_image = self._with_image, set()
        if counts:
            alone = (replace(one, is_alone=one.container not in with_image) for one in found)
            room = _MOST_IN_ALL - len(self._findings)
            self._findings += [one for one in alone if one.rank > _NO_IMAGE][:room]
        return bool(with_image) or any(one.rank > _PERHAPS for one in found)

    def close(self) -> None:
        """The answer has ended."""
        for sink in self._deltas.values():
            sink(None)
        self.document_ended(counts=True)

    def addresses(self, has_images: bool, asked: int = 1) -> Tuple[str, ...]:
        """The addresses of the images that did not come themselves, in their order, each once: those that
        stand together first, and others only where these are fewer than were asked for."""
        found = self._findings
        if has_images:
            found = [one for one in found if one.is_alone and one.where in self._lists_of_images]
        best = max((one.rank for one in found), default=_NO_IMAGE)
        found = [one for one in found if one.rank == best]
        together = tuple(dict.fromkeys(one.url for one in found if one.where == found[0].where))
        others = (one.url for one in found if one.url not in together)
        return (*together, *dict.fromkeys(others))[: max(asked, len(together))]

    def _text_ended(self, place: Place, text: bytes) -> None:
        name = (_keys(place.path) or [""])[-1]
        words = text.decode("utf-8", "replace").strip()
        if name in ("content", "text", "delta", "refusal"):
            self.said = self.said or words
        if any(map(_OF_THOUGHT.fullmatch, _keys(place.path))):
            return
        is_named = name in ("url", "image_url") or (words[:1] == "/" and is_image_file(words))
        address = _NAMED_ADDRESS if _OF_ADDRESSES.search(name) else _ADDRESS
        if re.fullmatch(address, words) or (is_named and re.fullmatch(_RELATIVE, words)):
            self._add(place, words, self._rank(place.path, name, words))
            return
        plain = re.sub(r"\A```\w{0,20}\s{1,9}", "", words)
        embedded = first_json(plain) if plain[:1] in ("{", "[") else None
        if embedded is not None:
            self._read_embedded(place, embedded)
        else:
            self._read_words(place, words)

    def _read_words(self, place: Place, words: str) -> None:
        if not re.search(r"(?i)https?://|\]\(|<im|\[img|\]:", words):
            return
        try:
            from .image_links import links_in

            for url in links_in(words):
                self._add(place, url, _SURE)
        except UsageError as alone:
            self.alone = alone

    def _read_embedded(self, place: Place, document: object) -> None:
        """JSON in a string of JSON: the addresses in it."""
        waiting: List[Tuple[Tuple[str, ...], object]] = [(place.path, document)]
        while waiting and len(self._in_document) < _MOST_FINDINGS:
            path, value = waiting.pop(0)
            if isinstance(value, str) and re.fullmatch(_ADDRESS, value):
                self._add(Place(path, 0), value, self._rank(path, (_keys(path) or [""])[-1], value))
            elif isinstance(value, dict):
                waiting += [((*path, name), one) for name, one in cast(Dict[str, object], value).items()]
            elif isinstance(value, list):
                waiting += [((*path, IN_A_LIST), one) for one in cast(List[object], value)]

    def _add(self, place: Place, url: str, rank: int) -> None:
        if rank and len(self._in_document) < _MOST_FINDINGS:
            self._in_document.append(Finding(url, rank, place.path[:-1], place.container))

    def _rank(self, path: Tuple[str, ...], name: str, url: str) -> int:
        """How surely an address by itself is that of a result."""
        names = _keys(path)
        if self._images_at and names[: len(self._images_at)] == self._images_at:
            return _DOCUMENTED
        if any(map(_PREVIEW.search, path)) or _OF_SERVICE.search(name):
            return _NO_IMAGE
        if path[-3:] == ("data", IN_A_LIST, "url") or path == ("url",):
            return _DOCUMENTED
        if _OF_ORIGIN.fullmatch(name):
            return _PERHAPS
        if (is_image_file(url) and url[:1] != "/") or not name:
            return _SURE
        if _OF_RESULTS.search(name):
            return _BY_NAME
        is_of_service = _OF_ANYTHING.fullmatch(name) or any(map(_OF_SERVICE.search, names))
        return _NO_IMAGE if is_of_service else _PERHAPS


def is_image_file(url: str) -> bool:
    """Whether an address ends as the name of an image file does."""
    return re.match(_IMAGE_FILE, url) is not None


def _keys(path: Tuple[str, ...]) -> List[str]:
    return [name for name in path if name != IN_A_LIST]
