from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from engines import environment, own_sandbox, requests_of

from gpt_image2.core.base.errors import UsageError

daft = pytest.importorskip("daft")


def test_a_column_that_is_computed_twice_is_paid_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gpt_image2.cluster.daft import image

    with own_sandbox(0.05) as sandbox:
        for name, value in environment(sandbox.base_url, str(tmp_path), DAFT_PROGRESS_BAR="0").items():
            monkeypatch.setenv(name, value)
        frame = daft.from_pydict({"prompt": [*(f"row {number}" for number in range(12)), ""]})
        frame = frame.with_column("made", image(frame["prompt"], out=f"file://{tmp_path}/run", quality="low"))
        frame.show(3)
        found = frame.collect().to_pylist()
        assert requests_of(sandbox) == 12
    assert Counter(row["made"]["status"] for row in found) == {"done": 12, "invalid": 1}
    for row in found[:12]:
        path = Path(row["made"]["uri"][len("file://") :])
        assert path.stat().st_size > 0


def test_a_field_that_the_api_does_not_have_is_refused_at_once(tmp_path: Path) -> None:
    from gpt_image2.cluster.daft import image

    with pytest.raises(TypeError):
        image("a cat", out=f"file://{tmp_path}/run", colour="red")
    with pytest.raises(UsageError, match="at least 1"):
        image("a cat", out=f"file://{tmp_path}/run", concurrency=0)
