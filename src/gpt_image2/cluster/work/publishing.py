"""Images on their way to the store: first they, checked, then the result that names them."""

from __future__ import annotations

import hashlib
import os
import posixpath
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpt_image2.core.api.images import is_whole_file, saved_image_at, sha256_of
from gpt_image2.core.base.errors import GptImage2Error, OutputError
from gpt_image2.core.base.outcome import Billed, Result, SavedImage
from gpt_image2.core.base.record import replace as replaced
from gpt_image2.core.calls.client import Client
from gpt_image2.core.outputs.files import write_whole
from gpt_image2.core.outputs.inflight import is_anything_left
from gpt_image2.core.outputs.left import outputs_under_way
from gpt_image2.core.settings.places import state_folder

from ..jobs.job import ClusterJob
from ..jobs.results import DONE, PARTIAL, SAVED, Row, read_result, result_bytes
from ..jobs.rows import CLAIMED, elsewhere_row
from ..store.claims import Claim, Claims, State, claim_bytes, partial_name, read_claim, result_name
from ..store.found import StoreError
from ..store.objects import Objects

_MARK_CHARS = 12  # of a hash, in the name of an image whose own is taken


class Publisher:
    """Ends jobs whose images are on this machine, in the folder `staging`."""

    def __init__(self, objects: Objects, claims: Claims, client: Client, staging: Path) -> None:
        self._objects = objects
        self._claims = claims
        self._client = client
        self._staging = staging

    def path_of(self, job: ClusterJob) -> Path:
        """Where the image of a job comes to on this machine; of several each has its number in it."""
        return self._staging / f"{job.job}{posixpath.splitext(job.name)[1]}"

    def is_staged(self, job: ClusterJob) -> bool:
        """Whether there is anything of a job on this machine that a run has saved."""
        return any(map(os.path.lexists, (*self._names_here(job), self._note_of(job))))

    def publish_staged(self, job: ClusterJob, is_busy: Callable[[Claim], bool]) -> Row | None:
        """Ends a job of which an earlier run on this machine has saved images, and not brought them to the
        store: those that its note names, or its claim, else what is there. None where there is nothing, or
        where `is_busy` says of the claim that its worker is at it."""
        found = [saved_image_at(name) if is_whole_file(name) else None for name in self._names_here(job)]
        images = tuple(replaced(each, number=number) for number, each in enumerate(found, 1) if each)
        note = self._note(job)
        try:
            claim = self._claims.last(job.job)
        except StoreError as failed:
            images = note.images if note else images
            if not images:
                raise
            return self._kept_here(
                job, None, self._row_of(job, note, len(images), None, None), images, failed
            )
        if claim is not None and is_busy(claim):
            return None
        for known in (note, claim):
            if known is not None and known.images and all(map(self._is_here, known.images)):
                at = claim or known
                return self.publish(job, replace(known, number=at.number, state=at.state), known.images)
        if len(images) < len(found) and self._may_more_come(job):
            return None
        return self.publish(job, claim, images) if images else None

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
                self._claims.move(claim, State.SAVED, **self._told_of(row, images))
            uploaded = tuple(self._upload(job, image) for image in images)
            row = self._end(job, replace(row, images=uploaded))
        except (StoreError, OSError) as failed:
            return self._kept_here(job, claim, row, images, failed)
        for path in (*(image.path for image in images), self._note_of(job)):
            with suppress(OSError):
                os.unlink(path)
        return row

    def _may_more_come(self, job: ClusterJob) -> bool:
        """Whether a command here finds, or finishes now, more of what a killed one has received."""
        return self.is_under_way(job) or is_anything_left(state_folder(self._client.env), and_tried=True)

    def is_under_way(self, job: ClusterJob) -> bool:
        """Whether the host still works at a call of this machine for a job, or another process ends it."""
        return self._names_here(job)[0] in set(outputs_under_way(state_folder(self._client.env)))

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
        name = result_name(job.job)
        data = self._objects.get(name)
        return None if data is None else read_result(data, self._objects.address, name)[0]

    def _row_of(
        self,
        job: ClusterJob,
        claim: Claim | None,
        images: int,
        result: Result | None,
        error: GptImage2Error | None,
    ) -> Row:
        is_all = images >= job.request.count
        code, message = (
            (error.code, error.message) if error else (claim.code, claim.message) if claim else ("", "")
        )
        if not is_all and not code:
            code, message = "fewer_images", f"{images} of {job.request.count} images came"
        return Row(
            job.job,
            DONE if is_all else PARTIAL,
            job.id,
            billed=Billed.YES,
            cost_usd=result.cost_usd if result else claim.cost_usd if claim else None,
            error_code="" if is_all else code,
            error_message="" if is_all else message,
            attempts=claim.attempts if claim else 0,
            elapsed_s=result.elapsed_s if result else 0.0,
            warnings=result.warnings if result else (),
        )

    def _end(self, job: ClusterJob, row: Row) -> Row:
        """Writes the result of a job whose images are in the store; the row of the one that is there."""
        fields = self._client.with_model(job.request).without_stream().wire_fields("output_format")
        data = result_bytes(row, fields, self._objects.address, self._claims.worker)
        name = result_name(job.job)
        if row.status == PARTIAL:
            self._objects.create(partial_name(job.job), b"")
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

    def _names_here(self, job: ClusterJob) -> list[str]:
        """The paths of the images that were asked for on this machine."""
        stem, suffix = os.path.splitext(self.path_of(job))
        count = job.request.count
        return (
            [f"{stem}-{number}{suffix}" for number in range(1, count + 1)] if count > 1 else [stem + suffix]
        )

    def _note_of(self, job: ClusterJob) -> Path:
        """What is known of images that wait here: as the claim would say it, could the store take it."""
        return self._staging / f"{job.job}.json"

    def _note(self, job: ClusterJob) -> Claim | None:
        try:
            return read_claim(self._note_of(job).read_bytes())
        except (OSError, StoreError):
            return None

    def _is_here(self, image: SavedImage) -> bool:
        """Whether an image is where calls save them on this machine, as it was saved. Who can write to the
        store names no other file."""
        folder = Path(os.path.normpath(image.path)).parent
        is_ours = folder in (self._staging, self._client.rescue_folder)
        return is_ours and sha256_of(image.path) == image.sha256

    @staticmethod
    def _told_of(row: Row, images: tuple[SavedImage, ...]) -> dict[str, Any]:
        """What a claim says of images that have come."""
        return {
            "billed": Billed.YES,
            "cost_usd": row.cost_usd,
            "code": row.error_code,
            "message": row.error_message,
            "images": images,
            "host": socket.gethostname(),
        }

    def _kept_here(
        self,
        job: ClusterJob,
        claim: Claim | None,
        row: Row,
        images: tuple[SavedImage, ...],
        failed: Exception,
    ) -> Row:
        """The store did not take the images of a job: notes what they are, and says where."""
        with suppress(StoreError):
            before = self.done_before(job)  # somebody else on this machine may have brought them there
            if before is not None:
                return before
        if claim is not None:
            note = replace(claim, state=State.SAVED, **self._told_of(row, images))
            with suppress(OutputError):  # the claim may have it too
                write_whole(self._note_of(job), [claim_bytes(note).decode()])
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
