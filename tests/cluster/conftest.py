from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest
from object_stores import S3, serve_s3


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """One S3 server for all tests of this worker."""
    with serve_s3() as server:
        yield server


@pytest.fixture(params=["s3", "file", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of this test's own on each store that there is here."""
    if request.param == "s3":
        server = request.getfixturevalue("s3")
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        return f"{server.bucket()}/run"
    return f"file://{tmp_path}/run" if request.param == "file" else f"memory://{request.node.name}"
