"""GIF and SVG are images like the others: known by what they are, saved as they came, their cost told."""

from __future__ import annotations

import base64
import io
import json
import time
from typing import Any, Dict, Optional, Tuple

import pytest
from harness import Home, Run
from pictures import gif, svg
from servers import USAGE, Answer, Recorder

from gpt_image2.core.api.images import is_whole_image, needs_more, read_image_info, sniff_format

FLARE = "gpt-image-2.6-flare"
AUTHOR = {"input_tokens": 1000, "output_tokens": 3000, "reasoning_tokens": 2000, "total_tokens": 4000}
DOCTYPE = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd" [<!ENTITY a "b">]>'
#: What is an SVG, and the dimensions that it tells.
SVGS: Dict[str, Tuple[bytes, Optional[int], Optional[int]]] = {
    "plain": (svg(), 64, 48),
    "mark": (b"\xef\xbb\xbf" + svg(), 64, 48),
    "declaration": (svg(before='<?xml version="1.0" encoding="UTF-8"?>\n'), 64, 48),
    "comments": (svg(before="<!-- a > b -->\n<!-- <html> -->"), 64, 48),
    "doctype": (svg(before=f'<?xml version="1.0"?><?xml-stylesheet href="a"?>{DOCTYPE}\n'), 64, 48),
    "utf-16": ("\ufeff".encode("utf-16-le") + svg().decode().encode("utf-16-le"), 64, 48),
    "prefix": (b'<s:svg xmlns:s="http://www.w3.org/2000/svg" viewBox="0 0 7 8"></s:svg>', 7, 8),
    "pixels": (svg('width="64px" height = "48.4"'), 64, 48),
    "box": (svg('width="100%" height="100%" viewBox="0,0 30 40"'), 30, 40),
    "other attributes": (svg("""stroke-width="1" style="a width='5'" viewBox="0 0 7 8" """), 7, 8),
    "units": (svg('width="10em" height="2cm"'), None, None),
    "nothing": (svg(""), None, None),
    "no size": (svg('width="0" height="9"'), None, None),
    "trailing comment": (svg() + b"<!-- made by a model -->\n", 64, 48),
}
NO_SVGS = [
    b"<!DOCTYPE html><html><body><svg></svg></body></html>",
    b"<svgx></svgx>" + b" " * 9,
    b"<html><svg></svg></html>",
    b"see <svg></svg> and more",
    b"\x1f\x8b\x08<svg></svg>      ",
    b"<!-- " + b"x" * (1 << 14) + b" --><svg></svg>",
]


@pytest.mark.parametrize(("data", "width", "height"), SVGS.values(), ids=SVGS.keys())
def test_an_svg_is_known_by_its_first_element(
    data: bytes, width: Optional[int], height: Optional[int]
) -> None:
    info = read_image_info(io.BytesIO(data))
    assert info and (info.format, info.width, info.height) == ("svg", width, height)
    assert is_whole_image(io.BytesIO(data))
    assert not is_whole_image(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("data", NO_SVGS, ids=range(len(NO_SVGS)))
def test_what_only_holds_an_svg_is_none(data: bytes) -> None:
    assert read_image_info(io.BytesIO(data)) is None


@pytest.mark.parametrize(("data", "width", "height"), SVGS.values(), ids=SVGS.keys())
def test_an_svg_is_never_taken_for_something_else_by_too_few_bytes(
    data: bytes, width: Optional[int], height: Optional[int]
) -> None:
    known = [sniff_format(data[:size]) for size in range(len(data)) if not needs_more(data[:size])]
    assert set(known) == {"svg"}


HOSTILE = [
    *(start * 9000 for start in (b"<!-- a -->", b"<!--", b"<?", b"<!DOCTYPE[", b" ", b"<")),
    *(b"<svg " + middle * 9000 for middle in (b"a='", b"a=b ", b"x", b"x ", b"= ", b"\"'")),
    *(b"<svg>" + end * 9000 for end in (b"</svg ", b"</a:", b"</svg><!--", b"</svg> ")),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_is_read_at_once(data: bytes) -> None:
    started = time.process_time()
    read_image_info(io.BytesIO(data))
    is_whole_image(io.BytesIO(data))
    needs_more(data[: 1 << 13])
    assert time.process_time() - started < 1


def test_a_gif_tells_the_size_of_its_frames_and_ends_with_its_trailer() -> None:
    info = read_image_info(io.BytesIO(gif(720, 640)))
    assert info and (info.format, info.width, info.height) == ("gif", 720, 640)
    assert is_whole_image(io.BytesIO(gif())) and not is_whole_image(io.BytesIO(gif()[:-1]))


def answer(picture: bytes, **more: Any) -> Answer:
    body = {"data": [{"b64_json": base64.b64encode(picture).decode()}], "usage": USAGE, **more}
    return Answer(body=json.dumps(body).encode())


def made(home: Home, recorder: Recorder, *args: str, **more: Any) -> Run:
    recorder.answer = lambda request: answer(svg(), **more)
    command = ("generate", "a logo", "--model", FLARE, "--format", "svg", *args)
    return home.run(*command, base_url=recorder.base_url)


def test_they_are_saved_byte_by_byte_and_named_by_what_they_are(home: Home, recorder: Recorder) -> None:
    for kind, picture in (("gif", gif(960, 960)), ("svg", svg())):
        recorder.answer = lambda request, picture=picture: answer(picture)
        args = ("--model", FLARE, "--format", kind, "-o", "out/", "--json")
        run = home.run("generate", f"a {kind}", *args, base_url=recorder.base_url)
        (image,) = run.json["images"]
        assert image["format"] == kind and image["path"].endswith(f".{kind}")
        assert run.pictures == [picture]
        shown = home.run("history", "show", image["path"], "--json").json["request"]
        assert shown["images"][0]["sha256"] == image["sha256"]
        assert not [text for text in run.json["warnings"] if "asked for" in text or "cut" in text]


def test_an_svg_that_was_not_asked_for_is_saved_and_called_what_it_is(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: answer(svg())
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert run.pictures == [svg()]
    assert any("got svg" in text for text in run.json["warnings"])


def test_the_author_of_an_svg_is_counted_apart_and_its_unknown_price_is_told_everywhere(
    home: Home, recorder: Recorder
) -> None:
    image_usd = (13 * 5 + 196 * 30) / 1e6
    run = made(home, recorder, "--json", svg_usage={**AUTHOR, "model": "writer-1"})
    assert run.json["svg_usage"] == {**AUTHOR, "model": "writer-1", "cost_usd": None}
    assert run.json["usage"]["total_tokens"] == 209
    assert run.json["cost_usd"] == pytest.approx(image_usd)
    assert any("4,000 tokens of writer-1" in text for text in run.json["warnings"])
    said = made(home, recorder, svg_usage={**AUTHOR, "model": "writer-1"}).stderr
    assert "plus 4,000 tokens of writer-1, unknown" in said
    assert "+ unknown" in home.run("history").stdout
    past = home.run("history", "--json").json["requests"][0]
    assert past["svg_usage"]["reasoning_tokens"] == 2000 and "svg_usage" not in past["usage"]
    spent = home.run("spend", "--json").json
    assert spent["unknown_cost"] == 2 and spent["total_usd"] == pytest.approx(2 * image_usd)


def test_the_author_of_an_svg_is_paid_by_the_configs_price(home: Home, recorder: Recorder) -> None:
    file = home.cwd / "config.json"
    file.write_text('{"prices": {"writer-1": {"text_in": 2, "text_out": 10}}}', encoding="utf-8")
    file.chmod(0o600)
    run = made(home, recorder, "--json", "--config", str(file), svg_usage={**AUTHOR, "model": "writer-1"})
    author_usd = (1000 * 2 + 3000 * 10) / 1e6
    assert run.json["svg_usage"]["cost_usd"] == pytest.approx(author_usd)
    assert run.json["cost_usd"] == pytest.approx((13 * 5 + 196 * 30) / 1e6 + author_usd)
    assert run.json["warnings"] == []
    assert home.run("spend", "--json").json["unknown_cost"] == 0


@pytest.mark.parametrize("told", [{}, {"svg_usage": {**AUTHOR, "output_tokens": 0}}, {"svg_usage": "?"}])
def test_the_cost_of_an_svg_whose_author_is_not_counted_is_unknown(
    home: Home, recorder: Recorder, told: Dict[str, Any]
) -> None:
    run = made(home, recorder, "--json", **told)
    assert (run.json["cost_usd"], run.json["billed"]) == (None, "yes")
    assert "svg_usage" not in run.json
    assert home.run("spend", "--json").json["unknown_cost"] == 1


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ('{"writer-1": {"text_out": 10}}', "lacks text_in"),
        ('{"writer-1": {"text_in": 1, "text_out": "10"}}', "line 1: field 'prices.writer-1.text_out'"),
        ('{"writer-1": {"text_in": 1, "text_out": 1, "image_out": 1}}', "the parts are text_in, text_out"),
    ],
)
def test_a_price_that_is_none_is_named(home: Home, prices: str, words: str) -> None:
    file = home.cwd / "config.json"
    file.write_text(f'{{"prices": {prices}}}', encoding="utf-8")
    run = home.run("generate", "a cat", "--config", str(file), "--dry-run")
    assert run.code == 3 and words in run.stderr


def test_a_request_for_an_svg_is_made_again_with_other_effort(home: Home, recorder: Recorder) -> None:
    made(home, recorder, "--svg-model", "m", "--svg-effort", "low", "-o", "a.svg")
    home.run("history", "redo", "1", "--svg-effort", "high", base_url=recorder.base_url)
    first, again = (request.json["svg"] for request in recorder.requests)
    assert (first["reasoning"], again) == ({"effort": "low"}, {"model": "m", "reasoning": {"effort": "high"}})


def test_a_batch_makes_them_shows_them_only_as_files_and_does_not_make_them_twice(
    home: Home, recorder: Recorder
) -> None:
    hostile = svg().replace(b"<path", b"<script>alert(1)</script><path")
    usage = {**AUTHOR, "model": "writer-1"}
    recorder.answer = lambda request: (
        answer(hostile, svg_usage=usage) if request.json["output_format"] == "svg" else answer(gif(960, 960))
    )
    jobs = [
        {"prompt": "a logo", "output_format": "svg", "svg": {"model": "m", "reasoning": {"effort": "low"}}},
        {"prompt": "a wave", "output_format": "gif", "frame_count": 9, "safety_identifier": "me"},
        {"prompt": "bad", "output_format": "gif", "frame_count": 99},
    ]
    (home.cwd / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)), encoding="utf-8")
    command = ("batch", "run", "jobs.jsonl", "--model", FLARE, "--skip-invalid", "--json", "--out-dir", "out")
    first = home.run(*command, base_url=recorder.base_url).json
    assert (first["done"], first["invalid"], first["unpriced"]) == (2, 1, 1)
    assert [request.json.get("svg") for request in recorder.requests if "svg" in request.json] == [
        {"model": "m", "reasoning": {"effort": "low"}}
    ]
    page = (home.cwd / "out" / "index.html").read_text(encoding="utf-8")
    assert "$0.0059 + unknown" in page
    assert page.count("<img src=") == 2 and ".svg" in page and ".gif" in page
    assert "<svg" not in page and "alert" not in page and "data:" not in page
    home.run(*command, base_url=recorder.base_url)
    assert len(recorder.requests) == 2
