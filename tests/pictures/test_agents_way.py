"""From a photo to a picture for a page: the five commands that an agent would give, against the sandbox."""

from __future__ import annotations

import os
import sys

import numpy as np
from canvases import Subject, photo, subject
from harness import Home, Sandbox
from PIL import Image


def test_an_agent_gets_there_in_five_commands_and_each_says_what_it_did(home: Home, sandbox: Sandbox) -> None:
    """The sandbox repaints around the mask and shifts by 2 pixels, as models do."""
    Image.fromarray(photo(1024, 768)).save(home.cwd / "room.png")
    disc: Subject = subject(400)
    Image.fromarray(disc.on((0, 255, 0))).save(home.cwd / "logo.png")

    def run(*words: str) -> dict:
        program = [sys.executable, "-m", "gpt_image2", *words, "--json"]
        here = {"PYTHONPATH": os.environ.get("PYTHONPATH")}
        done = home.run_program(*program, base_url=sandbox.fault("drift"), env=here)
        assert done.code == 0, done.stderr
        return done.json

    mask = run("mask", "room.png", "--ellipse", "30%,40%,40%,40%", "-o", "mask.png", "--overlay", "look.png")
    assert 0.1 < mask["share"] < 0.15

    (edit,) = run("edit", "room.png", "a sofa", "--mask", "mask.png", "--keep-outside", "-o", "out.png")[
        "images"
    ]
    assert np.round(edit["shift_px"]).tolist() == [2, 2]
    assert (edit["method"], edit["changed_outside"]) == ("keep-outside", 0)

    checks = run("check", "out.png", "--against", "room.png", "--mask", "mask.png")["checks"]
    assert {check["name"]: check["ok"] for check in checks} == {"outside": True, "inside": True}
    figures = next(check["figures"] for check in checks if check["name"] == "outside")
    assert figures["changed"] == 0

    cut = run("cutout", "logo.png", "-o", "logo-cut.png")
    assert cut["clear_share"] > 0.3

    (page,) = run("generate", "a page", "--exact", "1200x630", "--under", "300KB", "-o", "page.jpg")["images"]
    assert (page["width"], page["height"], page["method"]) == (1200, 630, "exact + under")
    assert page["bytes"] <= 300_000

    for name in ("out.png", "logo-cut.png", "page.jpg"):
        assert run("history", "show", name)["picture"]["path"] == str(home.cwd / name)


def test_what_the_model_sent_had_changed_outside(home: Home, sandbox: Sandbox) -> None:
    """Else the way above would show nothing."""
    Image.fromarray(photo(1024, 768)).save(home.cwd / "room.png")
    here = {"PYTHONPATH": os.environ.get("PYTHONPATH")}
    words = (
        "edit",
        "room.png",
        "a sofa",
        "--area",
        "30%,40%,40%,40%",
        "--size",
        "1024x768",
        "-o",
        "sent.png",
    )
    program = [sys.executable, "-m", "gpt_image2"]
    assert home.run_program(*program, *words, base_url=sandbox.fault("drift"), env=here).code == 0
    changed = (np.asarray(Image.open(home.cwd / "sent.png")) != photo(1024, 768)).any(axis=-1)
    assert changed[:250].mean() > 0.9
