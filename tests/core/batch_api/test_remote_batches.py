"""A batch as a server tells of it: what cannot be true is absent, and ends nothing."""

from __future__ import annotations

import pytest
from gpt_image2.core.batch_api.remote import read_remote_batch


@pytest.mark.parametrize(
    "created_at, shown",
    [
        (1_764_000_000, "2025-11-24T16:00:00.000Z"),
        (1e300, ""),
        (float("nan"), ""),
        (float("inf"), ""),
        (-1, ""),
        (10**400, ""),
        (True, ""),
        ("yesterday", ""),
        (None, ""),
    ],
)
def test_a_date_that_cannot_be_true_is_absent(created_at: object, shown: str) -> None:
    batch = read_remote_batch({"id": "batch_1", "status": "completed", "created_at": created_at})
    assert batch is not None and batch.created_at == shown
