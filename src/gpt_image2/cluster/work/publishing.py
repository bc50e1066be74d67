"""Images on their way to the store: first they, checked, then the result that names them."""

from __future__ import annotations

import hashlib
import os
import posixpath
import socket
from contextlib import suppress
from dataclasses import replace

from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import Billed, Result, SavedImage
from gpt_image2.core.base.record import replace as replaced
from gpt_image2.core.calls.client import Client

from ..jobs.job import ClusterJob
from ..jobs.results import DONE, PARTIAL, SAVED, Row, read_result, result_bytes
from ..jobs.rows import CLAIMED, elsewhere_row
from ..store.claims import Claim, Claims, State, result_name
from ..store.found import StoreError
from ..store.objects import Objects

_MARK_CHARS = 12  # of a hash, in the name of an image whose own is taken


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
        """Brings images of this machine to the store, then the result that names them; where the store does
        not take them, they stay where they are. The claim says so first: whoever dies, it is known what has
        come, and where it is."""
        row = self._row_of(job, claim, len(images), result, error)
        try:
            if claim is not None and claim.state is not State.SAVED:
                host = socket.gethostname()
                told = {"billed": Billed.YES, "cost_usd": row.cost_usd, "images": images, "host": host}
                self._claims.move(claim, State.SAVED, **told)
            uploaded = tuple(self._upload(job, image) for image in images)
            row = self._end(job, replace(row, images=uploaded))
        except (StoreError, OSError) as failed:
            return self._kept_here(job, row, images, failed)
        for image in images:
            with suppress(OSError):
                os.unlink(image.path)
        return row

    def finish(self, job: ClusterJob, claim: Claim) -> Row | None:
        """The row of a job whose images its worker has brought to the store before it died: its result is
        written now. None where they are not all there."""
        found: list[SavedImage] = []
        for image in claim.images:
            names = self._names(job, image)
            name = next((each for each in names if self._holds(each, image.sha256)), None)
            if name is None:
                return None
            found.append(replaced(image, path=f"{self._objects.address}/{name}"))
        row = self._row_of(job, claim, len(found), None, None)
        return self._end(job, replace(row, images=tuple(found)))

    def done_before(self, job: ClusterJob) -> Row | None:
        """The row of a job that has a result; None where it has none."""
        data = self._objects.get(result_name(job.job))
        return None if data is None else replace(read_result(data, self._objects.address)[0], resumed=True)

    def _row_of(
        self,
        job: ClusterJob,
        claim: Claim | None,
        images: int,
        result: Result | None,
        error: GptImage2Error | None,
    ) -> Row:
        is_all = images >= job.request.count
        return Row(
            job.job,
            DONE if is_all else PARTIAL,
            job.id,
            billed=Billed.YES,
            cost_usd=result.cost_usd if result else claim.cost_usd if claim else None,
            error_code=error.code if error and not is_all else "",
            error_message=error.message if error and not is_all else "",
            attempts=claim.attempts if claim else 0,
            elapsed_s=result.elapsed_s if result else 0.0,
            warnings=result.warnings if result else (),
        )

    def _end(self, job: ClusterJob, row: Row) -> Row:
        """Writes the result of a job whose images are in the store; the row of the one that is there."""
        fields = self._client.with_model(job.request).without_stream().wire_fields("output_format")
        data = result_bytes(row, fields, self._objects.address, self._claims.worker)
        name = result_name(job.job)
        if not self._objects.create(name, data):
            return self.done_before(job) or elsewhere_row(job, CLAIMED)
        if not self._objects.is_whole(name, data):
            raise StoreError(f"{name} is not in the store as it was written")
        return row

    def _upload(self, job: ClusterJob, image: SavedImage) -> SavedImage:
        """Brings an image to its final name, or where another one is there to one of its own."""
        with open(image.path, "rb") as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != image.sha256:
            raise StoreError(f"{image.path} has changed since it was saved")
        names = self._names(job, image)
        for name in names:
            if self._objects.create(name, data, f"image/{image.format}"):
                if not self._objects.is_whole(name, data):
                    raise StoreError(f"{name} is not in the store as it was written")
                return replaced(image, path=f"{self._objects.address}/{name}")
        raise StoreError(f"other objects are in the place of {names[-1]}")

    def _names(self, job: ClusterJob, image: SavedImage) -> tuple[str, str]:
        """The name of an image, and the one that it gets where that is taken."""
        name = job.image_name(image.number)
        stem, suffix = posixpath.splitext(name)
        return name, f"{stem}-{image.sha256[:_MARK_CHARS]}{suffix}"

    def _holds(self, name: str, sha256: str) -> bool:
        data = self._objects.get(name)
        return data is not None and hashlib.sha256(data).hexdigest() == sha256

    def _kept_here(self, job: ClusterJob, row: Row, images: tuple[SavedImage, ...], failed: Exception) -> Row:
        """The store did not take the images of a job: says where they are."""
        with suppress(StoreError):
            before = self.done_before(job)  # somebody else on this machine may have brought them there
            if before is not None:
                return before
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
