"""Comparing pictures, and the tree of what was made from what."""

from __future__ import annotations

import io
import uuid
from pathlib import Path

import numpy as np
import pytest
from harness import Home, Sandbox
from PIL import Image
from playwright.sync_api import Page, expect
from processes import until
from studio_driving import Studio, made, run_command
from studio_visitor import Visitor, press_make


def edited(home: Home, sandbox: Sandbox, source: Path, prompt: str, name: str, *flags: str) -> Path:
    """A picture that the command line has made of another."""
    words = ("edit", str(source), prompt, "-o", name, "--quality", "low", *flags)
    done = run_command(home, *words, base_url=sandbox.base_url)
    assert done.returncode == 0, done.stderr
    return home.cwd / name


@pytest.fixture
def family(home: Home, sandbox: Sandbox) -> None:
    """A fox, two edits of it, and one of these finished with its outside kept."""
    fox = made(home, sandbox, "a red fox", "-o", "fox.png", "--quality", "low")
    edited(home, sandbox, fox, "a fox with a hat", "hat.png")
    kept = ("--area", "10%,10%,40%,40%", "--keep-outside")
    edited(home, sandbox, fox, "a fox with a scarf", "scarf.png", *kept)
    renamed = (home.cwd / "scarf.png").rename(home.cwd / "another name.png")
    edited(home, sandbox, renamed, "a scarf and boots", "boots.png")


def test_the_tree_shows_what_was_made_from_what_and_goes_back_to_any(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor, family: None
) -> None:
    page = visitor.open(studio)
    page.locator(".card", has_text="boots").click()
    page.get_by_role("button", name="Versions").click()
    tree = page.locator("dialog.versions")
    expect(tree.locator(".version")).to_have_count(5)
    root = tree.locator("> ul > li")
    expect(root).to_have_count(1)
    expect(root.locator("> .row .words")).to_have_text("a red fox")
    expect(root.locator("> ul > li")).to_have_count(2)
    chain = root.locator("> ul > li", has_text="scarf")
    for words, facts in (
        ("a fox with a scarf", "as the model sent it"),
        ("a fox with a scarf", "keep-outside"),
        ("a scarf and boots", "as the model sent it"),
    ):
        expect(chain.locator("> .row .words")).to_have_text(words)
        expect(chain.locator("> .row .facts")).to_contain_text(facts)
        chain = chain.locator("> ul > li")
    tree.get_by_role("button", name="a red fox").click()
    expect(page.locator("dialog.detail .side .prompt")).to_have_text("a red fox")
    page.get_by_role("button", name="Edit this picture").click()
    branch = f"another branch {uuid.uuid4()}"
    page.locator("#prompt").fill(branch)
    page.locator("select[name=quality]").select_option("low")
    press_make(page)
    page.locator(".call.done .seen").click()
    page.get_by_role("button", name="Versions").click()
    expect(root.locator("> ul > li", has_text=branch)).to_have_count(1)


def shot(page: Page) -> np.ndarray:
    """The middle of what is compared, as RGB."""
    data = page.locator(".pair").screenshot(animations="disabled")
    image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    height, width = image.shape[:2]
    return image[height // 4 : 3 * height // 4, width // 2 - height // 4 : width // 2 + height // 4]


def test_two_pictures_are_compared_by_slider_by_blinking_and_by_their_difference(
    home: Home, sandbox: Sandbox, studio: Studio, visitor: Visitor
) -> None:
    for name, prompt in (("one", "a red fox"), ("two", "a blue whale")):
        made(home, sandbox, prompt, "-o", f"{name}.png", "--quality", "low")
    page = visitor.open(studio)
    expect(page.locator(".card")).to_have_count(2)
    page.keyboard.press("c")
    expect(page.locator(".toast.error")).to_contain_text("Choose two")
    for number in (0, 1):
        page.locator(".card").nth(number).focus()
        page.keyboard.press("x")
    page.keyboard.press("c")
    slider = page.locator("dialog.compare input[type=range]")
    expect(page.locator(".pair img")).to_have_count(2)
    until(lambda: page.evaluate("[...document.querySelectorAll('.pair img')].every(each => each.complete)"))
    slider.fill("100")
    one = shot(page)
    slider.fill("0")
    two = shot(page)
    assert np.abs(one - two).mean() > 5, "they are two pictures"
    slider.fill("50")
    half = shot(page)
    middle = half.shape[1] // 2
    assert (half[:, : middle - 8] == one[:, : middle - 8]).all()
    assert (half[:, middle + 8 :] == two[:, middle + 8 :]).all()
    page.get_by_role("button", name="Difference").click()
    assert np.abs(shot(page) - np.abs(one - two)).mean() < 1
    page.get_by_role("button", name="Blink").click()
    for count in (1, 2, 1):
        expect(page.locator(".pair img")).to_have_count(count)
