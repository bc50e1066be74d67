"""`python -m gpt_image2.mcp`: the same as `gpt-image2 mcp`, so that a missing package is explained alike."""

from __future__ import annotations

import sys

from gpt_image2.core.cli import main

if __name__ == "__main__":
    sys.exit(main(["mcp", *sys.argv[1:]]))
