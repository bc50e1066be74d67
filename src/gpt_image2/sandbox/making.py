"""The images of a request on their way to an answer: drawn, and kept where an address is to lead to them."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from .api.access import key_of
from .api.answers import Presenter, as_base64, plain_answer
from .connection import Delivery, Role
from .drawing.encoding import EncodedImage
from .drawing.pictures import picture, previews
from .faults.fault import Case, Fault, Made
from .request_log import Download, ImagePost, RequestLog
from .threads import Threads

_MOST_KEPT_IMAGES = 256


@dataclass
class _KeptImage:
    """An image that waits to be downloaded."""

    image: EncodedImage
    fault: Fault
    post: ImagePost
    downloads: int = 0
    counted: bool = False

    def count(self) -> None:
        if not self.counted:
            self.counted = True
            self.post.count_image()


class Maker:
    """Makes the images of one sandbox; lives on its event loop."""

    def __init__(self, log: RequestLog, threads: Threads) -> None:
        self._log = log
        self._threads = threads
        self._kept: OrderedDict[str, _KeptImage] = OrderedDict()

    async def make(self, fault: Fault, case: Case, post: ImagePost, present: Presenter | None) -> Made:
        """Draw what was asked for; made again, it is the same. `present` is None for images by address."""
        understood = fault.understood(case.request)
        drawn = fault.drawn(understood)
        drawing = [self._threads.run(lambda i=i: picture(drawn, i)) for i in range(drawn.n)]
        images = await asyncio.gather(*drawing)
        partial_images = await self._threads.run(lambda: previews(drawn)) if understood.stream else []
        present = present or self._by_address(fault, case, post)
        return Made(understood, images, partial_images, present, fault.write)

    async def download(self, request: Request) -> Delivery:
        """`GET /_sandbox/files/{name}`: an image that was given by its address; no key belongs here."""
        kept = self._kept.get(request.path_params["name"])
        status = 404
        if kept is not None:
            kept.downloads += 1
            status = kept.fault.download_status(kept.downloads)
        prompt = kept.post.prompt if kept else None
        self._log.add(Download(prompt, request.url.path, status, bool(key_of(request))))
        if kept is None or status != 200:
            return Delivery(plain_answer(status, "text/plain", b"no image here\n"))
        answer = plain_answer(200, kept.image.mime, kept.image.data, role="image")
        return Delivery(answer, on_image=kept.count)

    def _by_address(self, fault: Fault, case: Case, post: ImagePost) -> Presenter:
        """Images by an address on this server; previews stay in the stream."""

        def present(image: EncodedImage, role: Role) -> dict[str, Any]:
            if role != "image":
                return as_base64(image, role)
            # The same image of the same request has the same address, however often a task is asked for it.
            digest = hashlib.sha256(case.request_id.encode("ascii") + image.data).hexdigest()[:24]
            name = f"{digest}.{image.mime.partition('/')[2].partition('+')[0]}"
            self._kept.setdefault(name, _KeptImage(image, fault, post))
            if len(self._kept) > _MOST_KEPT_IMAGES:
                self._kept.popitem(last=False)
            return {"url": f"{case.host_url}/_sandbox/files/{name}"}

        return present
