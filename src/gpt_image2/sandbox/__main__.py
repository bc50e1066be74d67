"""`python -m gpt_image2.sandbox`."""

from __future__ import annotations

from . import main

if __name__ == "__main__":
    raise SystemExit(main())
