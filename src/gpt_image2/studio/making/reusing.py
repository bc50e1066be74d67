"""What a request of the history was asked with, for a form that asks for it again. What lies on the disk and
nowhere else becomes an input.
"""

from __future__ import annotations

import numpy as np

from gpt_image2.core.history.search import PastRequest
from gpt_image2.pictures.files import open_picture

from .inputs import Inputs


def reused(past: PastRequest, inputs: Inputs) -> dict[str, object]:
    """The fields and pictures of a request, as JSON: `inputs` and `markup` by the ids that a call can be
    begun with, `mask` with the share of the first input that it edits. What is there no more is left out and
    counted in `missing`; without the first input there is no mask and no markup."""
    found = [(file.filename, inputs.found(file)) for file in past.inputs]
    has_first = bool(found) and found[0][1] is not None
    mask, markup = (
        inputs.found(file) if has_first and file is not None else None for file in (past.mask, past.markup)
    )
    sent = (*past.inputs, *(file for file in (past.mask, past.markup) if file is not None))
    there = [{"id": each, "name": name} for name, each in found if each is not None]
    return {
        "prompt": past.prompt,
        "model": past.model,
        "fields": dict(past.fields),
        "inputs": there,
        "mask": {"id": mask, "share": _share(inputs, mask)} if mask else None,
        "markup": {"id": markup} if markup else None,
        "missing": len(sent) - len(there) - bool(mask) - bool(markup),
    }


def _share(inputs: Inputs, mask: str) -> float:
    """Which share of a picture a mask edits: where it is clear."""
    alpha = np.asarray(open_picture(str(inputs.path(mask)), "mask").image.convert("RGBA").getchannel("A"))
    return round(1 - float(alpha.mean(dtype=np.float64)) / 255, 6)
