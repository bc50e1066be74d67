"""Runs a program of ours for an agent, in the user's environment of the task, and writes down that it ran.

It stands where the agent looks for the script, or for the command. PLACE is filled in when a task is set up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

PLACE = "{place}"


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
    try:
        code = subprocess.call([*program, *words], env={**env, **user["env"]})
    except KeyboardInterrupt:
        code = 130
    with open(os.path.join(PLACE, "commands.jsonl"), "a", encoding="utf-8") as file:
        file.write(json.dumps({"words": words, "exit": code}) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
