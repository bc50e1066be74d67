"""The program's name and version, as shown to people and sent to servers."""

from __future__ import annotations

VERSION = "0.1.0"
PROGRAM = "gpt-image2"
USER_AGENT = f"{PROGRAM}/{VERSION}"
INSTALL_HINT = "pip install 'gpt-image2[{extra}]'"
