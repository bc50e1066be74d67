"""Makes the pictures of `docs/studio/`: a real studio over the sandbox, in a real Chromium, as in its tests.

python tests/studio/take_pictures.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from harness import Home, Sandbox, serve_sandbox  # noqa: E402
from playwright.sync_api import Locator, Page, expect  # noqa: E402
from processes import until  # noqa: E402
from studio_driving import made, studio_of  # noqa: E402
from studio_visitor import Visitor, chromium_of, press_make  # noqa: E402
from test_page_mask import drag  # noqa: E402

FOLDER = ROOT / "docs" / "studio"
WINDOW = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
#: What is in the gallery, oldest first: prompts and sizes.
GALLERY = {
    "Sunset over the mountains": "16:9",
    "A red fox asleep on a stone wall": "square",
    "A harbour town in the evening": "square",
    "Mountains above a sea of clouds": "3:1",
    "A tall pine in the snow": "portrait",
    "A quiet library with green lamps": "square",
    "A hot-air balloon over fields": "square",
    "Night market, lanterns, steam": "square",
}
FOX = "A red fox asleep on a stone wall"


def main() -> int:
    """Makes them all."""
    with tempfile.TemporaryDirectory() as folder, serve_sandbox(
        "--latency", "2"
    ) as url, chromium_of() as browser:
        home, visitor = Home(Path(folder)), Visitor(browser)
        for prompt, size in GALLERY.items():
            made(home, Sandbox(url), prompt, "--size", size, "--quality", "low")
        with studio_of(home, url) as studio:
            page = visitor.open(studio.enter(), **WINDOW)
            show_making(page)
            show_painting(page)
            show_comparing(page)
            show_collections(page)
            for name, look in (
                ("chinese-dark", {**WINDOW, "locale": "zh-CN", "color_scheme": "dark"}),
                ("phone", PHONE),
            ):
                other = visitor.open(studio, **look)
                other.locator(".card img").first.wait_for()
                keep(other, name)
            visitor.close()
    return 0


def show_making(page: Page) -> None:
    """A click with previews, and the gallery after it."""
    page.locator("#prompt").fill("A desert road at noon")
    page.locator("select[name=size]").select_option("square")
    page.locator("select[name=quality]").select_option("low")
    page.get_by_label("Previews").select_option("2")
    press_make(page)
    page.locator(".call.running .preview").wait_for()
    keep(page, "make")
    page.locator(".call.done").wait_for()
    keep(page, "gallery")


def show_painting(page: Page) -> None:
    """A mask and a markup over the fox."""
    page.locator(".card", has_text=FOX).click()
    page.get_by_role("button", name="Edit this picture").click()
    canvas = opened(page, "mask", "Paint a mask")
    page.locator("dialog.mask input[name=feather]").fill("24")
    drag(page, canvas, (0.2, 0.68), (0.35, 0.72), (0.58, 0.68))
    page.keyboard.press("o")
    drag(page, canvas, (0.4, 0.3), (0.65, 0.5))
    page.keyboard.press("b")
    page.mouse.move(0, 0)
    keep(page, "mask")
    page.get_by_role("button", name="Use this mask").click()
    page.locator(".inputs .share").wait_for()
    page.locator("#prompt").fill("A lantern hangs on the wall")
    page.get_by_label("Previews").select_option("0")
    press_make(page)
    expect(page.locator(".call.done")).to_have_count(2)
    page.get_by_role("button", name="No mask").click()
    page.locator("select[name=model]").select_option("gpt-image-2.5-flare")
    canvas = opened(page, "markup", "Draw on it")
    for _ in range(5):
        page.keyboard.press("]")
    drag(page, canvas, (0.2, 0.6), (0.3, 0.52), (0.42, 0.6), (0.3, 0.68), (0.2, 0.6))
    page.get_by_label("Colour").fill("#ffd400")
    page.keyboard.press("a")
    drag(page, canvas, (0.7, 0.55), (0.45, 0.6))
    for _ in range(5):
        page.keyboard.press("[")
    page.get_by_label("Text to place").fill("a lantern here")
    drag(page, canvas, (0.72, 0.48))
    page.mouse.move(0, 0)
    keep(page, "markup")
    page.keyboard.press("Escape")
    page.locator("select[name=model]").select_option("")


def show_comparing(page: Page) -> None:
    """The fox beside what was made of it, and their tree."""
    for prompt in (FOX, "A lantern"):
        page.locator(".card", has_text=prompt).first.focus()
        page.keyboard.press("x")
    page.keyboard.press("c")
    shown(page, ".pair img")
    keep(page, "compare")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Choose none").click()
    page.locator(".card", has_text="A lantern").first.click()
    page.get_by_role("button", name="Versions").click()
    expect(page.locator(".version")).to_have_count(3)
    shown(page, "dialog img")
    keep(page, "versions")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")


def show_collections(page: Page) -> None:
    """Stars and a collection."""
    for prompt in ("A lantern", "A tall pine", "Night market", "A quiet library"):
        page.locator(".card", has_text=prompt).first.focus()
        page.keyboard.press("x")
    page.locator("input[name=collection]").fill("For the winter book")
    page.get_by_role("button", name="Put in").click()
    page.get_by_role("button", name="Choose none").click()
    page.locator("select[name=filter-collection]").select_option("For the winter book")
    expect(page.locator(".card")).to_have_count(4)
    for number in (0, 2):
        page.locator(".card").nth(number).focus()
        page.keyboard.press("s")
    expect(page.locator(".star:checked")).to_have_count(2)
    page.locator(".toast button").first.click()
    keep(page, "collections")
    page.get_by_role("button", name="Show all").click()


def opened(page: Page, kind: str, button: str) -> Locator:
    """The canvas of an editor."""
    page.get_by_role("button", name=button).click()
    until(lambda: page.evaluate(f"document.querySelector('dialog.{kind} canvas').width > 300"))
    return page.locator(f"dialog.{kind} canvas")


def shown(page: Page, pictures: str) -> None:
    """Waits for pictures."""
    until(
        lambda: page.evaluate(
            f"[...document.querySelectorAll('{pictures}')].every(each => each.naturalWidth)"
        )
    )


def keep(page: Page, name: str) -> None:
    """What is seen now, with few colours."""
    shown(page, ".card img")
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
