"""Runs a program of ours for an agent, in the user's environment of the task, and writes down that it ran:
one that stays (`studio`) when it begins, any other when it has ended.

It stands where the agent looks for the script, or for the command. PLACE is filled in when a task is set up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

PLACE = "{place}"
#: How a program that was told to stop ends.
STOPPED = (130, 143, -2, -15)


def main(words: list[str]) -> int:
    """Runs the program with these words; its exit code."""
    with open(os.path.join(PLACE, "user.json"), encoding="utf-8") as file:
        user = json.load(file)
    ours = ("GPT_IMAGE2_", "OPENAI_", "XDG_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    is_script = os.path.basename(__file__) == "gpt_image2.py"
    program: list[str] = (
        [sys.executable, user["script"]] if is_script else [user["python"], "-m", "gpt_image2"]
    )
    process = subprocess.Popen([*program, *words], env={**env, **user["env"]})
    stays = words[:1] == ["studio"]
    if stays:
        note("commands.jsonl", {"words": words, "exit": 0})
        note("stay.jsonl", process.pid)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        code = 130
    if not stays or code not in STOPPED:
        note("commands.jsonl", {"words": words, "exit": code})
    return code


def note(name: str, line: object) -> None:
    """Adds a line to a file beside the task."""
    with open(os.path.join(PLACE, name), "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
