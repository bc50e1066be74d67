"""From a photo to a picture for a page, in the commands that an agent would give, against the sandbox."""

from __future__ import annotations

import sys

import numpy as np
from canvases import photo
from harness import Home, Sandbox
from PIL import Image


def test_an_edit_of_a_drifting_model_changes_nothing_outside_its_mask(home: Home, sandbox: Sandbox) -> None:
    Image.fromarray(photo(1024, 768)).save(home.cwd / "room.png")

    def run(*words: str, code: int = 0) -> dict:
        program = [sys.executable, "-m", "gpt_image2", *words, "--json"]
        done = home.run_program(*program, base_url=sandbox.fault("drift"))
        assert done.code == code, done.stderr
        return done.json

    made = run("mask", "room.png", "--ellipse", "30%,40%,40%,40%", "-o", "mask.png", "--overlay", "look.png")
    assert 0.1 < made["share"] < 0.15
    run("edit", "room.png", "a sofa", "--mask", "mask.png", "--size", "1024x768", "-o", "sent.png")
    against = ["--against", "room.png", "--mask", "mask.png"]
    run("check", "sent.png", *against, code=10)
    told = run("compose", "room.png", "sent.png", "--mask", "mask.png", "-o", "out.png")
    assert (np.round(told["shift_px"]).tolist(), told["changed_outside"]) == ([2, 2], 0)
    checks = run("check", "out.png", *against)["checks"]
    assert {check["name"]: check["ok"] for check in checks} == {"outside": True, "inside": True}
    run("fit", "out.png", "--exact", "1200x630", "--under", "300KB", "-o", "page.jpg")
    run("check", "page.jpg", "--size", "1200x630", "--max-kb", "300")
