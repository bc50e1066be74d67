from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from skill_user import User

from gpt_image2.sandbox import serve_in_thread


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    with serve_in_thread(latency_s=0) as url:
        yield url


@pytest.fixture
def user(tmp_path: Path, base_url: str) -> User:
    return User(tmp_path, base_url)
