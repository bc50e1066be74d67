"""Make an image from Python by way of the command: python3 examples/generate.py PROMPT OUTPUT."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "skills/gpt-image-2/scripts/gpt_image2.py"


def generate(prompt: str, output: str) -> str:
    """The path of a new image."""
    command = [sys.executable, str(SCRIPT), "generate", "-o", output, "--quality", "low", "--", prompt]
    # stderr goes through to the user; the command ends by itself after its --timeout of 600 s.
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    line = next(line for line in done.stdout.splitlines() if line.startswith("Saved: "))
    return line[len("Saved: ") : line.rindex(" (")]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python3 examples/generate.py PROMPT OUTPUT")
    print(generate(sys.argv[1], sys.argv[2]))
