"""The output folder of a run, as paths. Touches no file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

from ..api.request import ImageRequest
from ..base.record import Record
from ..outputs.naming import OutputPlan, plan_output


class OutputFolder(Record):
    """Where a run writes: an absolute folder, and the one for images that it does not take."""

    path: Path
    rescue: Path

    def outputs(self, name: str, request: ImageRequest, named: bool) -> OutputPlan:
        """Where the images of a job go. A name that was made up never replaces a file.

        Raises:
            UsageError: the name cannot be one.
        """
        if named:
            return plan_output(
                str(self.path / name), request.effective_format, request.count, "", self.rescue
            )
        stem, _, suffix = name.rpartition(".")
        return OutputPlan(self.path, stem, f".{suffix}", request.count > 1, True, self.rescue)

    def name_of(self, path: Union[str, Path]) -> str:
        """A path as a name below this folder."""
        return os.path.relpath(str(path), str(self.path))
