"""Drawing on a picture what the model is to do, and that it is sent as it was drawn."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from harness import Home, Sandbox
from PIL import Image
from playwright.sync_api import Page, expect
from processes import until
from studio_driving import Studio, made
from studio_visitor import Visitor, press_make
from test_page_mask import drag

SIZE = 1024
MODEL = "gpt-image-2.5-flare"


def kinds(page: Page) -> list[list[str]]:
    """The items of the markup that the form keeps, by what they have."""
    items = page.evaluate("JSON.parse(sessionStorage.getItem('studio-draft')).markup.painting.items")
    return [sorted({"stroke", "arrow", "text"} & item.keys()) for item in items]


def test_strokes_an_arrow_and_text_are_sent_as_a_markup_that_is_clear_elsewhere_and_used_again(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor, prompt: str
) -> None:
    made(home, sandbox, "a red fox", "-o", "fox.png", "--size", f"{SIZE}x{SIZE}", "--quality", "low")
    page = visitor.open(studio)
    page.locator(".card").click()
    page.get_by_role("button", name="Edit this picture").click()
    button = page.get_by_role("button", name="Draw on it")
    expect(page.get_by_role("button", name="Paint a mask")).to_be_visible()
    expect(button).to_have_count(0)  # the model that is set takes none
    page.locator("select[name=model]").select_option(MODEL)
    button.click()
    canvas = page.locator("dialog.markup canvas")
    until(lambda: page.evaluate("document.querySelector('dialog.markup canvas').width > 300"))
    keep = page.get_by_role("button", name="Use this drawing")
    expect(keep).to_be_disabled()

    page.get_by_label("Colour").fill("#00ff00")
    drag(page, canvas, (0.1, 0.1), (0.4, 0.1))
    page.keyboard.press("a")
    page.get_by_label("Colour").fill("#0000ff")
    drag(page, canvas, (0.1, 0.9), (0.4, 0.9))
    page.keyboard.press("t")
    page.keyboard.type("<b>hat</b> 帽子")
    page.keyboard.press("Enter")
    drag(page, canvas, (0.7, 0.2))
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    keep.click()
    expect(page.locator(".inputs .share")).to_contain_text("Your drawing is sent along")
    assert kinds(page) == [["stroke"], ["arrow"], ["text"]]
    expect(page.get_by_role("button", name="Paint a mask")).to_have_count(0)  # the two never go together

    page.locator("#prompt").fill(prompt)
    page.locator("select[name=quality]").select_option("low")
    press_make(page)
    page.locator(".call.done").wait_for()

    markup_id = page.evaluate("JSON.parse(sessionStorage.getItem('studio-draft')).markup.id")
    data = studio.get(f"inputs/{markup_id}").body
    (sent,) = sandbox.log(prompt)["requests"]
    assert {file["field"]: file["sha256"] for file in sent["files"]}["markup"] == hashlib.sha256(
        data
    ).hexdigest()
    markup = Image.open(io.BytesIO(data))
    assert markup.mode == "RGBA" and markup.size == (SIZE, SIZE)
    pixels = np.asarray(markup)
    assert tuple(pixels[102, 250]) == (0, 255, 0, 255) and tuple(pixels[922, 250]) == (0, 0, 255, 255)
    assert pixels[880:922, 350:420, 3].any(), "the arrow has a head"
    assert pixels[470:560, 300:720, 3].any(), "the text is in the middle"
    drawn = pixels[..., 3] > 0
    drawn[85:120, 85:430] = drawn[860:985, 85:430] = drawn[440:590, 150:880] = False
    assert not drawn.any(), "what was undone and what was never drawn is clear"

    page.get_by_role("button", name="Remove a red fox").click()
    page.locator(".call .seen").click()
    page.get_by_role("button", name="Use it all again").click()
    expect(page.locator(".inputs .share")).to_contain_text("Your drawing is sent along")
    page.get_by_role("button", name="Change the drawing").click()
    until(lambda: page.evaluate("document.querySelector('dialog.markup canvas').width > 300"))
    page.keyboard.press("b")
    drag(page, canvas, (0.1, 0.7), (0.4, 0.7))
    keep.click()
    expect(page.locator("dialog.markup")).to_have_count(0)
    markup_id = page.evaluate("JSON.parse(sessionStorage.getItem('studio-draft')).markup.id")
    again = np.asarray(Image.open(io.BytesIO(studio.get(f"inputs/{markup_id}").body)))
    assert again[717, 250, 3] == 255 and (again[:600] == pixels[:600]).all(), "it is drawn on further"


def test_a_drawing_is_taken_up_again_is_only_for_a_model_that_takes_it_and_is_not_used_rubbed_out(
    studio: Studio, visitor: Visitor, tmp_path: Path
) -> None:
    picture = tmp_path / "grey.png"
    Image.new("RGB", (SIZE, SIZE), (120, 120, 120)).save(picture)
    page = visitor.open(studio, locale="zh-CN")
    page.locator("select[name=model]").select_option(MODEL)
    page.locator(".inputs input[type=file]").set_input_files(str(picture))
    page.get_by_role("button", name="在图上标注").click()
    canvas = page.locator("dialog.markup canvas")
    until(lambda: page.evaluate("document.querySelector('dialog.markup canvas').width > 300"))
    page.keyboard.press("b")
    drag(page, canvas, (0.2, 0.2), (0.3, 0.2))
    keep = page.get_by_role("button", name="使用此标注")
    keep.click()
    expect(page.locator(".inputs .share")).to_contain_text("标注会随请求发送")
    page.locator("select[name=model]").select_option("")
    expect(page.locator(".click .problem")).to_contain_text("`markup` needs")
    page.locator("select[name=model]").select_option(MODEL)
    expect(page.locator(".click .problem")).to_have_count(0)
    page.reload()
    page.get_by_role("button", name="修改标注").click()
    until(lambda: page.evaluate("document.querySelector('dialog.markup canvas').width > 300"))
    page.keyboard.press("e")
    for _ in range(20):
        page.keyboard.press("]")
    drag(page, canvas, (0.1, 0.2), (0.4, 0.2))
    keep.click()
    expect(page.locator(".toast.error")).to_contain_text("标注已全部擦除")
    page.keyboard.press("Escape")
    assert kinds(page) == [["stroke"]], "what was kept before stays"
    page.get_by_role("button", name="不用标注").click()
    assert page.evaluate("JSON.parse(sessionStorage.getItem('studio-draft')).markup") is None
    expect(page.get_by_role("button", name="绘制蒙版")).to_be_visible()
