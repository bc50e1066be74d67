from __future__ import annotations

from pathlib import Path

import pytest
from harness import Sandbox
from skill_user import User


@pytest.fixture
def user(tmp_path: Path, sandbox: Sandbox) -> User:
    return User(tmp_path, sandbox.base_url)
