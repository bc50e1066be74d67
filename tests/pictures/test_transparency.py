"""A clear background around a paid call: looked at, cut out of a second picture, or had from a pair."""

from __future__ import annotations

import errno
import io
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from canvases import Desk, photo
from harness import KEY, Home, Sandbox
from PIL import Image
from servers import WAIT_S, Answer, Recorder, Request, images, refusal

from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.under_way import PreparedCall
from gpt_image2.core.telling.in_words import SANDBOX_MADE_IT

#: The smallest that there is.
SIZE = ("--quality", "low", "--size", "1024x640")
#: A place on the sandbox's card, and one on the half-clear disc in it.
CARD, DISC = (500, 100), (192, 737)


@pytest.fixture
def ask(
    desk: Desk, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Asker:
    monkeypatch.setenv("GPT_IMAGE2_API_KEY", KEY)
    return Asker(desk, sandbox, monkeypatch, f"a fox for {request.node.name}")


class Asker:
    """The desk with a model that may have a fault, and a prompt that no other test has."""

    def __init__(self, desk: Desk, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, prompt: str) -> None:
        self.desk, self.prompt = desk, prompt
        self._sandbox, self._monkeypatch = sandbox, monkeypatch

    def __call__(self, *words: str, fault: str = "", command: tuple[str, ...] = ("generate",)) -> dict:
        url = self._sandbox.fault(fault) if fault else self._sandbox.base_url
        self._monkeypatch.setenv("GPT_IMAGE2_BASE_URL", url)
        return self.desk.ok(*command, self.prompt, *SIZE, "-o", "fox.png", *words)

    def paid(self) -> list[dict]:
        """The calls in the history, oldest first."""
        return self.desk.ok("history")["requests"][::-1]


def failing(image: dict) -> set[str]:
    return {check["name"] for check in image["checks"] if not check["ok"]}


def drawn(ground: tuple[int, ...]) -> bytes:
    """A stone on a ground."""
    pixels = np.full((256, 256, len(ground)), ground, np.uint8)
    pixels[60:200, 60:200] = (120, 90, 70, 255)[: len(ground)]
    return as_png(pixels)


def as_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


CLEAR, ON_GREEN, ON_WHITE = drawn((0, 0, 0, 0)), drawn((0, 255, 0)), drawn((255, 255, 255))
#: On nothing that it could be cut out of.
PLAIN = as_png(photo(256, 256))


def asked(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, answers: list[list[bytes]]
) -> Callable[[], list[int]]:
    """A model that gives these images, call for call, then an error; how many were asked for in each."""
    monkeypatch.setenv("GPT_IMAGE2_API_KEY", KEY)
    monkeypatch.setenv("GPT_IMAGE2_BASE_URL", recorder.base_url)
    start = len(recorder.requests)

    def answer(request: Request) -> Answer:
        number = len(recorder.requests) - start - 1
        return images(*answers[number]) if number < len(answers) else refusal(500, "no")

    recorder.answer = answer
    return lambda: [
        int(request.json.get("n", 1)) if request.path.endswith("/generations") else 1
        for request in recorder.requests[start:]
    ]


def test_a_transparent_background_is_looked_at(ask: Asker) -> None:
    told = ask("--background", "transparent")
    (image,) = told["images"]
    assert (failing(image), told["warnings"]) == (set(), [SANDBOX_MADE_IT])
    assert image["checks"][0]["figures"]["clear_share"] > 0.05


def test_a_painted_checkerboard_is_a_warning_in_words_and_a_check_that_does_not_hold(ask: Asker) -> None:
    told = ask("--background", "transparent", fault="checkerboard")
    assert failing(told["images"][0]) == {"transparency", "border", "checkerboard"}
    said = "\n".join(told["warnings"])
    assert "no alpha channel" in said
    assert "a checkerboard is painted instead" in said
    assert ask.desk.names() == ["fox.png"]


def test_without_the_extra_nothing_is_said_of_it(home: Home, sandbox: Sandbox) -> None:
    words = ("generate", "a lonely fox", *SIZE, "--background", "transparent", "-o", "fox.png", "--json")
    done = home.run(*words, base_url=sandbox.fault("checkerboard"))
    assert (done.code, done.json["warnings"]) == (0, [SANDBOX_MADE_IT])
    assert "checks" not in done.json["images"][0]


def test_a_cutout_that_the_api_makes_itself_is_one_call_and_one_file(ask: Asker) -> None:
    told = ask("--cutout", "--max-cost", "1")
    (image,) = told["images"]
    assert (image["method"], failing(image), told["warnings"]) == ("native", set(), [SANDBOX_MADE_IT])
    assert len(ask.paid()) == 1
    assert ask.desk.names() == ["fox.png"]


@pytest.mark.parametrize("words", [(), ("--max-cost", "0.007")], ids=["no sum", "a sum for one"])
def test_no_second_price_is_paid_that_was_not_allowed_and_the_sum_is_told(
    ask: Asker, words: tuple[str, ...]
) -> None:
    told = ask("--cutout", *words, fault="checkerboard")
    (paid,) = ask.paid()
    assert told["cost_usd"] == pytest.approx(paid["cost_usd"])
    assert told["images"][0]["method"] == "as it came"
    assert any("not made" in said and "--max-cost 0.01 allows it" in said for said in told["warnings"])
    assert ask.desk.names() == ["fox.png"]


def test_a_second_picture_on_a_flat_colour_is_cut_out_where_both_prices_are_allowed(ask: Asker) -> None:
    ask.prompt = f"a frog with {ask.prompt}"
    told = ask("--cutout", "--max-cost", "0.02", fault="checkerboard")
    (image,) = told["images"]
    assert (image["method"], image["key"], failing(image)) == ("key", "#ff00ff", set())
    pixels = ask.desk.pixels("fox.png")
    assert (pixels[0, 0] == 0).all()
    assert pixels[CARD][3] == 255
    assert ask.desk.names() == ["fox.key.png", "fox.model.png", "fox.png"]
    assert image["derived_from"] == [str(ask.desk.path(name)) for name in ("fox.key.png", "fox.model.png")]
    first, second = ask.paid()
    assert first["fields"]["background"] == "transparent"
    assert "solid pure magenta (#ff00ff) background" in second["prompt"]
    assert told["cost_usd"] == pytest.approx(first["cost_usd"] + second["cost_usd"])
    assert (told["attempts"], told["billed"]) == (2, "yes")


def test_of_several_pictures_only_those_that_need_it_are_made_again(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = asked(recorder, monkeypatch, [[CLEAR, PLAIN, CLEAR, PLAIN], [ON_GREEN, ON_GREEN]])
    told = desk.ok("generate", "a stone", "-o", "s.png", "--n", "4", "--cutout", "--max-cost", "9")
    assert [image["method"] for image in told["images"]] == ["native", "key", "native", "key"]
    assert counts() == [4, 2]
    assert desk.names() == [
        *("s-1.png", "s-2.png", "s-3.png", "s-4.png"),
        *("s.key-1.png", "s.key-2.png", "s.model-2.png", "s.model-4.png"),
    ]


@pytest.mark.parametrize("words", [(), ("--max-cost", "9")], ids=["not allowed", "allowed"])
def test_a_picture_that_came_on_a_flat_colour_is_cut_out_of_that_without_a_second_price(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    counts = asked(recorder, monkeypatch, [[ON_GREEN]])
    told = desk.ok("generate", "a stone", "-o", "s.png", "--cutout", *words)
    (image,) = told["images"]
    assert (image["method"], image["key"], failing(image), counts()) == ("key", "#00ff00", set(), [1])
    assert told["warnings"] == []


def test_of_a_white_ground_the_soft_parts_are_guessed_and_a_second_price_is_for_better_ones(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(recorder, monkeypatch, [[ON_WHITE]])
    told = desk.ok("generate", "a stone", "-o", "s.png", "--cutout")
    assert (told["images"][0]["method"], told["images"][0]["key"]) == ("key", "#ffffff")
    assert any("was not made" in said for said in told["warnings"])
    counts = asked(recorder, monkeypatch, [[ON_WHITE], [ON_GREEN]])
    told = desk.ok("generate", "a stone", "-o", "s2.png", "--cutout", "--max-cost", "9")
    assert (told["images"][0]["key"], counts()) == ("#00ff00", [1, 1])


def test_an_opaque_background_is_a_flat_colour_at_once(ask: Asker) -> None:
    told = ask("--cutout", "--background", "opaque", fault="checkerboard")
    assert told["images"][0]["method"] == "key"
    (paid,) = ask.paid()
    assert "solid pure green (#00ff00) background" in paid["prompt"]


def test_the_colour_of_an_edit_is_none_of_its_source(ask: Asker) -> None:
    picture = photo(640, 640) // 3 + 60
    picture[100:300, 100:300] = (30, 200, 60)
    ask.desk.save("in.png", picture)
    ask("--cutout", "--max-cost", "1", command=("edit", "in.png"))
    second = ask.paid()[1]
    assert second["command"] == "edit"
    assert "#ff00ff" in second["prompt"]


@pytest.mark.parametrize("fault, shift", [("", [0, 0]), ("drift", [2, 2])])
def test_glass_is_exact_by_a_pair_and_a_shifted_pair_is_aligned(
    ask: Asker, fault: str, shift: list[int]
) -> None:
    told = ask("--glass", fault=fault)
    (image,) = told["images"]
    assert (image["method"], image["shift_px"], failing(image)) == ("pair", shift, set())
    pixels = ask.desk.pixels("fox.png")
    assert pixels[DISC][3] == pytest.approx(128, abs=2)
    assert (pixels[CARD][3], pixels[0, 0][3]) == (255, 0)
    assert ask.desk.names() == ["fox.black.png", "fox.model.png", "fox.png"]
    first, second = ask.paid()
    assert (first["command"], second["command"]) == ("generate", "edit")
    assert told["cost_usd"] == pytest.approx(first["cost_usd"] + second["cost_usd"])


def test_a_pair_that_does_not_fit_is_never_delivered_and_both_pictures_are_kept(ask: Asker) -> None:
    told = ask("--glass", fault="drift-far")
    (image,) = told["images"]
    assert image["method"] == "as it came"
    assert any("do not fit" in said for said in told["warnings"])
    assert ask.desk.names() == ["fox.black.png", "fox.png"]
    assert (ask.desk.pixels("fox.png")[0, 0] == 255).all()
    assert told["cost_usd"] == pytest.approx(sum(paid["cost_usd"] for paid in ask.paid()))


def test_a_dry_run_shows_both_calls_and_what_they_cost_together(ask: Asker) -> None:
    for words, is_needed, is_allowed in (
        (("--glass",), True, True),
        (("--cutout",), False, False),
        (("--cutout", "--max-cost", "1"), False, True),
    ):
        told = ask(*words, "--dry-run")
        further = told["further_call"]
        assert (further["needed"], further["allowed"]) == (is_needed, is_allowed)
        sums = [told["cost_usd"]["high"], further["cost_usd"]["high"]]
        assert further["both_usd"]["high"] == pytest.approx(sum(sums))
    assert "black (#000000)" in ask("--glass", "--dry-run")["further_call"]["prompt"]
    assert ask.paid() == []


@pytest.mark.parametrize("flag", ["--cutout", "--glass"])
def test_a_second_call_that_fails_leaves_the_first_picture_and_its_price(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    first = PLAIN if flag == "--cutout" else ON_WHITE
    counts = asked(recorder, monkeypatch, [[first]])
    told = desk.ok("generate", "a stone", "-o", "s.png", flag, "--max-cost", "9", "--retries", "0")
    assert told["images"][0]["path"] == str(desk.path("s.png"))
    assert desk.path("s.png").read_bytes() == first
    assert any("the second call failed" in said for said in told["warnings"])
    assert counts() == [1, 1]


def test_a_second_call_that_the_disk_does_not_let_begin_leaves_the_first_picture_and_its_price(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Client.prepare

    def fail(client: Client, *args: Any, **options: Any) -> PreparedCall:
        if recorder.requests:
            raise OSError(errno.ENOSPC, "No space left on device")
        return prepare(client, *args, **options)

    monkeypatch.setattr(Client, "prepare", fail)
    counts = asked(recorder, monkeypatch, [[PLAIN]])
    told = desk.ok("generate", "a stone", "-o", "s.png", "--cutout", "--max-cost", "9")
    assert (told["billed"], desk.path("s.png").read_bytes(), counts()) == ("yes", PLAIN, [1])
    assert any("no second call was made: No space left" in said for said in told["warnings"])


def test_no_second_call_is_made_for_a_first_picture_that_could_be_none_of_a_pair(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = asked(recorder, monkeypatch, [[PLAIN]])
    told = desk.ok("generate", "a stone", "-o", "s.png", "--glass")
    assert any("no second call was made" in said and "no flat" in said for said in told["warnings"])
    assert (told["images"][0]["method"], counts()) == ("as it came", [1])


def test_an_interrupted_second_call_leaves_the_first_picture_and_says_that_more_may_be_paid(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(recorder, monkeypatch, [[ON_WHITE]])
    first, is_over = recorder.answer, threading.Event()

    def answer(request: Request) -> Answer:
        if len(recorder.requests) == 2:
            os.kill(os.getpid(), signal.SIGINT)
            is_over.wait(WAIT_S)
        return first(request)

    recorder.answer = answer
    done = desk.run("generate", "a stone", "-o", "s.png", "--glass", "--retries", "0", "--json")
    is_over.set()
    told = done.json
    assert (done.code, told["billed"], told["cost_usd"]) == (130, "yes", None)
    assert [image["path"] for image in told["images"]] == [str(desk.path("s.png"))]
    assert desk.path("s.png").read_bytes() == ON_WHITE


REFUSED = {
    "both may cost more": (["--glass", "--max-cost", "0.01"], "both calls together may cost up to"),
    "a jpeg by its name": (["--glass", "-o", "fox.jpg"], "jpeg has no transparency"),
    "a jpeg by its format": (["--cutout", "--format", "jpeg"], "jpeg has no transparency"),
    "two methods": (["--cutout", "--glass"], "--cutout and --glass are two methods"),
    "several of glass": (["--glass", "--n", "2"], "`glass` makes one picture"),
}


@pytest.mark.parametrize("words, said", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_made_is_refused_before_anything_is_sent(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    asked(recorder, monkeypatch, [])
    found = desk.run("generate", "a stone", *SIZE, "-o", "fox.png", *words).error
    assert said.replace("`glass`", "--glass") in found
    assert recorder.requests == []
    assert desk.names() == []


def test_the_source_put_back_and_a_clear_background_do_not_go_together(
    desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(recorder, monkeypatch, [])
    desk.save("in.png", photo())
    words = ("edit", "in.png", "a hat", "--area", "9,9,50,50", "--keep-outside", "--cutout", "-o", "o.png")
    assert "do not go together" in desk.run(*words).error
    assert recorder.requests == []


def test_a_cutout_is_brought_to_an_exact_size(ask: Asker) -> None:
    (image,) = ask("--cutout", "--background", "opaque", "--exact", "300x200")["images"]
    assert image["method"] == "key + exact"
    assert ask.desk.pixels("fox.png").shape == (200, 300, 4)
