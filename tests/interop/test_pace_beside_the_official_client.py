"""Where refusals are random, a batch is as fast as the official client with as many threads, in the same run.

`GPT_IMAGE2_LONG_PACE=1` runs it with whole seconds, as the header `Retry-After` has them.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
from batching import batch
from harness import KEY, Home
from limiting import limiting
from openai import OpenAI
from pacing import AtRandom

IS_LONG = bool(os.environ.get("GPT_IMAGE2_LONG_PACE"))
JOBS, PLACES, SHARE = 60, 4, 0.5
ROUNDS, WAIT_S = (3, 1.0) if IS_LONG else (1, 0.2)
WITHOUT_END = 10_000  # retries


def test_refusals_at_random_cost_no_more_than_they_cost_the_official_client(home: Home) -> None:
    ours_s = [seconds_of_ours(home, number) for number in range(ROUNDS)]
    theirs_s = [seconds_of_theirs(100 + number) for number in range(ROUNDS)]
    print(json.dumps({"ours_s": ours_s, "theirs_s": theirs_s}))
    # We start a process a request: a busy machine feels it where hardly anything is waited for.
    assert sum(ours_s) <= 1.5 * sum(theirs_s) + (0 if IS_LONG else 10)


def seconds_of_ours(home: Home, number: int) -> float:
    """How long a batch takes."""
    prompts = [f"round {number}, job {job}" for job in range(JOBS)]
    with limiting(AtRandom(SHARE, WAIT_S, seed=number)) as server:
        began_s = time.monotonic()
        run = batch(home, server.base_url, *prompts, flags=("--concurrency", str(PLACES)))
        took_s = time.monotonic() - began_s
    assert (run.code, run.json["done"], server.passed) == (0, JOBS, JOBS), run.stderr
    return round(took_s, 2)


def seconds_of_theirs(seed: int) -> float:
    """How long the official client takes, with as many threads and retries without end."""
    with limiting(AtRandom(SHARE, WAIT_S, seed=seed)) as server:
        http = httpx2.Client(timeout=30, trust_env=False)
        client = OpenAI(base_url=server.base_url, api_key=KEY, max_retries=WITHOUT_END, http_client=http)
        began_s = time.monotonic()
        with ThreadPoolExecutor(PLACES) as pool:
            calls = [
                pool.submit(client.images.generate, model="gpt-image-2", prompt=f"job {job}")
                for job in range(JOBS)
            ]
        for call in calls:
            call.result()
        return round(time.monotonic() - began_s, 2)
