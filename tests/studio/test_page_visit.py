"""One whole visit, and what belongs to it: cut-outs, exact sizes, extending, export, spending, settings."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from harness import KEY, Home, Sandbox
from PIL import Image
from playwright.sync_api import Page, expect
from processes import until
from servers import Recorder, images
from studio_driving import Studio, made, studio_of
from studio_visitor import Visitor, press_make


def make(page: Page, prompt: str) -> None:
    """Types a prompt and makes its picture."""
    ended = page.locator(".call.done").count()
    page.locator("#prompt").fill(prompt)
    page.locator("select[name=quality]").select_option("low")
    press_make(page)
    expect(page.locator(".call.done")).to_have_count(ended + 1)


def test_from_an_empty_gallery_to_an_export_every_picture_and_cent_is_kept(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor, prompt: str
) -> None:
    page = visitor.open(studio)
    page.get_by_text("No pictures yet").wait_for()
    make(page, f"{prompt} one")
    page.locator(".card").click()
    page.get_by_role("button", name="Edit this picture").click()
    page.get_by_role("button", name="Paint a mask").click()
    until(lambda: page.evaluate("document.querySelector('dialog.mask canvas').width > 300"))
    page.locator("dialog.mask canvas").click()
    page.get_by_role("button", name="Use this mask").click()
    page.locator(".inputs .share").wait_for()
    make(page, f"{prompt} two")
    expect(page.locator(".card")).to_have_count(3)
    for number in (0, 2):
        page.locator(".card").nth(number).focus()
        page.keyboard.press("x")
    page.keyboard.press("c")
    expect(page.locator(".pair img")).to_have_count(2)
    page.keyboard.press("Escape")
    page.locator(".inputs .tools button").last.click()
    make(page, f"{prompt} three on a solid green (#00ff00) background")
    page.locator(".call .seen").first.click()
    page.get_by_role("button", name="Cut out").click()
    expect(page.locator("dialog.detail dl")).to_contain_text("key")
    page.keyboard.press("Escape")
    expect(page.locator(".card")).to_have_count(5)
    page.locator(".card").first.focus()
    page.keyboard.press("x")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download as zip").click()
    archive = zipfile.ZipFile(saved.value.path())
    told = json.loads(archive.read("pictures.json"))
    assert [each["method"] for each in told] == ["keep-outside", None, "key"]
    assert told[0]["request"]["prompt"] == f"{prompt} two"
    assert str(home.root) not in json.dumps(told) and KEY not in json.dumps(told)
    sheet = archive.read("sheet.html").decode()
    for each in told:
        assert Image.open(io.BytesIO(archive.read(each["file"]))).format == "PNG"
        assert each["file"] in sheet
    history = home.run("history", "--json").json["requests"]
    words = [each["prompt"].removeprefix(f"{prompt} ").split()[0] for each in history]
    assert words == ["three", "two", "one"]
    spent = sum(each["cost_usd"] for each in history)
    assert abs(studio.get("api/state").json["budget"]["spent_usd"] - spent) < 1e-5
    assert [len(sandbox.log(each["prompt"])["requests"]) for each in history] == [1, 1, 1]


def test_a_cut_out_and_an_exact_size_are_made_without_a_call(
    home: Home, recorder: Recorder, visitor: Visitor
) -> None:
    subject = Image.new("RGB", (1024, 1024), (0, 255, 0))
    subject.paste((200, 30, 30), (300, 300, 700, 700))
    data = io.BytesIO()
    subject.save(data, "PNG")
    recorder.answer = lambda _: images(data.getvalue())
    assert home.run("generate", "an icon", "-o", "icon.png", base_url=recorder.base_url).code == 0
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        page.locator(".card").click()
        page.get_by_role("button", name="Cut out").click()
        expect(page.locator("dialog.detail dl")).to_contain_text("key")
        cut = np.asarray(Image.open(io.BytesIO(studio.get("pictures/d1").body)))
        assert cut[10, 10, 3] == 0 and cut[500, 500].tolist() == [200, 30, 30, 255]
        page.locator(".actions input[name=size]").fill("600x315")
        page.get_by_role("button", name="Bring to size").click()
        expect(page.locator("dialog.detail dl")).to_contain_text("600 × 315")
        assert Image.open(io.BytesIO(studio.get("pictures/d2").body)).size == (600, 315)
        versions = studio.get("api/pictures/d2/versions").json["versions"]
        assert [each["method"] for each in versions] == ["", "key", "exact"]
        assert studio.post("api/pictures/1-1/make", {"what": "exact", "size": "0x5"}).status == 400
        assert studio.post("api/pictures/1-1/make", {"what": "rm"}).status == 400
    assert len(recorder.requests) == 1


def test_a_picture_is_extended_and_saved_at_an_exact_size(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor, prompt: str
) -> None:
    made(home, sandbox, "a red fox", "-o", "fox.png", "--quality", "low", "--size", "1024x1024")
    page = visitor.open(studio)
    page.locator(".card").click()
    page.get_by_role("button", name="Edit this picture").click()
    page.locator("input[name=extend]").fill("left=25%,right=25%")
    page.locator("input[name=extend]").press("Enter")
    expect(page.locator(".legal")).to_have_text("1536 × 1024")
    make(page, prompt)
    page.locator(".call .seen").click()
    expect(page.locator("dialog.detail dl")).to_contain_text("extend")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove a red fox").click()
    page.locator("input[name=exact]").fill("1200x630")
    page.locator("input[name=exact]").press("Enter")
    make(page, f"{prompt} exact")
    page.locator(".call .seen").first.click()
    expect(page.locator("dialog.detail dl")).to_contain_text("1200 × 630")
    assert len(sandbox.log(prompt)["requests"]) == 1


def test_spending_and_settings_are_told_without_the_key(
    home: Home, recorder: Recorder, visitor: Visitor
) -> None:
    assert home.run("generate", "a fox", "-o", "fox.png", base_url=recorder.base_url).code == 0
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        page.get_by_role("button", name="Spending").click()
        cost = home.run("history", "--json").json["requests"][0]["cost_usd"]
        expect(page.locator("dialog.overview")).to_contain_text(f"${cost:.4f}")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Settings").click()
        table = page.locator("dialog.overview")
        expect(table).to_contain_text(recorder.base_url)
        expect(table).to_contain_text("GPT_IMAGE2_BASE_URL")
        page.get_by_role("button", name="Check everything").click()
        expect(page.locator(".checks")).to_contain_text("curl")
        said = page.content() + studio.get("api/settings").body.decode()
        said += studio.post("api/doctor", {}).body.decode()
    assert KEY not in said and KEY[-4:] not in said and KEY[:7] not in said


def test_what_is_chosen_but_gone_is_left_out_of_an_export(
    home: Home, sandbox: Sandbox, studio: Studio, tmp_path: Path
) -> None:
    path = made(home, sandbox, "a fox", "-o", "fox.png", "--quality", "low")
    made(home, sandbox, "a cat", "-o", "cat.png", "--quality", "low")
    path.unlink()
    archive = zipfile.ZipFile(io.BytesIO(studio.get("api/export?ids=1-1,2-1").body))
    assert len(json.loads(archive.read("pictures.json"))) == 1
    for wrong in ("", "1-1", "x", "../../etc/passwd", ",".join(["2-1"] * 501)):
        assert studio.get(f"api/export?ids={wrong}").status == 400
    assert not list((home.state / "studio").glob("*.zip"))
