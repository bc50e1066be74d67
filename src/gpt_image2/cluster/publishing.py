"""Images on their way to the store: first they, checked, then the result that names them."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import Billed, Result, SavedImage
from gpt_image2.core.base.record import replace as replaced
from gpt_image2.core.calls.client import Client

from .claims import Claim, Claims, State, result_name
from .job import ClusterJob
from .objects import Objects, StoreError
from .results import DONE, PARTIAL, SAVED, Row, read_result, result_bytes
from .rows import CLAIMED, elsewhere_row


class Publisher:
    """Ends jobs whose images are on this machine."""

    def __init__(self, objects: Objects, claims: Claims, client: Client) -> None:
        self._objects = objects
        self._claims = claims
        self._client = client

    def publish(
        self,
        job: ClusterJob,
        claim: Claim | None,
        images: tuple[SavedImage, ...],
        result: Result | None = None,
        error: GptImage2Error | None = None,
    ) -> Row:
        """Brings images to the store, then the result that names them; where the store does not take them,
        they stay where they are."""
        is_all = len(images) >= job.request.count
        cost_usd = result.cost_usd if result else claim.cost_usd if claim else None
        row = Row(
            job.job,
            DONE if is_all else PARTIAL,
            job.id,
            billed=Billed.YES,
            cost_usd=cost_usd,
            error_code=error.code if error and not is_all else "",
            error_message=error.message if error and not is_all else "",
            attempts=claim.attempts if claim else 0,
            elapsed_s=result.elapsed_s if result else 0.0,
            warnings=result.warnings if result else (),
        )
        try:
            uploaded = tuple(self._upload(job, image) for image in images)
            row = replace(row, images=uploaded)
            fields = self._client.with_model(job.request).without_stream().wire_fields("output_format")
            is_sandbox = bool(result and result.sandbox)
            data = result_bytes(row, fields, self._objects.address, is_sandbox, self._claims.worker)
            name = result_name(job.job)
            if not self._objects.create(name, data):
                return self.done_before(job)
            if not self._objects.is_whole(name, data):
                raise StoreError(f"{name} is not in the store as it was written")
        except (StoreError, OSError) as failed:
            return self._kept_here(job, claim, row, images, failed)
        for image in images:
            with suppress(OSError):
                os.unlink(image.path)
        return row

    def _upload(self, job: ClusterJob, image: SavedImage) -> SavedImage:
        """Brings an image to its final name, or where another one is there to one of its own."""
        data = Path(image.path).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest != image.sha256:
            raise StoreError(f"{image.path} has changed since it was saved")
        name = PurePosixPath(job.image_name(image.number))
        for each in (name, name.with_name(f"{name.stem}-{digest[:12]}{name.suffix}")):
            if self._objects.create(str(each), data, f"image/{image.format}"):
                if not self._objects.is_whole(str(each), data):
                    raise StoreError(f"{each} is not in the store as it was written")
                return replaced(image, path=f"{self._objects.address}/{each}")
        raise StoreError(f"another object is in the place of {name}")

    def _kept_here(
        self,
        job: ClusterJob,
        claim: Claim | None,
        row: Row,
        images: tuple[SavedImage, ...],
        failed: Exception,
    ) -> Row:
        """The store did not take the images of a job: says where they are."""
        with suppress(StoreError):
            if self._claims.has_result(job.job):  # somebody else on this machine has brought them there
                return self.done_before(job)
            if claim is not None and claim.state is not State.SAVED:
                self._claims.move(
                    claim,
                    State.SAVED,
                    billed=Billed.YES,
                    cost_usd=row.cost_usd,
                    paths=tuple(image.path for image in images),
                    host=socket.gethostname(),
                )
        said = failed.message if isinstance(failed, GptImage2Error) else str(failed)
        where = ", ".join(image.path for image in images)
        return replace(
            row,
            status=SAVED,
            images=images,
            error_code="upload_failed",
            error_message=f"the image is paid for and saved as {where}; {said}",
            error_hint="the same command on this machine brings it there, without a new call",
        )

    def done_before(self, job: ClusterJob) -> Row:
        """The row of a job that has a result."""
        data = self._objects.get(result_name(job.job))
        if data is None:
            return elsewhere_row(job, CLAIMED)
        return replace(read_result(data, self._objects.address)[0], resumed=True)
