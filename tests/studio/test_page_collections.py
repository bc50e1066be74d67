"""Stars and collections as a person sees them in a real browser, and inputs that are given names."""

from __future__ import annotations

import zipfile

from harness import Home, Sandbox
from pictures import png
from playwright.sync_api import expect
from servers import Recorder
from studio_driving import Studio, made, studio_of
from studio_visitor import Visitor, press_make


def test_pictures_are_starred_collected_filtered_exported_and_renamed_and_every_window_knows(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor
) -> None:
    for prompt in ("fox", "cat", "hen"):
        made(home, sandbox, prompt, "-o", f"{prompt}.png", "--quality", "low")
    page, other = visitor.open(studio), visitor.open(studio, locale="zh-CN")
    expect(page.locator(".card")).to_have_count(3)
    page.keyboard.press("g")
    page.keyboard.press("s")
    for window, words in ((page, "Star: hen"), (other, "星标：hen")):
        expect(window.get_by_role("checkbox", name=words)).to_be_checked()
    other.get_by_role("checkbox", name="星标：fox").click()
    expect(page.get_by_role("checkbox", name="Star: fox")).to_be_checked()
    page.get_by_role("button", name="Starred").click()
    expect(page.locator(".card .words")).to_have_text(["fox", "hen"][::-1])
    page.keyboard.press("g")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog.detail")
    expect(dialog.get_by_role("button", name="Starred")).to_have_attribute("aria-pressed", "true")
    dialog.get_by_label("Collection").fill("For <b>a</b> book & more")
    page.keyboard.press("Enter")
    expect(dialog.locator(".marks li")).to_contain_text("For <b>a</b> book & more")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".card")).to_have_count(3)
    page.locator(".card", has_text="cat").focus()
    page.keyboard.press("x")
    page.locator("input[name=collection]").fill("For <b>a</b> book & more")
    page.get_by_role("button", name="Put in").click()
    page.locator(".toast", has_text="Put into").first.wait_for()
    page.get_by_role("button", name="Choose none").click()
    page.reload()
    page.locator("select[name=filter-collection]").select_option("For <b>a</b> book & more")
    expect(page.locator(".card .words")).to_have_text(["hen", "cat"])
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download For").click()
    assert saved.value.suggested_filename == "for-b-a-b-book-more.zip"
    assert len(zipfile.ZipFile(saved.value.path()).namelist()) == 4
    other.locator("select[name=filter-collection]").select_option("For <b>a</b> book & more")
    expect(other.locator(".card")).to_have_count(2)
    other.locator(".card", has_text="hen").click()
    other.get_by_role("button", name="移出").click()
    expect(other.locator("dialog.detail .marks li")).to_have_count(0)
    expect(page.locator(".card")).to_have_count(1)
    name = page.get_by_label("New name")
    name.fill("Film")
    name.press("Enter")
    expect(page.locator("select[name=filter-collection]")).to_have_value("Film")
    expect(page.locator(".card .words")).to_have_text(["cat"])
    other.locator("select[name=filter-collection] option", has_text="Film").wait_for(state="attached")
    page.get_by_role("button", name="Dissolve").click()
    page.get_by_role("button", name="Undo").click()
    page.locator("select[name=filter-collection]").select_option("Film")
    page.get_by_role("button", name="Dissolve").click()
    page.locator(".toast").get_by_role("button", name="Close").click()
    expect(other.locator("select[name=filter-collection] option", has_text="Film")).to_have_count(0)
    assert studio.get("api/pictures").json["choices"]["collection"] == []
    assert studio.get("api/pictures?starred=1").json["total"] == 2


def test_a_picture_is_sent_under_the_name_that_is_typed(
    home: Home, recorder: Recorder, visitor: Visitor
) -> None:
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        file = {"name": "IMG_4711.png", "mimeType": "image/png", "buffer": png(640, 640)}
        page.locator(".inputs input[type=file]").set_input_files(file)
        name = page.get_by_label("Name of picture 1")
        expect(name).to_have_value("IMG_4711.png")
        name.fill("the hat")
        name.press("Enter")
        expect(page.locator(".inputs img")).to_have_attribute("alt", "the hat")
        page.locator("#prompt").fill("the fox wears the hat")
        page.reload()
        expect(name).to_have_value("the hat")
        press_make(page)
        page.locator(".call.done").wait_for()
    assert [part.filename for part in recorder.only.files()] == ["the hat.png"]
