# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownVariableType=false
# pyright: reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false, reportUntypedClassDecorator=false
"""Images as a column of Daft: `df.with_column("image", image(df["prompt"], out="s3://…", size="1024x1024"))`.

Daft computes a column when it is asked for, and again when it is asked again. Claims see to it that no job is
paid for again: what is done by then is read from the store.
"""

from __future__ import annotations

import asyncio
import atexit
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from typing import Any

import daft
from daft import DataType

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.record import replace
from gpt_image2.core.batch.job import Job
from gpt_image2.core.calls.client import DEFAULT_TIMEOUT_S, Client

from .jobs.results import Row
from .jobs.table_rows import invalid_row, job_of_row, plain_columns
from .store.objects import open_objects
from .work.workplace import Terms, Workplace, check_concurrency, open_workplace

_DEFAULT_CONCURRENCY = 16
_FIELDS = {
    "status": DataType.string(),
    "uri": DataType.string(),
    "sha256": DataType.string(),
    "width": DataType.int32(),
    "height": DataType.int32(),
    "cost_usd": DataType.float64(),
    "billed": DataType.string(),
    "error_code": DataType.string(),
    "error_message": DataType.string(),
    "attempts": DataType.int32(),
}


def image(
    prompt: Any,
    *,
    out: str,
    id: Any = None,  # noqa: A002
    image: Any = None,
    mask: Any = None,
    output: Any = None,
    max_cost: float | None = None,
    images_per_minute: float | None = None,
    concurrency: int = _DEFAULT_CONCURRENCY,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    retry_ambiguous: bool = False,
    config: str | None = None,
    profile: str | None = None,
    base_url: str | None = None,
    history: bool | None = None,
    **fields: Any,
) -> Any:
    """A column of structs, with the fields of a row of `ImageJobs`: `status`, `uri`, `sha256`, `width` …

    `prompt`, `id`, `image`, `mask` and `output` are columns or values for all rows; `fields` are values for
    all rows, by the API's own names. `concurrency` calls are under way at once, whatever the size of Daft's
    batches. Rows that are alike and have no `id` are one job. No row raises; `max_cost` (USD) counts what
    earlier runs at this address have cost too.

    Raises:
        TypeError: a field that the API does not have.
        UsageError: `concurrency` is less than 1.
    """
    check_concurrency(concurrency)
    defaults = Job(replace(ImageRequest(prompt="", model=""), **fields))
    maker = _Maker(
        out,
        Terms(timeout_s, retry_ambiguous, max_cost, images_per_minute),
        defaults,
        concurrency,
        (config, profile, base_url, history),
    )
    return maker(daft.lit(prompt) if isinstance(prompt, str) else prompt, id, image, mask, output)


@daft.cls(max_concurrency=256, use_process=False)
class _Maker:
    """Does the rows. Daft counts coroutines over all, so the limit of calls is one of threads, our own."""

    def __init__(
        self, out: str, terms: Terms, defaults: Job, concurrency: int, settings: tuple[Any, ...]
    ) -> None:
        self._client, self._place, self._pool = _workplace(out, terms, concurrency, settings)
        self._defaults = defaults

    @daft.method(return_dtype=DataType.struct(_FIELDS))
    async def __call__(self, prompt: Any, job_id: Any, image: Any, mask: Any, output: Any) -> dict[str, Any]:
        row = {"prompt": prompt, "id": job_id, "image": image, "mask": mask, "output": output}
        done = await asyncio.get_running_loop().run_in_executor(self._pool, self._run, row)
        return plain_columns(done)

    def _run(self, row: dict[str, Any]) -> Row:
        try:
            job = job_of_row(row, self._defaults, self._client)
        except GptImage2Error as error:
            return invalid_row(error)
        except Exception as defect:  # whatever a row holds, the others go on
            said = f"no job: {type(defect).__name__}: {defect}"
            return invalid_row(GptImage2Error(said, code="invalid_jobs"))
        return self._place.worker.run_patiently(job, self._place.patience_s)


@lru_cache(maxsize=None)
def _workplace(
    out: str, terms: Terms, concurrency: int, settings: tuple[Any, ...]
) -> tuple[Client, Workplace, ThreadPoolExecutor]:
    """One for each address and all its queries, until the process ends: their pace and money are the same."""
    config, profile, base_url, history = settings
    client = Client(
        config=config,
        profile=profile,
        base_url=base_url,
        timeout_s=terms.timeout_s,
        waits_for_server=False,
        history=history,
    )
    objects = open_objects(out)
    client.check_way()
    client.finish_leftovers()
    stack = ExitStack()
    place = open_workplace(objects, client, terms, stack)
    atexit.register(stack.close)
    return client, place, ThreadPoolExecutor(concurrency)
