"""What people write with the official SDK: ask for images, save them. Its environment has `openai`.

sdk_client.py generate BASE_URL OUT N PROMPT | stream BASE_URL OUT PARTIALS PROMPT
sdk_client.py edit BASE_URL OUT PROMPT IMAGE... | many BASE_URL OUT CALLS CONCURRENCY
"""

from __future__ import annotations

import asyncio
import base64
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, OpenAI

MODEL = "gpt-image-2"


def save(out: str, name: str, text: Any) -> None:
    """One image from its base64 text to a file."""
    Path(out, name).write_bytes(base64.b64decode(text))


def generate(base_url: str, out: str, n: str, prompt: str) -> None:
    """One request for n images."""
    answer: Any = OpenAI(base_url=base_url).images.generate(model=MODEL, prompt=prompt, n=int(n))
    for number, image in enumerate(answer.data):
        save(out, f"{number}.png", image.b64_json)


def stream(base_url: str, out: str, partials: str, prompt: str) -> None:
    """One image by a stream; the previews are looked at and dropped."""
    events: Any = OpenAI(base_url=base_url).images.generate(
        model=MODEL, prompt=prompt, stream=True, partial_images=int(partials)
    )
    for event in events:
        if event.type == "image_generation.completed":
            save(out, "0.png", event.b64_json)


def edit(base_url: str, out: str, prompt: str, *paths: str) -> None:
    """One edit of many images."""
    with ExitStack() as stack:
        images = [stack.enter_context(open(path, "rb")) for path in paths]
        answer: Any = OpenAI(base_url=base_url).images.edit(model=MODEL, prompt=prompt, image=images)
    for number, image in enumerate(answer.data):
        save(out, f"{number}.png", image.b64_json)


async def _many(base_url: str, out: str, calls: int, concurrency: int) -> None:
    gate = asyncio.Semaphore(concurrency)
    async with AsyncOpenAI(base_url=base_url) as client:

        async def one(number: int) -> None:
            async with gate:
                answer: Any = await client.images.generate(
                    model=MODEL, prompt=f"A lighthouse, number {number}"
                )
                save(out, f"{number}.png", answer.data[0].b64_json)

        await asyncio.gather(*[one(number) for number in range(calls)])


def many(base_url: str, out: str, calls: str, concurrency: str) -> None:
    """Many calls, so many at a time."""
    asyncio.run(_many(base_url, out, int(calls), int(concurrency)))


if __name__ == "__main__":
    {"generate": generate, "stream": stream, "edit": edit, "many": many}[sys.argv[1]](*sys.argv[2:])
