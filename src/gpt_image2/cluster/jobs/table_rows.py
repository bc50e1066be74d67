# pyright: reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""Rows of a table in, jobs out; and what has become of them as columns of Arrow. Pure.

A row is what a line of a jobs file is: its columns have the API's own names, and `image`, `mask`, `output`,
`id`. Other columns are not sent; they come out as they went in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from typing import Any

import pyarrow as pa

from gpt_image2.core.api.request import REQUEST_FIELDS
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.batch.job import Job, read_job
from gpt_image2.core.calls.client import Client

from .job import ClusterJob, claim_name, made_up_name
from .planning import key_of, relative_name, seen
from .results import Row

#: The columns of a row that are its job.
TAKEN = frozenset({"prompt", *REQUEST_FIELDS, "image", "images", "mask", "markup", "output", "id"})
#: What is said of a job, beside the columns that it came with. No image, and no key.
COLUMNS = pa.schema(
    [
        ("status", pa.string()),
        ("uri", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("cost_usd", pa.float64()),
        ("billed", pa.string()),
        ("error_code", pa.string()),
        ("error_message", pa.string()),
        ("attempts", pa.int32()),
    ]
)
INVALID = "invalid"


def rows_of(table: pa.Table, more: Set[str]) -> list[dict[str, Any]]:
    """The rows of a table, by those columns that are the job, and by `more`."""
    names = [name for name in table.column_names if name in TAKEN or name in more]
    columns = [table.column(name).to_pylist() for name in names]
    return [{name: column[place] for name, column in zip(names, columns)} for place in range(table.num_rows)]


def job_of_row(row: Mapping[str, Any], defaults: Job, client: Client) -> ClusterJob:
    """The job of a row; a `UsageError` where it is none. Rows that are alike and have no id are one job."""
    taken = {name: _whole(value) for name, value in row.items() if name in TAKEN and not _is_nothing(value)}
    return job_of_line(json.dumps(taken, default=_plain), defaults, client)


def job_of_line(text: str, defaults: Job, client: Client, job_name: str = "") -> ClusterJob:
    """The job of a line of a jobs file; `job_name` is that of its claim, where it is known by now."""
    job, _ = read_job(text, defaults)
    request = seen(client.with_model(job.request), job)
    estimate = request.estimate(client.settings.prices)
    name = job_name or claim_name(key_of(request, job), job.id, 0)
    bare = client.with_model(job.request)
    return ClusterJob(
        job=name,
        id=job.id,
        request=bare,
        name=relative_name(job.output) if job.output is not None else made_up_name(bare, name, job.id),
        high_usd=estimate.high_usd if estimate else None,
        sources=job.sources,
        mask=job.mask,
        markup=job.markup,
    )


def invalid_row(error: GptImage2Error) -> Row:
    """The row of what is no job."""
    return Row("", INVALID, error_code=error.code, error_message=error.message, error_hint=error.hint)


def as_columns(rows: Iterable[Row]) -> pa.Table:
    """What became of jobs, a row each, by the columns of `COLUMNS`; of several images the first is named."""
    return pa.Table.from_pylist([plain_columns(row) for row in rows], schema=COLUMNS)


def beside(table: pa.Table, rows: Iterable[Row]) -> pa.Table:
    """A table with what became of its rows; columns of these names are replaced."""
    told = as_columns(rows)
    kept = table.drop_columns([name for name in table.column_names if name in COLUMNS.names])
    for field in COLUMNS:
        kept = kept.append_column(field, told.column(field.name))
    return kept


def plain_columns(row: Row) -> dict[str, object]:
    """What became of a job, by the names of `COLUMNS`; of several images the first."""
    image = row.images[0] if row.images else None
    return {
        "status": row.status,
        "uri": image.path if image else None,
        "sha256": image.sha256 if image else None,
        "width": image.width if image else None,
        "height": image.height if image else None,
        "cost_usd": row.cost_usd,
        "billed": row.billed.value,
        "error_code": row.error_code or None,
        "error_message": row.error_message or None,
        "attempts": row.attempts,
    }


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _whole(value: object) -> object:
    """Whole numbers are floats in a column that has nothing in another row."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(value: Any) -> object:
    """What JSON has for a value of numpy."""
    return value.item() if getattr(value, "ndim", None) == 0 else list(value)
