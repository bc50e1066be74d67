"""Making pictures as a person does it in a real browser: what a click costs, and that it is one call."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty import WAIT_S, Exchange, completed, partial, serving
from harness import Home, Sandbox
from npm import installed
from pictures import png
from playwright.sync_api import APIResponse, Page, Route, expect
from processes import until
from servers import Recorder
from studio_driving import Studio, made, studio_of
from studio_visitor import Visitor, make_button, press_make

AXE = "axe-core@4.14.1"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def type_prompt(page: Page, prompt: str) -> None:
    """Fills the form for a cheap picture, and waits for its price."""
    page.locator("#prompt").fill(prompt)
    page.locator("select[name=quality]").select_option("low")
    page.locator("select[name=size]").select_option("square")
    expect(page.locator(".click .primary")).to_contain_text("$0.00")
    expect(page.locator(".click .primary")).to_be_enabled()


def requests(sandbox: Sandbox, prompt: str) -> int:
    """How many requests with this prompt the sandbox has seen."""
    return len(sandbox.log(prompt)["requests"])


def test_the_price_is_on_the_button_and_follows_what_is_typed(studio: Studio, visitor: Visitor) -> None:
    page = visitor.open(studio)
    button = page.locator(".click .primary")
    expect(button).to_be_disabled()
    type_prompt(page, "a fox")
    page.locator("input[name=n]").fill("3")
    expect(button).to_contain_text("$0.017")
    page.locator("input[name=pixels]").fill("1000x1000")
    page.locator("input[name=pixels]").press("Enter")
    expect(page.locator(".click .problem")).to_contain_text("1008x1008")
    expect(button).to_be_disabled()
    page.locator("select[name=size]").select_option("16:9@2k")
    expect(page.locator(".legal")).to_have_text("2048 × 1152")


def test_a_click_makes_a_picture_that_is_in_the_gallery(
    studio: Studio, visitor: Visitor, sandbox: Sandbox, prompt: str
) -> None:
    page = visitor.open(studio)
    type_prompt(page, prompt)
    page.keyboard.press("Control+Enter")
    page.locator(".call.done").wait_for()
    expect(page.locator(".call")).to_contain_text("· $0.00")
    expect(page.locator(".card .words")).to_have_text(prompt)
    page.locator(".call .seen").click()
    expect(page.get_by_role("dialog").locator(".stage img")).to_have_js_property("naturalWidth", 1024)
    assert requests(sandbox, prompt) == 1


def test_enter_in_a_field_pays_for_nothing_and_a_double_click_once(
    studio: Studio, visitor: Visitor, sandbox: Sandbox, prompt: str
) -> None:
    page = visitor.open(studio)
    type_prompt(page, prompt)
    for field in ("input[name=ceiling]", "input[name=pixels]", ".fields input[type=number]"):
        page.locator(field).press("Enter")
    make_button(page).dblclick()
    page.locator(".call.done").wait_for()
    expect(page.locator(".call")).to_have_count(1)
    assert requests(sandbox, prompt) == 1


def test_a_reload_in_the_middle_of_a_call_sends_nothing_and_finds_it_again(
    home: Home, recorder: Recorder, visitor: Visitor, prompt: str
) -> None:
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        other = visitor.open(studio)
        type_prompt(page, prompt)
        recorder.hold()
        press_make(page)
        recorder.wait_for_request()
        for window in (page, other):
            window.locator(".call.running").wait_for()
            window.reload()
            window.locator(".call.running").wait_for()
        expect(page.locator("#prompt")).to_have_value(prompt)
        recorder.release()
        for window in (page, other):
            window.locator(".call.done").wait_for()
            window.locator(".card").wait_for()
        assert len(recorder.requests) == 1


def test_an_answer_to_a_click_that_comes_late_does_not_set_its_call_back(
    home: Home, recorder: Recorder, visitor: Visitor, prompt: str
) -> None:
    held: list[tuple[Route, APIResponse]] = []
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        page.route("**/api/calls", lambda route: held.append((route, route.fetch())))
        type_prompt(page, prompt)
        recorder.hold()
        press_make(page)
        recorder.wait_for_request()
        page.locator(".call.running").wait_for()
        until(lambda: page.evaluate("1") and held)
        ((route, answer),) = held
        route.fulfill(response=answer, json={**answer.json(), "state": "queued"})
        expect(page.locator(".click .primary")).to_be_enabled()
        expect(page.locator(".call.running")).to_have_count(1)
        recorder.release()
        page.locator(".call.done").wait_for()


def test_a_request_that_is_looked_at_becomes_its_picture(
    home: Home, recorder: Recorder, visitor: Visitor, prompt: str
) -> None:
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        type_prompt(page, prompt)
        recorder.hold()
        press_make(page)
        recorder.wait_for_request()
        page.locator(".card .no-picture").click()
        expect(page.locator("dialog.detail .no-picture")).to_be_visible()
        recorder.release()
        expect(page.locator("dialog.detail .stage img")).to_have_js_property("naturalWidth", 1024)


def test_an_answer_that_is_lost_makes_no_second_call(
    studio: Studio, visitor: Visitor, sandbox: Sandbox, prompt: str
) -> None:
    page = visitor.open(studio)
    lost: list[str] = []

    def lose(route: Route) -> None:
        if len(lost) < 2:
            lost.append(json.loads(route.request.post_data or "")["id"])
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/api/calls", lose)
    type_prompt(page, prompt)
    with page.expect_response("**/api/calls"):
        press_make(page)
    page.locator(".call.done").wait_for()
    assert len(lost) == 2 and lost[0] == lost[1]
    assert requests(sandbox, prompt) == 1


def test_a_click_that_never_arrived_goes_back_into_the_form_unsent(
    studio: Studio, visitor: Visitor, sandbox: Sandbox, prompt: str
) -> None:
    page = visitor.open(studio)
    type_prompt(page, prompt)
    page.route("**/api/calls", lambda route: route.abort())
    press_make(page)
    page.locator(".toast.error").wait_for()
    page.unroute("**/api/calls")
    page.evaluate("sessionStorage.removeItem('studio-draft')")
    page.reload()
    page.get_by_text("never reached the studio").wait_for()
    expect(page.locator("#prompt")).to_have_value(prompt)
    expect(page.locator(".call")).to_have_count(0)
    assert requests(sandbox, prompt) == 0


def test_previews_show_while_they_come(home: Home, visitor: Visitor) -> None:
    is_seen = threading.Event()

    def talk(exchange: Exchange) -> None:
        exchange.start(content_type="text/event-stream")
        exchange.send(partial(png(1024, 1024), 0))
        is_seen.wait(WAIT_S)
        exchange.send(completed(png(1024, 1024, noise=b"done")))

    with serving(talk) as server, studio_of(home, server.base_url) as studio:
        page = visitor.open(studio.enter())
        type_prompt(page, "a slow one")
        page.get_by_label("Previews").select_option("2")
        expect(page.locator(".click .primary")).to_contain_text("$0.011")
        press_make(page)
        expect(page.locator(".call.running .preview")).to_have_js_property("naturalWidth", 1024)
        is_seen.set()
        page.locator(".call.done").wait_for()


def test_what_may_have_been_billed_is_said_and_not_offered_again(
    home: Home, sandbox: Sandbox, visitor: Visitor
) -> None:
    with studio_of(home, sandbox.fault("reset")) as studio:
        page = visitor.open(studio.enter())
        type_prompt(page, "a call that is cut")
        press_make(page)
        page.locator(".call .maybe").wait_for()
        expect(page.locator(".call button").filter(has_text="Back to the form")).to_have_count(0)
        expect(page.locator(".card .no-picture")).to_have_text("no picture, maybe billed")
        expect(page.locator(".sum")).to_contain_text("1 maybe billed")


def test_the_ceiling_of_the_visit_stops_the_button(studio: Studio, visitor: Visitor, prompt: str) -> None:
    page = visitor.open(studio)
    type_prompt(page, prompt)
    page.locator("input[name=ceiling]").fill("0.01")
    studio.post("api/ceiling", {"max_cost_usd": 7})  # of another window: what is typed here stays
    expect(page.locator(".ceiling")).to_contain_text("$7.00 left")
    expect(page.locator("input[name=ceiling]")).to_have_value("0.01")
    page.locator("input[name=ceiling]").press("Enter")
    expect(page.locator(".ceiling")).to_contain_text("$0.0100 left")
    press_make(page)
    page.locator(".call.done").wait_for()
    expect(page.locator(".click .primary")).to_be_disabled()
    expect(page.locator(".click .problem")).to_contain_text("ceiling")


def test_pictures_are_dropped_pasted_chosen_and_taken_from_the_gallery(
    home: Home, sandbox: Sandbox, recorder: Recorder, visitor: Visitor, tmp_path: Path
) -> None:
    fox = made(home, sandbox, "a red fox", "-o", "fox.png")
    chosen = tmp_path / "chosen.png"
    chosen.write_bytes(png(640, 640))
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        page.locator(".card").click()
        page.get_by_role("button", name="Edit this picture").click()
        page.locator(".inputs input[type=file]").set_input_files(str(chosen))
        expect(page.locator(".inputs li")).to_have_count(2)
        for kind in ("drop", "paste"):
            page.evaluate(
                """async ([kind, bytes]) => {
                  const file = new File([new Uint8Array(bytes)], kind + ".png", {type: "image/png"});
                  const given = new DataTransfer(); given.items.add(file);
                  const init = {bubbles: true, cancelable: true, clipboardData: given, dataTransfer: given};
                  const Event = kind === "drop" ? DragEvent : ClipboardEvent;
                  document.body.dispatchEvent(new Event(kind, init));
                }""",
                [kind, list(png(800, 640 if kind == "drop" else 800))],
            )
        expect(page.locator(".inputs li")).to_have_count(4)
        page.get_by_role("button", name="Move chosen.png forward").click()
        page.get_by_role("button", name="Remove drop.png").click()
        type_prompt_of_edit(page, "all of them")
        press_make(page)
        page.locator(".call.done").wait_for()
    sent = [part.data for part in recorder.only.files()]
    assert sent == [chosen.read_bytes(), fox.read_bytes(), png(800, 800)]


def type_prompt_of_edit(page: Page, prompt: str) -> None:
    """Fills the form for an edit, and waits for its price."""
    page.locator("#prompt").fill(prompt)
    expect(page.locator(".click .primary")).to_be_enabled()


def look_at_dialogs(page: Page, is_clean: Callable[[str], None]) -> None:
    """Opens what lies over the page, one after the other."""
    page.locator(".card").click()
    page.locator(".actions button").nth(3).click()
    page.locator("dialog.versions .version").wait_for()
    is_clean("versions")
    page.keyboard.press("Escape")
    page.locator(".actions button").nth(1).click()
    page.locator(".inputs .row button").first.click()
    until(lambda: page.evaluate("document.querySelector('dialog.mask canvas').width > 300"))
    is_clean("mask")
    page.keyboard.press("Escape")
    page.locator("select[name=model]").select_option("gpt-image-2.5-flare")
    page.locator(".inputs .row button").nth(1).click()
    until(lambda: page.evaluate("document.querySelector('dialog.markup canvas').width > 300"))
    is_clean("markup")
    page.keyboard.press("Escape")
    for number in (0, 1):
        page.locator("header > button").nth(number).click()
        page.locator("dialog.overview table").first.wait_for()
        is_clean("overview")
        page.keyboard.press("Escape")


#: Each scheme with each language, each with each width.
LOOKS = [
    {"color_scheme": "light", "locale": "en-GB"},
    {"color_scheme": "dark", "locale": "zh-CN"},
    {"color_scheme": "dark", "locale": "en-GB", **PHONE},
    {"color_scheme": "light", "locale": "zh-CN", **PHONE},
]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(map(str, [*look.values()][:2])))
def test_no_barrier_is_found_by_axe_in_any_look(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor, look: dict[str, object]
) -> None:
    made(home, sandbox, "a red fox", "-o", "fox.png")
    page = visitor.open(studio, bypass_csp=True, **look)
    page.locator(".card").wait_for()
    assert page.locator("html").get_attribute("lang") == ("zh-Hans" if look["locale"] == "zh-CN" else "en")
    page.evaluate((installed(AXE) / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))

    def is_clean(where: str) -> None:
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        told = [
            (each["id"], each["impact"], [node["html"][:200] for node in each["nodes"]]) for each in found
        ]
        assert [each for each in told if each[1] in ("serious", "critical")] == [], where

    is_clean("gallery")
    page.locator(".card").click()
    page.locator("dialog.detail").wait_for()
    is_clean("picture")
    page.keyboard.press("Escape")
    if "viewport" not in look:
        look_at_dialogs(page, is_clean)
    if "viewport" in look:
        page.locator("header nav button").first.click()
    page.locator("#prompt").wait_for()
    is_clean("form")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
