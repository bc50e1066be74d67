from __future__ import annotations

from pathlib import Path

import pytest
from canvases import Desk


@pytest.fixture
def desk(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "GPT_IMAGE2_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return Desk(tmp_path, capsys)
