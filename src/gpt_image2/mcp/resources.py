"""Images as resources: what the tools link to can be listed, and read where it lies in a folder that this
server may read. Reads only images, and none that is very large."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Iterable

from mcp import types

from gpt_image2.core.api.images import saved_image_at
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.outcome import SavedImage
from gpt_image2.core.base.redact import show

from .answers import mime_type
from .folders import Folders

#: More than any image of the API has as PNG.
MAX_RESOURCE_BYTES = 32 * 1024 * 1024
MAX_LISTED = 200


class Resources:
    """The images that the tools of one server have linked to."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._linked: deque[types.ResourceLink] = deque(maxlen=MAX_LISTED)

    def remember(self, blocks: Iterable[types.ContentBlock]) -> None:
        """Notes the links of an answer."""
        for block in blocks:
            if isinstance(block, types.ResourceLink) and block not in self._linked:
                self._linked.append(block)

    def listed(self) -> list[types.Resource]:
        """The newest that were linked to."""
        return [
            types.Resource(uri=link.uri, name=link.name, mime_type=link.mime_type, size=link.size)
            for link in self._linked
        ]

    def read(self, uri: str) -> types.BlobResourceContents:
        """The bytes of an image.

        Raises:
            UsageError: it is no `file:` address of an image that this server may read, or too large.
        """
        if not uri.lower().startswith("file:"):
            raise UsageError(f"{show(uri)} is no file: address", hint="read what a tool has linked to")
        image = image_at(self._folders, uri)
        if image.size_bytes > MAX_RESOURCE_BYTES:
            raise UsageError(
                f"{show(image.path, limit=None)} has more than {MAX_RESOURCE_BYTES >> 20} MB",
                hint="open the file itself",
            )
        with open(image.path, "rb") as file:
            data = file.read(MAX_RESOURCE_BYTES)
        return types.BlobResourceContents(
            uri=uri, mime_type=mime_type(image.format), blob=base64.b64encode(data).decode("ascii")
        )


def image_at(folders: Folders, source: str) -> SavedImage:
    """An image on disk in a folder that may be read.

    Raises:
        UsageError: there is none.
    """
    path, name = folders.input(source), show(source, limit=None)
    try:
        if not path.is_file():
            raise UsageError(f"{name} does not exist or is not a file", hint="check the path")
        with path.open("rb"):  # says why it cannot be read
            image = saved_image_at(str(path))
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}", hint="check its permissions") from None
    if image is None:
        raise UsageError(f"{name} is not an image by its first bytes", hint="png, jpeg, webp, gif or svg")
    return image
