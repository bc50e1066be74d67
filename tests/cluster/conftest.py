from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
from harness import Home
from npm import installed, node
from object_stores import GCS, S3, Azure, serve_azure, serve_gcs, serve_s3
from worksites import Site


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """One S3 server for all tests of this worker."""
    with serve_s3() as server:
        yield server


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GCS]:
    """One GCS server for all tests of this worker."""
    with serve_gcs(tmp_path_factory.mktemp("gcs")) as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[Azure]:
    """One Azurite for all tests of this worker."""
    program = installed("azurite@3.37.0") / "azurite/dist/src/blob/main.js"
    with serve_azure(node(), program) as server:
        yield server


@pytest.fixture(params=["s3", "file", "memory", "gcs", "azure"])
def address(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_full: bool
) -> str:
    """An address of this test's own on each store that there is here."""
    if request.param == "azure":
        if not in_full:
            pytest.skip("takes a minute to install: make cluster")
        azurite = request.getfixturevalue("azure")
        for name, value in azurite.env.items():
            monkeypatch.setenv(name, value)
        return f"{azurite.container()}/run"
    if request.param == "gcs" and not in_full:
        pytest.skip("asks what S3 is asked: make cluster")
    if request.param in ("s3", "gcs"):
        server = request.getfixturevalue(request.param)
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        return f"{server.bucket()}/run"
    return f"file://{tmp_path}/run" if request.param == "file" else f"memory://{request.node.name}"


@pytest.fixture
def site(home: Home, address: str, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A home, and an address on each store that there is here."""
    return Site(home, address, capfd, monkeypatch)


@pytest.fixture
def local_site(home: Home, tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A home, and an address that is a folder."""
    return Site(home, f"file://{tmp_path}/run", capfd, monkeypatch)


@pytest.fixture
def s3_site(home: Home, s3: S3, capfd: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A home, and an address in a bucket."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    return Site(home, f"{s3.bucket()}/run", capfd, monkeypatch)
