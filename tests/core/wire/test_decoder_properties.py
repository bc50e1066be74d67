"""The decoder against its oracles: `json.loads` and `base64.b64decode`, for anything, split anywhere."""

from __future__ import annotations

import base64
import json
import random
import tempfile
import tracemalloc
from itertools import count
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpt_image2.core.calls.response import Answer, AnswerReader
from gpt_image2.core.outputs.collect import ImageCollector
from gpt_image2.core.outputs.naming import OutputPlan
from gpt_image2.core.outputs.store import Spool
from gpt_image2.core.wire.base64_stream import BadBase64, Base64Decoder
from gpt_image2.core.wire.json_stream import IN_A_LIST, JsonSplitter, Place
from gpt_image2.core.wire.sse import SseSplitter

PNG = b"\x89PNG\r\n\x1a\n"
TAKEN = ("b64_json", "url")
SHORT_ESCAPES = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}

seeds = st.integers(0, 2**32)
pictures = st.binary(max_size=60).map(lambda data: PNG + data)
texts = st.text(max_size=12) | st.sampled_from(
    [
        "b64_json",
        "url",
        '"b64_json":"',
        '\\"',
        "\\",
        "\\\\",
        "https://x/a?b=c&d",
        "😀\u2028",
        '","url":"',
        ":",
    ]
)
keys = texts | st.sampled_from(["data", "b64_json ", "B64_JSON", "type", "error", "urls", ""])


class Pairs(List[Tuple[str, Any]]):
    """A JSON object in order, equal keys allowed."""


class Picture(bytes):
    """An image that becomes the base64 text of a `b64_json`."""


members = st.tuples(st.just("b64_json"), pictures.map(Picture) | st.none() | st.integers())
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(st.tuples(keys, inner) | members, max_size=5).map(Pairs)
    ),
    max_leaves=20,
)


class Scribe:
    """Writes JSON as anybody may: its blanks and escapes are the dice's."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.escapes = self.dice.choice([0.0, 0.1, 0.9])

    def write(self, value: Any) -> str:
        """A document."""
        blank = self.blank
        if isinstance(value, Pairs):
            pairs = [f"{self.text(key)}{blank()}:{blank()}{self.write(item)}" for key, item in value]
            return "{" + blank() + f"{blank()},{blank()}".join(pairs) + blank() + "}"
        if isinstance(value, list):
            return "[" + blank() + f"{blank()},{blank()}".join(map(self.write, value)) + blank() + "]"
        if isinstance(value, Picture):
            return self.text(base64.b64encode(value).decode())
        return self.text(value) if isinstance(value, str) else json.dumps(value)

    def text(self, value: str) -> str:
        """A string."""
        return '"' + "".join(map(self.char, value)) + '"'

    def char(self, char: str) -> str:
        must = char in SHORT_ESCAPES or char < " "
        if not must and self.dice.random() >= self.escapes:
            return char
        if char in SHORT_ESCAPES and self.dice.random() < 0.5:
            return SHORT_ESCAPES[char]
        if char == "/" and self.dice.random() < 0.5:
            return "\\/"
        escaped = json.dumps(char)[1:-1]
        escaped = escaped if escaped.startswith("\\u") else f"\\u{ord(char):04x}"
        return escaped.upper().replace("\\U", "\\u") if self.dice.random() < 0.5 else escaped

    def blank(self) -> str:
        return self.dice.choice(["", "", "", " ", "\n", "\r\n  ", "\t"])

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The data, split anywhere."""
        longest = self.dice.choice([1, 2, 7, 50, 1000])
        at = 0
        while at < len(data):
            size = self.dice.randint(1, longest)
            yield data[at : at + size]
            at += size


def without_taken(pairs: List[Tuple[str, Any]]) -> Pairs:
    """An object as the splitter leaves it: strings that somebody wanted are empty."""
    return Pairs((key, "" if key in TAKEN and isinstance(item, str) else item) for key, item in pairs)


def strings_of(text: str) -> List[Tuple[Tuple[str, ...], str]]:
    """The strings that are values of the wanted keys, in their order, each with the names that lead to it."""
    found: List[Tuple[Tuple[str, ...], str]] = []
    decoder = json.JSONDecoder(object_pairs_hook=Pairs)

    def walk(value: Any, path: Tuple[str, ...]) -> None:
        if isinstance(value, Pairs):
            for key, item in value:
                if key in TAKEN and isinstance(item, str):
                    found.append(((*path, key), item))
                else:
                    walk(item, (*path, key))
        elif isinstance(value, list):
            for item in value:
                walk(item, (*path, IN_A_LIST))

    walk(decoder.decode(text), ())
    return found


def split(pieces: Iterator[bytes]) -> Tuple[bytes, List[Tuple[Tuple[str, ...], str]]]:
    """What the splitter keeps, and the strings it gives away, with their places."""
    kept: List[bytes] = []
    taken: List[Tuple[Tuple[str, ...], str]] = []

    def wants(place: Place) -> Optional[Callable[[Optional[bytes]], None]]:
        if not {*place.path[-1:]} & {*TAKEN}:
            return None
        parts: List[bytes] = []

        def sink(piece: Optional[bytes]) -> None:
            if piece is None:
                taken.append((place.path, b"".join(parts).decode("utf-8")))
            else:
                parts.append(piece)

        return sink

    splitter = JsonSplitter(wants, kept.append)
    for piece in pieces:
        splitter.feed(piece)
    return b"".join(kept), taken


@settings(max_examples=max(1000, settings.default.max_examples))
@given(documents, seeds)
@example(Pairs([("url", "https://x/\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))]), 3)
def test_property_what_is_kept_and_what_is_taken_are_what_json_loads_reads(document: Any, seed: int) -> None:
    scribe = Scribe(seed)
    text = scribe.blank() + scribe.write(document) + scribe.blank()
    kept, taken = split(scribe.pieces(text.encode("utf-8")))
    expected = json.loads(text, object_pairs_hook=without_taken)
    assert json.loads(kept.decode("utf-8"), object_pairs_hook=Pairs) == expected
    assert taken == strings_of(text)


def images_of(document: Any) -> List[bytes]:
    """The images of a generated document, in their order."""
    if isinstance(document, Picture):
        return [bytes(document)]
    if isinstance(document, Pairs):
        return [image for _, item in document for image in images_of(item)]
    return [image for item in document for image in images_of(item)] if isinstance(document, list) else []


def each_once(images: List[bytes]) -> List[bytes]:
    """The images in their order; the same one in two places of an answer is one image."""
    return list(dict.fromkeys(images))


def read(
    pieces: Iterator[bytes], save_partials: bool = False
) -> Tuple[Answer, List[bytes], Dict[str, bytes]]:
    """An answer read to its end: what it was, its images in their order, and all files by their names."""
    with tempfile.TemporaryDirectory() as folder:
        plan = OutputPlan(Path(folder), "cat", ".png", True, False, Path(folder) / "rescued")
        collector = ImageCollector(
            plan, count(1), lambda image, reason: None, lambda index, path, number, part: None, save_partials
        )
        reader = AnswerReader(collector, Spool(plan.rescue_folder))
        for piece in pieces:
            reader.feed(piece)
        answer = reader.close()
        images = [Path(image.path).read_bytes() for image in collector.images]
        collector.close()
        files = {path.name: path.read_bytes() for path in Path(folder).glob("*") if path.is_file()}
    return answer, images, files


@given(documents, seeds)
def test_property_every_image_of_a_json_answer_is_on_disk_as_b64decode_reads_it(
    document: Any, seed: int
) -> None:
    scribe = Scribe(seed)
    body = Pairs([("created", 1), ("data", document)])
    answer, images, _ = read(scribe.pieces(scribe.write(body).encode("utf-8")))
    assert each_once(images) == each_once(images_of(body))
    assert answer.shape == "json" and answer.complete


@given(documents, seeds, st.integers(0, 100))
def test_property_of_a_cut_answer_every_whole_image_is_on_disk(document: Any, seed: int, part: int) -> None:
    scribe = Scribe(seed)
    body = scribe.write(Pairs([("data", document)])).encode("utf-8")
    cut = body[: len(body) * part // 100]
    _, images, files = read(scribe.pieces(cut))
    whole = images_of(Pairs([("data", document)]))
    assert images == whole[: len(images)]
    assert sorted(files.values()) == sorted(images)
    # No image that is there to its closing quote is missing.
    assert len(images) == number_of_whole_strings(cut)


def number_of_whole_strings(cut: bytes) -> int:
    """How many values of `b64_json` are in a document to their closing quotes, by a scanner of its own."""
    text = cut.decode("utf-8", "ignore")
    tokens: List[str] = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            end = at + 1
            while end < len(text) and text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            if end >= len(text):
                break
            tokens.append(text[at : end + 1])
            at = end + 1
        else:
            if not text[at].isspace():
                tokens.append(text[at])
            at += 1
    strings = [json.loads(token) if token.startswith('"') else "" for token in tokens]
    values = [
        strings[number]
        for number in range(2, len(tokens))
        if strings[number - 2] == "b64_json" and tokens[number - 1] == ":"
    ]
    return sum(value.startswith("iVBORw0KG") for value in values)


# Server-sent events

names = st.sampled_from(["", "image_generation.completed", "image_edit.completed"])


class Frame:
    """Writes events as any server may."""

    def __init__(self, scribe: Scribe) -> None:
        self.dice = scribe.dice
        self.scribe = scribe
        self.newline = self.dice.choice(["\n", "\r\n", "\r"])

    def event(self, name: str, data: str) -> str:
        """One event; every line of its data is a line of its own."""
        space = self.dice.choice(["", " "])
        lines = [f"event:{space}{name}"] if name else []
        lines += [f"data:{self.space_before(line)}{line}" for line in data.split("\n")]
        for noise in (": keep-alive", "id: 7", "retry: 10", "data-like: no", "dat", ":"):
            if self.dice.random() < 0.15:
                lines.insert(self.dice.randint(1, len(lines)), noise)
        if self.dice.random() < 0.3:
            lines.insert(0, ": " + "x" * self.dice.choice([1, 5000]))
        return "".join(line + self.newline for line in [*lines, ""])

    def space_before(self, line: str) -> str:
        return " " if line.startswith(" ") else self.dice.choice(["", " "])


lines = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), max_size=20)
events = st.lists(st.tuples(names, st.lists(lines, min_size=1, max_size=4).map("\n".join)), max_size=5)


@given(events, seeds)
def test_property_events_come_out_as_they_went_in(sent: List[Tuple[str, str]], seed: int) -> None:
    scribe = Scribe(seed)
    frame = Frame(scribe)
    stream = "".join(frame.event(name, data) for name, data in sent)
    got: List[Tuple[str, str]] = []
    data = bytearray()

    def ended() -> None:
        got.append((splitter.event, data.decode("utf-8")))
        data.clear()

    splitter = SseSplitter(data.extend, ended)
    for piece in scribe.pieces(stream.encode("utf-8")):
        splitter.feed(piece)
    assert [item for item in got if item != ("", "")] == [item for item in sent if item != ("", "")]


streams = st.lists(st.tuples(names, st.lists(pictures, max_size=2), documents), min_size=1, max_size=4)


@given(streams, seeds)
def test_property_every_image_of_a_stream_is_on_disk_as_b64decode_reads_it(
    sent: List[Tuple[str, List[bytes], Any]], seed: int
) -> None:
    scribe = Scribe(seed)
    frame = Frame(scribe)
    text = scribe.dice.choice(["", ": hello" + frame.newline * 2, frame.newline])
    expected: List[bytes] = []
    for name, images, more in sent:
        body = Pairs([("more", more), *(("b64_json", Picture(image)) for image in images)])
        scribe.dice.shuffle(body)
        expected += images_of(body)
        # A carriage return ends a line of a stream; in JSON it is a blank like a line feed.
        text += frame.event(name, scribe.write(body).replace("\r\n", "\n"))
    if scribe.dice.random() < 0.5:
        text += frame.event("", "[DONE]")
    if scribe.dice.random() < 0.3:
        text = text.rstrip("\r\n")  # the last blank line never comes
    answer, got, _ = read(scribe.pieces(text.encode("utf-8")))
    assert each_once(got) == each_once(expected)
    assert answer.shape == "sse"


@given(st.lists(pictures, max_size=4), st.lists(pictures, max_size=1), seeds)
def test_property_previews_never_become_final_images(
    previews: List[bytes], finals: List[bytes], seed: int
) -> None:
    scribe = Scribe(seed)
    frame = Frame(scribe)
    by_name, by_type = scribe.dice.choice([(True, True), (True, False), (False, True)])
    other_name = "" if scribe.dice.random() < 0.5 else "message"
    numbered = scribe.dice.random() < 0.5
    previews = previews if numbered else previews[:1]

    def written(kind: str, image: bytes, fields: List[Tuple[str, Any]]) -> str:
        body = Pairs([("b64_json", Picture(image)), *fields])
        if by_type:
            body.append(("type", kind))
        scribe.dice.shuffle(body)
        scribe.escapes = 0.0
        return frame.event(kind if by_name else other_name, scribe.write(body).replace("\r\n", "\n"))

    text = "".join(
        written("image_generation.partial_image", image, [("partial_image_index", number)] * numbered)
        for number, image in enumerate(previews)
    )
    text += "".join(written("image_generation.completed", image, []) for image in finals)
    _, images, files = read(scribe.pieces(text.encode("utf-8")), save_partials=True)
    assert images == finals
    expected = {f"cat-1.partial-{number}.png": image for number, image in enumerate(previews)}
    expected.update({f"cat-{number}.png": image for number, image in enumerate(finals, 1)})
    assert files == expected


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8")), seeds)
def test_property_no_body_at_all_makes_the_reader_fail(body: bytes, seed: int) -> None:
    scribe = Scribe(seed)
    for opening in (b"", b'{"b64_json":"', b"data: ", b'data: {"url": "data:image/png;base64,', b"<"):
        read(scribe.pieces(opening + body))


# base64


def decoded(pieces: Iterator[bytes]) -> bytes:
    """What the decoder makes of a text in pieces."""
    decoder = Base64Decoder()
    whole = b"".join(map(decoder.feed, pieces))
    return whole + decoder.finish()


@settings(max_examples=max(500, settings.default.max_examples))
@given(st.binary(max_size=200), seeds)
def test_property_base64_in_any_dress_is_decoded_like_b64decode(data: bytes, seed: int) -> None:
    scribe = Scribe(seed)
    dice = scribe.dice
    text = base64.urlsafe_b64encode(data) if dice.random() < 0.5 else base64.b64encode(data)
    if dice.random() < 0.5:
        text = text.rstrip(b"=")
    if dice.random() < 0.5:
        chars = [bytes([char]) + dice.choice([b"", b"", b" ", b"\r\n", b"\t"]) for char in text]
        text = dice.choice([b"", b"\n"]) + b"".join(chars)
    assert decoded(scribe.pieces(text)) == data


@settings(max_examples=max(500, settings.default.max_examples))
@given(st.binary(max_size=60), st.binary(min_size=1, max_size=3), seeds)
def test_property_junk_in_base64_is_refused_and_never_dropped(data: bytes, junk: bytes, seed: int) -> None:
    scribe = Scribe(seed)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_= \t\r\n"
    junk = bytes(char for char in junk if char not in alphabet) or b"!"
    text = base64.b64encode(data)
    at = scribe.dice.randint(0, len(text))
    text = text[:at] + junk + text[at:]
    decoder = Base64Decoder()
    got = b""
    with pytest.raises(BadBase64) as caught:
        for piece in scribe.pieces(text):
            fed = decoder.feed(piece)
            got += fed
            text = text[len(piece) :]
        got += decoder.finish()
    # What was decoded before, and the rest that the error carries, are all that was fed.
    assert data.startswith(got)
    assert any(bytes([char]) in caught.value.rest for char in junk)


@given(st.binary(max_size=30), st.sampled_from([b"=", b"A", b"AAAA", b"====", b"=A"]))
def test_property_base64_after_its_padding_is_refused(data: bytes, more: bytes) -> None:
    text = base64.b64encode(data)
    if text.endswith(b"=") and more != b"=":
        with pytest.raises(BadBase64):
            decoded(iter([text, more]))
        with pytest.raises(BadBase64):
            decoded(iter([text + more]))


@given(st.binary(max_size=30), st.integers(1, 3))
def test_property_a_single_left_over_character_is_refused(data: bytes, size: int) -> None:
    text = base64.b64encode(data[: len(data) // 3 * 3]) + b"A"
    with pytest.raises(BadBase64):
        decoded(iter([text[at : at + size] for at in range(0, len(text), size)]))


# Memory


def peak_bytes(pieces: Iterator[bytes]) -> int:
    """The most memory that Python held while an answer was read, above what it held before."""
    read(iter([b"{}"]))
    tracemalloc.start()
    try:
        tracemalloc.reset_peak() if hasattr(tracemalloc, "reset_peak") else None
        before = tracemalloc.get_traced_memory()[0]
        with tempfile.TemporaryDirectory() as folder:
            plan = OutputPlan(Path(folder), "cat", ".png", False, False, Path(folder) / "rescued")
            collector = ImageCollector(plan, count(1), lambda image, why: None, lambda index, path: None)
            spool = Spool(plan.rescue_folder)
            reader = AnswerReader(collector, spool)
            for piece in pieces:
                reader.feed(piece)
            reader.close()
            spool.discard()
            collector.close()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def long_text(prefix: bytes, block: bytes, total: int, suffix: bytes) -> Iterator[bytes]:
    """A document with one long string."""
    yield prefix
    for _ in range(total // len(block)):
        yield block
    yield suffix


HEAD = base64.b64encode(PNG + b"\0")
DRESSES = {
    "json": (b'{"data": [{"b64_json": "' + HEAD, b"A" * 65536, b'"}]}'),
    "sse": (b'event: image_generation.completed\ndata: {"b64_json": "' + HEAD, b"A" * 65536, b'"}\n\n'),
    "data-uri": (b'{"data": [{"url": "data:image/png;base64,' + HEAD, b"A" * 65536, b'"}]}'),
    "escaped": (b'{"data": [{"b64_json": "' + HEAD, b"AA\\/A" * 13107, b'"}]}'),
    "escaped-unicode": (b'{"data": [{"b64_json": "' + HEAD, b"AAA\\u002BAAA" * 5461, b'"}]}'),
    "with-blanks": (b'{"data": [{"b64_json": "' + HEAD, b"AAAAAAA\n" * 8192, b'"}]}'),
    "lines": (b'data: {"b64_json":\ndata: "' + HEAD, b"\ndata: " + b"A" * 65528, b'"}\n\n'),
}


@pytest.mark.parametrize("dress", sorted(DRESSES))
def test_a_string_of_32_megabytes_is_decoded_in_less_than_2_megabytes(dress: str) -> None:
    prefix, block, suffix = DRESSES[dress]
    assert peak_bytes(long_text(prefix, block, 32 << 20, suffix)) < 2 << 20


@pytest.mark.parametrize(
    "prefix, block, suffix",
    [
        (b'{"image": "', b"A" * 65536, b'"}'),
        (b"", b" " * 65536, b'{"data": []}'),
        (b"<html>", b"a" * 65536, b"</html>"),
        (b"data: [DONE]\n\n: ", b"x" * 65536, b"\n\n"),
        (b'{"', b"k" * 65536, b'": 1}'),
        (b'{"data": [{"b64_json": "!', b"A" * 65536, b'"}]}'),
        (b'{"data": [{"b64_json": "!', b"\\\\" + b"A" * 65534, b'"}]}'),
        (b'{"data": [{"url": "https://x/', b"A" * 65536, b'"}]}'),
        (b'{"a":', b"1" * 65536, b"}"),
    ],
    ids=["unknown-key", "keep-alive", "html", "comment", "key", "junk", "backslashes", "address", "number"],
)
def test_memory_stays_bounded_whatever_a_server_sends(prefix: bytes, block: bytes, suffix: bytes) -> None:
    assert peak_bytes(long_text(prefix, block, 24 << 20, suffix)) < 8 << 20
