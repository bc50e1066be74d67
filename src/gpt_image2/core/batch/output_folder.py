"""The output folder of a run, and the images in it. Reads only these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable, Tuple, Union

from ..api.images import saved_image_at
from ..api.request import ImageRequest
from ..base.outcome import SavedImage
from ..base.record import Record, replace
from ..outputs.naming import OutputPlan, plan_output


class OutputFolder(Record):
    """Where a run writes: an absolute folder, and the one for images that it does not take."""

    path: Path
    rescue: Path

    def outputs(self, name: str, request: ImageRequest, named: bool) -> OutputPlan:
        """Where the images of a job go; a `UsageError` for a name that cannot be one. A name that was made
        up never replaces a file."""
        if named:
            return plan_output(
                str(self.path / name), request.effective_format, request.count, "", self.rescue
            )
        stem, _, suffix = name.rpartition(".")
        return OutputPlan(self.path, stem, f".{suffix}", request.count > 1, True, self.rescue)

    def name_of(self, path: Union[str, Path]) -> str:
        """A path as a name below this folder."""
        return os.path.relpath(str(path), str(self.path))

    def below(self, images: Iterable[SavedImage]) -> Tuple[SavedImage, ...]:
        """Images with their paths as the journal keeps them."""
        return tuple(replace(image, path=self.name_of(image.path)) for image in images)

    def still_there(self, images: Iterable[SavedImage]) -> Tuple[SavedImage, ...]:
        """Those of the journal's images that are on disk as it says."""
        found = [(image, saved_image_at(str(self.path / image.path))) for image in images]
        return tuple(
            replace(saved, number=image.number)
            for image, saved in found
            if saved is not None and saved.sha256 == image.sha256
        )


def canonical(name: str) -> str:
    """What is equal for two names that one folder may take for the same: by case, or by how an accent is
    written."""
    from unicodedata import normalize

    return normalize("NFC", normalize("NFC", name).casefold())
