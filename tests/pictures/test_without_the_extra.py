from __future__ import annotations

import pytest
from harness import SCRIPT, Home

COMMANDS = ["mask", "compose", "check", "fit", "cutout", "sheet", "show"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_script_alone_says_what_to_install(home: Home, command: str) -> None:
    home.script = SCRIPT
    done = home.run(command, "photo.png")
    assert done.code == 2
    assert done.stderr.endswith("install it: pip install 'gpt-image2[pictures]'\n")
