from __future__ import annotations

from typing import Iterator

import pytest
from batch_apis import Service, service


@pytest.fixture(scope="module")
def host() -> Iterator[Service]:
    """A sandbox for the tests of one file: their batches have prompts of their own."""
    with service() as running:
        yield running
