"""One job of a batch beyond one machine: what it is, and how its claim and its images are named. Pure."""

from __future__ import annotations

import hashlib
import json
import posixpath
from dataclasses import dataclass

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.batch.planning import name_of_id
from gpt_image2.core.outputs.naming import extension, slug

IMAGES = "images"
_NAME_CHARS = 40  # of a hash: what tells claims apart
_MARK_CHARS = 12  # of it, in the name of an image


@dataclass(frozen=True)
class ClusterJob:
    """One job. `job` is the name of its claim, `id` the user's own; `request` has no images yet, `sources`,
    `mask` and `markup` name them. `name` is that of its first image below `images/`. `high_usd` is the most
    that it may cost, None where a price is unknown."""

    job: str
    id: str | None
    request: ImageRequest
    name: str
    high_usd: float | None = None
    sources: tuple[str, ...] = ()
    mask: str | None = None
    markup: str | None = None

    def image_name(self, number: int) -> str:
        """The name of an image of the job, from 1."""
        stem, suffix = posixpath.splitext(self.name)
        mark = f"-{number}" if self.request.count > 1 or number > 1 else ""
        return f"{IMAGES}/{stem}{mark}{suffix}"


def claim_name(key: str, job_id: str | None, copy: int) -> str:
    """The name of a job's claim: by the key of its request, and its id, or how many like it stand before
    it."""
    known = json.dumps([key, copy if job_id is None else job_id])
    return hashlib.sha256(known.encode("ascii")).hexdigest()[:_NAME_CHARS]


def made_up_name(request: ImageRequest, job: str, job_id: str | None) -> str:
    """A name for the images of a job that names none: the same whoever makes it."""
    suffix = extension(request.effective_format)
    own = name_of_id(job_id or "", suffix).rpartition(".")[0]
    return f"{own or slug(request.prompt)}-{job[:_MARK_CHARS]}.{suffix}"
