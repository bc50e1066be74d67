"""The main job, end to end."""

from __future__ import annotations

import re

from harness import Home, Sandbox


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
