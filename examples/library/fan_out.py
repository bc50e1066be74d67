"""Make many images at once, and stop what takes too long: python fan_out.py FOLDER SECONDS PROMPT…

Prints the path of each image. Calls that are not done in time are cancelled; what became of them is told.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gpt_image2 import AsyncClient, GptImage2Error, Result, cancelled_call


async def make(client: AsyncClient, prompt: str, output: Path) -> Result:
    """One image."""
    result = await client.generate(prompt, output=output, quality="low", size="square")
    print(result.image.path, flush=True)
    return result


async def fan_out(folder: Path, seconds: float, prompts: list[str]) -> int:
    """Makes them all; the number of those that are missing."""
    async with AsyncClient(concurrency=8) as client:
        tasks = {
            asyncio.create_task(make(client, prompt, folder / f"{number}.png")): prompt
            for number, prompt in enumerate(prompts, 1)
        }
        await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()  # a task that is done does not mind
        endings = await asyncio.gather(*tasks, return_exceptions=True)
    for (task, prompt), ending in zip(tasks.items(), endings):
        if isinstance(ending, GptImage2Error):
            print(f"{prompt}: {ending.message}", file=sys.stderr)
        elif isinstance(ending, BaseException):
            call = cancelled_call(task)
            billed = call.billed.value if call else "no"
            print(f"{prompt}: stopped after {seconds:g} s (billed: {billed})", file=sys.stderr)
    return sum(isinstance(ending, BaseException) for ending in endings)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: python fan_out.py FOLDER SECONDS PROMPT…")
    missing = asyncio.run(fan_out(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
    sys.exit(9 if missing else 0)
