"""The main job, end to end."""

from __future__ import annotations

import re

from harness import Home, Sandbox, generate
from servers import Recorder


def test_generate_saves_the_image_and_says_so_on_one_line(home: Home, sandbox: Sandbox) -> None:
    run = home.run(
        "generate",
        "A cute cat on a windowsill",
        "-o",
        "cat.png",
        "--quality",
        "low",
        base_url=sandbox.base_url,
    )
    assert run.code == 0, run.stderr
    assert re.fullmatch(r"Saved: /.*cat\.png \(\d+ KB\)\n", run.stdout)
    assert run.saved[0].read_bytes().startswith(b"\x89PNG")
    assert home.leftovers() == []


def test_the_sandbox_says_that_it_is_one_and_no_other_host_does(
    home: Home, sandbox: Sandbox, recorder: Recorder
) -> None:
    rehearsed = generate(home, sandbox.base_url)
    (warning,) = rehearsed.json["warnings"]
    assert "the sandbox made this: placeholders" in warning and rehearsed.json["sandbox"] is True
    assert f"warning: {warning}" in rehearsed.stderr.splitlines()
    real = generate(home, recorder.base_url)
    assert real.json["warnings"] == [] and "sandbox" not in real.json and "the sandbox" not in real.stderr
    failed = generate(home, sandbox.fault("moderation"))
    assert failed.code == 5 and failed.json["warnings"] == [], "there is no picture to be called one"
