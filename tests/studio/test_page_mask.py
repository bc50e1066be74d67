"""Painting a mask as a person does it, and that nothing changes outside it."""

from __future__ import annotations

import io
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Home, Sandbox
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from processes import until
from studio_driving import Studio, made, studio_of
from studio_visitor import Visitor, press_make

SIZE = 1024


def area_of(studio: Studio, picture: str, **painting: Any) -> np.ndarray:
    """Where the picture is to be edited, by the mask that is made of a painting: height x width, bool."""
    reply = studio.post("api/masks", {"picture": picture, "painting": painting})
    assert reply.status == 200, reply.body
    mask = Image.open(io.BytesIO(studio.get(f"inputs/{reply.json['id']}").body))
    assert mask.mode == "RGBA"
    return np.asarray(mask.getchannel("A")) < 128


@pytest.fixture
def picture(home: Home, sandbox: Sandbox) -> Path:
    """A picture in the gallery, whose id is 1-1."""
    return made(home, sandbox, "a red fox", "-o", "fox.png", "--size", f"{SIZE}x{SIZE}", "--quality", "low")


def test_strokes_and_shapes_make_a_mask_in_their_order(studio: Studio, picture: Path) -> None:
    across = {"stroke": [[100, 500], [900, 500]], "radius": 50}
    hole = {"ellipse": [450, 450, 100, 100], "op": "subtract"}
    dot = {"stroke": [[500, 500]], "radius": 10}
    area = area_of(studio, "1-1", items=[across, hole, dot])
    assert area[500, 120] and area[500, 55] and area[455, 700] and not area[440, 700]
    assert not area[500, 470] and area[500, 500], "the dot came after the hole"
    turned = area_of(studio, "1-1", items=[across, hole, dot], invert=True)
    assert (turned != area).all()
    assert area_of(studio, "1-1", items=[{**dot, "op": "subtract"}, dot])[500, 500]
    wider = area_of(studio, "1-1", items=[dot], grow="20px")
    assert wider[500, 525] and not area_of(studio, "1-1", items=[dot])[500, 525]


@pytest.mark.parametrize(
    "items",
    [
        [],
        "x",
        [{"file": "/etc/passwd"}],
        [{"difference": "/etc/passwd"}],
        [{"input": "/etc/passwd"}],
        [{"stroke": [[1, 2]], "radius": "x"}],
        [{"stroke": [[1, float("nan")]], "radius": 3}],
        [{"stroke": [[1]], "radius": 3}],
        [{"stroke": [[1, 1]], "rect": [0, 0, 1, 1], "radius": 3}],
        [{"rect": [0, 0, 9, 9], "op": "subtract"}],
        [{"rect": [0, 0, 2048, 2048]}],
        [{"stroke": [[1, 1]] * 200_001, "radius": 3}],
    ],
)
def test_a_painting_that_makes_no_mask_is_refused(shared: Studio, items: Any) -> None:
    assert shared.post("api/masks", {"picture": "1-1", "painting": {"items": items}}).status == 400


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Any:
    """One studio with a picture, for what changes nothing."""
    home = Home(Path(tmp_path_factory.mktemp("masks")))
    made(home, sandbox, "a red fox", "-o", "fox.png")
    with studio_of(home, sandbox.base_url) as running:
        yield running.enter()


def open_editor(page: Page) -> Locator:
    """The editor over the picture of the gallery."""
    page.locator(".card").click()
    page.get_by_role("button", name="Edit this picture").click()
    page.get_by_role("button", name="Paint a mask").click()
    canvas = page.locator("dialog.mask canvas")
    expect(canvas).to_be_visible()
    until(lambda: page.evaluate("document.querySelector('dialog.mask canvas').width > 300"))
    return canvas


def drag(page: Page, canvas: Locator, *points: tuple[float, float]) -> None:
    """Draws from point to point, in shares of the picture, which lies whole in the middle of the canvas."""
    box = canvas.bounding_box()
    assert box
    side = min(box["width"], box["height"]) * 0.96
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    for number, (x, y) in enumerate(points):
        page.mouse.move(left + x * side, top + y * side, steps=4)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_mask_is_painted_undone_and_used_and_the_rest_stays_as_it_was(
    home: Home, sandbox: Sandbox, visitor: Visitor, picture: Path, prompt: str
) -> None:
    with studio_of(home, sandbox.fault("drift")) as studio:
        page = visitor.open(studio.enter())
        canvas = open_editor(page)
        drag(page, canvas, (0.3, 0.3), (0.5, 0.5))
        page.keyboard.press("r")
        drag(page, canvas, (0.05, 0.05), (0.9, 0.2))
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        expect(page.get_by_role("button", name="Undo", exact=True)).to_be_disabled()
        page.keyboard.press("Control+Shift+z")
        expect(page.get_by_role("button", name="Redo", exact=True)).to_be_enabled()
        page.keyboard.press("o")
        drag(page, canvas, (0.55, 0.55), (0.8, 0.8))
        page.get_by_role("button", name="Use this mask").click()
        expect(page.locator(".inputs .share")).to_contain_text("% of the first picture may change")
        expect(page.locator("input[name=keep_outside]")).to_be_checked()
        page.locator("#prompt").fill(prompt)
        page.locator("select[name=quality]").select_option("low")
        press_make(page)
        page.locator(".call.done").wait_for()
        expect(page.locator(".card .facts").first).to_contain_text("keep-outside")
        cards = studio.get("api/pictures").json["cards"]
        assert [card["id"] for card in cards] == ["d1", "2-1", "1-1"]
        mask_id = page.evaluate("JSON.parse(sessionStorage.getItem('studio-draft')).mask.id")
        mask = Image.open(io.BytesIO(studio.get(f"inputs/{mask_id}").body))
        sent = Image.open(io.BytesIO(studio.get("pictures/2-1").body)).convert("RGB")
        result = Image.open(io.BytesIO(studio.get("pictures/d1").body)).convert("RGB")
    outside = np.asarray(mask.getchannel("A")) == 255
    source = np.asarray(Image.open(picture).convert("RGB"))
    assert 0.05 < 1 - outside.mean() < 0.5 and not outside[700, 700] and not outside[410, 410]
    assert outside[100, 500], "the rectangle was undone"
    assert (np.asarray(sent)[outside] != source[outside]).any(), "the fault moves everything"
    assert (np.asarray(result)[outside] == source[outside]).all()
    assert (np.asarray(result)[~outside] != source[~outside]).any()
    assert len(sandbox.log(prompt)["requests"]) == 1


def pinch(page: Page, *steps: tuple[float, float, float]) -> None:
    """Two fingers beside each other: their middle and how far each is from it, in pixels, step by step."""
    touch = page.context.new_cdp_session(page)
    for kind, (x, y, far) in (("Start", steps[0]), *(("Move", step) for step in steps[1:])):
        points = [{"id": number, "x": x + side * far, "y": y} for number, side in enumerate((-1, 1))]
        # The second finger comes down after the first, as fingers do.
        for count in (1, 2) if kind == "Start" else (2,):
            sent = {"type": f"touch{kind}", "touchPoints": points[:count]}
            touch.send("Input.dispatchTouchEvent", sent)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    touch.detach()


def test_brush_zoom_and_place_follow_the_mouse_two_fingers_and_the_keyboard(
    studio: Studio, visitor: Visitor, picture: Path
) -> None:
    page = visitor.open(studio, has_touch=True)
    canvas = open_editor(page)
    size = page.locator("dialog.mask input[type=range]")
    before = int(size.input_value())
    page.keyboard.press("]")
    assert int(size.input_value()) > before
    page.keyboard.press("[")
    page.keyboard.press("[")
    assert int(size.input_value()) < before
    box = canvas.bounding_box()
    assert box
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.wheel(0, -400)
    page.keyboard.down("Space")
    page.mouse.down()
    page.mouse.move(middle[0] + 50, middle[1], steps=3)
    page.mouse.up()
    page.keyboard.up("Space")
    expect(page.get_by_role("button", name="Use this mask")).to_be_disabled()
    page.mouse.click(middle[0] + 50, middle[1])
    page.get_by_role("button", name="Use this mask").click()
    page.locator(".inputs .share").wait_for()
    items = "JSON.parse(sessionStorage.getItem('studio-draft')).mask.painting.items"
    ((x, y), *_) = page.evaluate(items)[0]["stroke"]
    assert abs(x - SIZE / 2) < 3 and abs(y - SIZE / 2) < 3, "the middle stayed under the pointer"

    page.get_by_role("button", name="Change the mask").click()
    until(lambda: page.evaluate("document.querySelector('dialog.mask canvas').width > 300"))
    whole = min(box["width"], box["height"]) * 0.96 / SIZE
    pinch(page, (*middle, 50), (*middle, 70), (*middle, 100), (middle[0] + 40, middle[1], 100))
    page.touchscreen.tap(middle[0] + 40 + 60, middle[1] - 30)
    for key in ("r", "Enter", "Shift+ArrowRight", "Shift+ArrowDown", "ArrowDown", "Enter"):
        canvas.press(key)
    page.get_by_role("button", name="Use this mask").click()
    until(lambda: len(page.evaluate(items)) > 1)
    _, tapped, typed = page.evaluate(items)  # two fingers paint nothing
    ((x, y),) = tapped["stroke"]
    right, down = x - SIZE / 2, y - SIZE / 2
    assert abs(right - 60 / (2 * whole)) < 3 and abs(down + 30 / (2 * whole)) < 3, "twice as large, and moved"
    assert abs(typed["rect"][2] - 64 / (2 * whole)) < 3 and abs(typed["rect"][3] - 72 / (2 * whole)) < 3


#: How much more red than green the picture is at a share of its width and height, from 0 to 255.
REDNESS = """(share) => {
  const canvas = document.querySelector('dialog.mask canvas');
  const side = Math.min(canvas.width, canvas.height) * .96;
  const [x, y] = [canvas.width, canvas.height].map(whole => (whole - side) / 2 + share * side);
  const [red, green] = canvas.getContext('2d').getImageData(x, y, 1, 1).data;
  return red - green;
}"""


def test_a_mask_of_another_program_is_imported_and_kept_for_the_next_prompt_and_when_all_is_used_again(
    studio: Studio, visitor: Visitor, picture: Path, tmp_path: Path
) -> None:
    other = tmp_path / "mask.png"
    drawn = Image.new("L", (SIZE, SIZE), 0)
    drawn.paste(255, (256, 256, 512, 512))
    drawn.save(other)
    page = visitor.open(studio)
    open_editor(page)
    page.locator("dialog.mask input[type=file]").set_input_files(str(other))
    page.get_by_role("button", name="Use this mask").click()
    expect(page.locator(".inputs .share")).to_contain_text("6.3 %")
    page.locator("#prompt").fill(str(uuid.uuid4()))
    page.locator("select[name=quality]").select_option("low")
    press_make(page)
    page.locator(".call.done").wait_for()
    expect(page.locator(".inputs .share")).to_contain_text("6.3 %")
    page.reload()
    page.get_by_role("button", name="Change the mask").click()
    expect(page.get_by_role("button", name="Use this mask")).to_be_enabled()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Export").click()
    exported = Image.open(saved.value.path())
    assert exported.mode == "RGBA" and exported.getchannel("A").getpixel((300, 300)) == 0
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Remove a red fox").click()
    page.locator(".call .seen").click()
    page.get_by_role("button", name="Use it all again").click()
    expect(page.locator(".inputs .share")).to_contain_text("6.3 %")
    page.get_by_role("button", name="Change the mask").click()
    until(lambda: page.evaluate(REDNESS, 0.375) > page.evaluate(REDNESS, 0.75) + 40)
    drag(page, page.locator("dialog.mask canvas"), (0.7, 0.7), (0.8, 0.8))
    page.get_by_role("button", name="Use this mask").click()
    expect(page.locator(".inputs .share")).not_to_contain_text("6.3 %")


def test_a_hundred_strokes_on_a_large_picture_weigh_little(
    studio: Studio, visitor: Visitor, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    Image.new("RGB", (3840, 2160), (90, 120, 150)).save(large)
    page = visitor.open(studio)
    page.locator(".inputs input[type=file]").set_input_files(str(large))
    page.get_by_role("button", name="Paint a mask").click()
    canvas = page.locator("dialog.mask canvas")
    until(lambda: page.evaluate("document.querySelector('dialog.mask canvas').width > 300"))
    used = "(gc => { gc?.(); return performance.memory.usedJSHeapSize })(globalThis.gc)"
    before = page.evaluate(used)
    box = canvas.bounding_box()
    assert box
    page.evaluate(
        """([x, y, width, height]) => {
          const canvas = document.querySelector('dialog.mask canvas');
          canvas.setPointerCapture = () => {};
          const at = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, {
            bubbles: true, cancelable: true, pointerId: 1, pointerType: 'pen', clientX: x, clientY: y}));
          for (let stroke = 0; stroke < 100; stroke++) {
            const left = x + width * .3, down = y + 100 + stroke * 3;
            at('pointerdown', left, down);
            for (let step = 0; step < 60; step++) at('pointermove', left + step * 5, down);
            at('pointerup', left + 300, down);
          }
        }""",
        [box["x"], box["y"], box["width"], box["height"]],
    )
    grown_mb = (page.evaluate(used) - before) / 1e6
    page.get_by_role("button", name="Use this mask").click()
    page.locator(".inputs .share").wait_for()
    steps = page.evaluate("JSON.parse(sessionStorage.getItem('studio-draft')).mask.painting.items.length")
    print(f"{steps} strokes: {grown_mb:.1f} MB")
    assert steps == 100 and grown_mb < 100
