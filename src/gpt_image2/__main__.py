"""`python -m gpt_image2`: the command."""

from __future__ import annotations

import sys

from .core.cli import main

sys.exit(main())
