"""Watch an image come into being: python previews.py PROMPT OUTPUT

Lays the previews and the image side by side with Pillow while they arrive, and saves that as one picture.
"""

from __future__ import annotations

import sys

from PIL import Image

from gpt_image2 import Client, Finished, GptImage2Error, PartialImage

HEIGHT = 256


def watch(prompt: str, output: str) -> Image.Image:
    """The strip of all stages; it is saved anew with each of them."""
    strip = Image.new("RGB", (0, HEIGHT))
    for event in Client().stream(prompt, quality="low", size="landscape", partial_images=3):
        if isinstance(event, PartialImage):
            image = event.image
        elif isinstance(event, Finished):
            image = event.result.image
            print(f"${event.result.cost_usd or 0:.4f}", file=sys.stderr)
        else:
            continue
        picture = image.pil().convert("RGB")
        picture.thumbnail((picture.width, HEIGHT))
        wider = Image.new("RGB", (strip.width + picture.width, HEIGHT))
        wider.paste(strip, (0, 0))
        wider.paste(picture, (strip.width, 0))
        strip = wider
        strip.save(output)
    return strip


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python previews.py PROMPT OUTPUT")
    try:
        watch(sys.argv[1], sys.argv[2])
    except GptImage2Error as error:
        sys.exit(f"{error.message}; {error.hint} (billed: {error.billed.value})")
    print(sys.argv[2])
