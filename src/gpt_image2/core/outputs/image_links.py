"""The addresses of images in words: Markdown in all its forms, HTML, BBCode, files by their names. Pure."""

from __future__ import annotations

import re
from typing import Iterator

from .findings import is_image_file

#: An address in a text, and as much of it as is one of an image. Apart, so that the time they take grows no
#: faster than the text.
_ADDRESS_IN_TEXT = r"(?i)https?://[^\s\"'<>()]+"
_UP_TO_IMAGE_FILE = r"(?i).{8,2000}?\.(?:png|jpe?g|webp|gif|svg)(?:\?[^，。、；！）】》」]{0,4000})?(?!\.?\w)"
_AFTER_ADDRESS = ".,;:!?*]}|`"  # what a sentence may have behind one
#: An image in Markdown: its address may have blanks and balanced brackets, or no server.
_MARKDOWN = (
    r"(?i)!\[(?:[^\]!]|!(?!\[)){0,1000}\]\([ \t]{0,9}<?"
    r"((?:https?://|/(?!/))(?:[^\x00-\x1f<>\"'()]|\([^\x00-\x1f<>\"'()]{0,200}\)){1,16384})"
)
#: One whose address stands elsewhere, under the second label or else the first; and where that stands.
_BY_LABEL = r"!\[([^\[\]]{0,1000})\](?: ?\[([^\[\]]{0,200})\])?(?!\()"
_LABEL = r"(?im)^[ >]{0,9}\[([^\[\]\n]{1,1000})\]:[ \t]{0,9}<?((?:https?://|/(?!/))[^\s<>]{1,16384})"
#: One in HTML or in BBCode.
_TAG = (
    r"(?i)(?:<ima?ge?\b[^<>]{0,2000}?\b(?:src|href)\s{0,9}=\s{0,9}[\"']?|\[img[^\[\]]{0,100}\]\s{0,9})"
    r"((?:https?://|/(?!/))[^\s\"'<>\[\]]{1,16384})"
)


def links_in(words: str) -> Iterator[str]:
    """The addresses in a text that are surely of images, some of them without a server: those of images in
    Markdown first, then those in tags, then those of image files."""
    yield from filter(None, map(_of_markdown, re.findall(_MARKDOWN, words)))
    labels = {label.strip().lower(): address for label, address in re.findall(_LABEL, words)}
    for first, second in re.findall(_BY_LABEL, words) if labels else ():
        address = labels.get((second or first).strip().lower())
        if address:
            yield address
    rest = re.sub(_MARKDOWN, " ", words)
    for address in re.findall(_TAG, rest):
        yield address.replace("&amp;", "&")
    for found in re.findall(_ADDRESS_IN_TEXT, re.sub(_TAG, " ", rest)):
        match = re.match(_UP_TO_IMAGE_FILE, found)
        if match is not None:
            yield match.group().rstrip(_AFTER_ADDRESS)


def _of_markdown(address: str) -> str:
    """The address of an image in Markdown: with its blanks where only the whole is an image file's. Empty
    where one without a server is none."""
    address = address.strip()
    first = address.partition(" ")[0]
    if is_image_file(address) and not is_image_file(first):
        return address
    return first if is_image_file(first) or first[:1] != "/" else ""
