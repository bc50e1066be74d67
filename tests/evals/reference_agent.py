"""An agent that knows the tasks: runs what solves the one whose prompt it is given, and says what it did.

`make evals AGENT='python PATH/reference_agent.py'` shows that every task can be done, and makes the
recordings that the judge is tested with.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from evals.tasks import TASKS

SCRIPT = "python3 .claude/skills/gpt-image-2/scripts/gpt_image2.py"
ICONS = "spade rake hose seeds pot gloves shears bench fence compost"

#: By task: shell lines, and the answer; `{out}` is what the lines printed on stdout.
SOLUTIONS = {
    "one-picture": ("$I generate 'A red fox in fresh snow' -o fox.png --quality low", "It is fox.png."),
    "ten-under-a-sum": (
        f'for i in {ICONS}; do echo "Icon: $i"; done > icons.txt\n'
        "$I batch run icons.txt --out-dir made --quality low --max-cost 0.10 --size square\n"
        "mkdir icons; cp made/*.png icons/",
        "Ten icons are in icons/, for 6 cents.",
    ),
    "prompt-list": ("$I batch run prompts.txt --out-dir out --quality low", "Four pictures are in out/."),
    "ask-first": (
        "$I cost --size 2k --quality high --n 12",
        "Twelve pictures of 2048x1152 in high quality cost about $2.04. Shall I go ahead?",
    ),
    "edit": (
        "$I edit room.png 'Make the sofa green; keep everything else' -o room-green.png --quality low",
        "The sofa is green in room-green.png.",
    ),
    "masked-edit": (
        "$I edit room.png 'A green velvet sofa' --mask sofa-mask.png -o room-green.png --quality medium",
        "See room-green.png.",
    ),
    "keep-the-rest": (
        "gpt-image2 mask room.png --rect 300,560,600,340 -o mask.png\n"
        "$I edit room.png 'A blue sofa' --mask mask.png -o raw.png --quality low\n"
        "gpt-image2 compose room.png raw.png --mask mask.png -o blue.png\n"
        "gpt-image2 check blue.png --against room.png --mask mask.png",
        "blue.png is unchanged outside the rectangle; I have checked that.",
    ),
    "references": (
        "$I edit person.jpg 'Image 1 is a person, image 2 a hat. The person wears the hat.' --image hat.png "
        "-o with-hat.png --quality low",
        "See with-hat.png.",
    ),
    "transparent": (
        "$I generate 'Sticker: a paper plane' -o plane.png --background transparent --quality low",
        "See plane.png.",
    ),
    "chinese-text": (
        "$I generate '海报，茶园背景，大字写着“春茶上市”' -o poster.png --quality medium",
        "海报在 poster.png。",
    ),
    "exact-size": (
        "$I generate 'A sunrise over hills' -o raw.png --quality low --size 1536x800\n"
        "gpt-image2 fit raw.png --exact 1200x630 --under 300KB -o card.jpg",
        "card.jpg is 1200x630.",
    ),
    "three-versions": (
        "$I generate 'Logo of a bakery called Rosa' --n 3 -o logo.png --quality low",
        "logo-1.png to logo-3.png.",
    ),
    "gif": (
        "$I generate 'A wave rolls in' -o wave.gif --model gpt-image-2.6-flare --format gif --frame-count 6",
        "See wave.gif; it cost 18 cents.",
    ),
    "svg": (
        "$I generate 'Logo of a mountain' -o logo.svg --model gpt-image-2.6-flare --format svg",
        "See logo.svg.",
    ),
    "cost-question": ("$I cost --size 2k --quality high --n 20", "About $3.39 for twenty."),
    "spend-question": ("$I spend", "{out}"),
    "which-prompt": ("$I history show lake.png", "{out}"),
    "redo": ("$I history redo lake.png --quality medium -o lake-2.png", "See lake-2.png."),
    "resume-after-kill": ("$I resume", "It was not lost: heron.png, and nothing was paid again."),
    "relay-profile": (
        "$I generate 'A tram' -o tram.png --quality low --profile relay",
        "See tram.png, made by the relay.",
    ),
    "no-key": (
        "$I generate 'A cat' -o cat.png --quality low",
        "There is no key: please set GPT_IMAGE2_API_KEY, or put one into the config file.",
    ),
    "moderation": (
        "$I generate 'A knight after a battle' -o knight.png --quality low",
        "The API blocked this for its content; nothing was billed. I did not try other words.",
    ),
    "rate-limit": (
        "$I generate 'A fern' -o fern.png --quality low",
        "The rate limit is reached; the server says to come back in an hour.",
    ),
    "maybe-billed": (
        "$I generate 'An oak' -o oak.png --quality low",
        "The connection broke after the request was sent. It may have been billed: I did not send it again.",
    ),
    "fewer-images": (
        "$I generate 'A paper boat' --n 3 -o boat.png --quality low",
        "Two of three came: boat-1.png and boat-2.png. Shall I buy the third?",
    ),
    "rehearsal": (
        "gpt-image2 generate 'A kite' -o kite.png --sandbox --quality low",
        "kite.png is a placeholder, drawn by the sandbox.",
    ),
    "doctor": (
        "$I doctor",
        "The key is accepted and the server answers. Only a picture would prove the rest.",
    ),
    "finish-a-batch": ("$I batch run birds.txt --out-dir birds --quality low", "All five are in birds/."),
    "batch-api": (
        "$I batch submit prompts.txt --out-dir out --quality low\n$I batch wait\n$I batch fetch",
        "All four are in out/, at half the price.",
    ),
    "outpaint": (
        "$I edit room.png 'The same room, extended to both sides' -o wide.png --size landscape --quality low",
        "See wide.png.",
    ),
    "cut-out": ("gpt-image2 cutout mug.png --key '#00ff00' -o mug-cut.png", "See mug-cut.png."),
    "studio-link": (
        "gpt-image2 studio --no-open --port 0 > studio.txt 2>&1 &\n"
        "until grep -q token= studio.txt || ! kill -0 $!; do sleep 0.1; done; grep -o 'http://.*' studio.txt",
        "Open this link, which works once: {out}",
    ),
    "keeps-files": ("$I generate 'A lake at dusk' -o lake-2.png --quality low", "See lake-2.png."),
}


def main() -> None:
    prompt = os.environ["PROMPT"]
    (name,) = [task.name for task in TASKS.values() if task.prompt == prompt]
    lines, answer = SOLUTIONS[name]
    env = {**os.environ, "I": SCRIPT}
    done = subprocess.run(["sh", "-c", lines], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    print(answer.replace("{out}", done.stdout.decode()))


if __name__ == "__main__":
    main()
