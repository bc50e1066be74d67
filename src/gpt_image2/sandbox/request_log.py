"""What the sandbox was asked and what it gave: one row a paid POST, one a download, one a request of a
batch. Kept in memory."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .image_request import Submission, Upload


@dataclass
class Row:
    """One POST to an endpoint that costs money on the real API."""

    id: int
    fault: str | None
    endpoint: str
    key_seen: str
    prompt: str | None = None
    n: Any = 1
    stream: Any = False
    status: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    images_delivered: int = 0

    def describe(self, submission: Submission) -> None:
        """Note what was submitted."""
        self.prompt = submission.prompt
        self.fields = submission.fields
        self.n = submission.fields.get("n", 1)
        self.stream = submission.fields.get("stream", False)
        self.files = [_file_row(upload) for upload in submission.uploads]

    def count_image(self) -> None:
        """Note that a final image has reached the client."""
        self.images_delivered += 1


@dataclass(frozen=True)
class Download:
    """One GET of an image by its URL. `key_sent` tells that the client gave its API key away."""

    path: str
    status: int
    key_sent: bool
    prompt: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class BatchRequest:
    """One request of a batch that was run: on the real API it costs money, though nobody posted it."""

    batch_id: str
    custom_id: str
    endpoint: str
    prompt: str | None
    status: int


class Journal:
    """The rows since the start or the last `clear`."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._rows: list[Row] = []
        self._downloads: list[Download] = []
        self._batch_requests: list[BatchRequest] = []

    def open_row(self, fault: str | None, endpoint: str, key_seen: str) -> Row:
        """A new row; its owner completes it."""
        row = Row(next(self._ids), fault, endpoint, key_seen)
        self._rows.append(row)
        return row

    def add_download(self, download: Download) -> None:
        """Note a download."""
        self._downloads.append(download)

    def add_batch_request(self, request: BatchRequest) -> None:
        """Note a request of a batch."""
        self._batch_requests.append(request)

    def clear(self) -> None:
        """Forget all rows."""
        self._rows.clear()
        self._downloads.clear()
        self._batch_requests.clear()

    def report(self, prompt: str | None = None) -> dict[str, Any]:
        """`{"hits", "images_delivered", "requests", "downloads", "batch_requests"}`, of one prompt or of all.

        Requests of batches are no hits.
        """
        rows = [row for row in self._rows if prompt is None or row.prompt == prompt]
        downloads = [each for each in self._downloads if prompt is None or each.prompt == prompt]
        in_batches = [each for each in self._batch_requests if prompt is None or each.prompt == prompt]
        return {
            "hits": len(rows),
            "images_delivered": sum(row.images_delivered for row in rows),
            "requests": [asdict(row) for row in rows],
            "downloads": [
                {"path": each.path, "status": each.status, "key_sent": each.key_sent} for each in downloads
            ],
            "batch_requests": [asdict(each) for each in in_batches],
        }


def _file_row(upload: Upload) -> dict[str, Any]:
    return {
        "field": upload.name,
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size_bytes": len(upload.data),
        "sha256": upload.sha256,
    }
