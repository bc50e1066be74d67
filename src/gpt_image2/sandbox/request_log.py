"""What the sandbox was asked and what it gave, as `/_sandbox/log` tells it. Kept in memory."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class ImagePost:
    """One POST to an endpoint that costs money on the real API; completed while it is answered."""

    id: int
    fault: str | None
    endpoint: str
    key_seen: str
    prompt: str | None = None
    n: Any = 1
    stream: Any = False
    status: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Sequence[Mapping[str, Any]] = ()
    images_delivered: int = 0
    task_id: str | None = None

    def count_image(self) -> None:
        self.images_delivered += 1


@dataclass(frozen=True)
class Download:
    """One GET of an image by its URL. `key_sent` tells that the client gave its API key away."""

    prompt: str | None
    path: str
    status: int
    key_sent: bool


@dataclass(frozen=True)
class BatchRequest:
    """One request of a batch that was run: on the real API it costs money, though nobody posted it."""

    batch_id: str
    custom_id: str
    endpoint: str
    prompt: str | None
    status: int


@dataclass(frozen=True)
class Poll:
    """One question for a task, or for its end (`method` POST); `state` is the word that was told."""

    prompt: str | None
    task_id: str
    method: str
    path: str
    status: int
    state: str | None


class RequestLog:
    """All that came since the start or the last `clear`."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._posts: list[ImagePost] = []
        self._downloads: list[Download] = []
        self._batch_requests: list[BatchRequest] = []
        self._polls: list[Poll] = []

    def open_post(self, fault: str | None, endpoint: str, key_seen: str) -> ImagePost:
        """A new row; its owner completes it."""
        post = ImagePost(next(self._ids), fault, endpoint, key_seen)
        self._posts.append(post)
        return post

    def add(self, row: Download | BatchRequest | Poll) -> None:
        if isinstance(row, Download):
            self._downloads.append(row)
        elif isinstance(row, Poll):
            self._polls.append(row)
        else:
            self._batch_requests.append(row)

    def clear(self) -> None:
        for rows in (self._posts, self._downloads, self._batch_requests, self._polls):
            rows.clear()

    def report(self, prompt: str | None = None) -> dict[str, Any]:
        """What came, of one prompt or of all.

        `{"hits", "images_delivered", "requests", "downloads", "batch_requests", "polls"}`. Hits are paid
        requests: those of batches are none, and polls cost nothing.
        """

        def rows(kept: Sequence[ImagePost | Download | BatchRequest | Poll]) -> list[dict[str, Any]]:
            return [asdict(row) for row in kept if prompt is None or row.prompt == prompt]

        posts, downloads = rows(self._posts), rows(self._downloads)
        polls = rows(self._polls)
        for row in downloads + polls:
            del row["prompt"]
        return {
            "hits": len(posts),
            "images_delivered": sum(post["images_delivered"] for post in posts),
            "requests": posts,
            "downloads": downloads,
            "batch_requests": rows(self._batch_requests),
            "polls": polls,
        }
