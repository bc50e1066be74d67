"""Batches for people and as JSON. Pure."""

from __future__ import annotations

from typing import Dict

from ..base.redact import show
from ..history.moments import local_time
from .remote import RemoteBatch
from .store import RememberedBatch


def batch_json(batch: RememberedBatch) -> Dict[str, object]:
    """A remembered batch as `--json` shows it."""
    return {
        "id": batch.id,
        "name": batch.label,
        "status": batch.status,
        "base_url": batch.base_url,
        "endpoint": batch.endpoint,
        "model": batch.model,
        "created_at": batch.created_at,
        "total": batch.total,
        "completed": batch.completed,
        "failed": batch.failed,
        "high_usd": None if batch.high_usd is None else round(batch.high_usd, 6),
        "out_dir": batch.out_dir or None,
        "fetched_at": batch.fetched_at,
    }


def batch_in_words(batch: RememberedBatch) -> str:
    """A batch on one line."""
    state = batch.status + (", fetched" if batch.fetched_at else "")
    parts = [
        show(batch.label),
        show(state),
        f"{batch.completed}/{batch.failed}/{batch.total}",
        local_time(batch.created_at),
        show(batch.out_dir, limit=None) or "-",
    ]
    return "  ".join(parts)


def stranger(remote: RemoteBatch, base_url: str) -> RememberedBatch:
    """A batch of the server that is not remembered here."""
    return RememberedBatch(
        number=0,
        id=remote.id,
        token=remote.token,
        base_url=base_url,
        created_at=remote.created_at,
        status=remote.status,
        endpoint=remote.endpoint,
        model=remote.model,
        input_file_id=remote.input_file_id,
        output_file_id=remote.output_file_id,
        error_file_id=remote.error_file_id,
        out_dir="",
        total=remote.total,
        completed=remote.completed,
        failed=remote.failed,
        high_usd=None,
        history=False,
        fetched_at=None,
    )
