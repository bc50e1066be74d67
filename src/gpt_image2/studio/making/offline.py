"""What is made of a picture without a call: a cut-out, an exact size. A new file beside what was made here;
the ledger keeps what it was made from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from gpt_image2.core.api.images import sha256_of
from gpt_image2.core.api.sizes import parse_size
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.outcome import Derivation, MadeFrom
from gpt_image2.core.base.record import replace
from gpt_image2.core.calls.client import Client
from gpt_image2.core.commands.picture_flags import FIT_WAYS
from gpt_image2.core.ledger.afterwards import record_derived
from gpt_image2.pictures.cutouts.keying import cut_out
from gpt_image2.pictures.files import check_output, encode, open_picture, save
from gpt_image2.pictures.sizes import fitted


@dataclass(frozen=True)
class Made:
    """A picture that was made: the SHA-256 of its content, and what is to be said of it."""

    sha256: str
    path: str
    notes: tuple[str, ...]


def made_of(path: Path, wish: Mapping[str, Any], folder: Path, client: Client) -> Made:
    """Makes what is wished for of the picture in a file: `{"what": "cutout"}`, or `{"what": "exact", "size":
    "1200x630", "fit": "crop"}`.

    Raises:
        UsageError: it is not understood, or cannot be made of this picture.
        OutputError: it cannot be written.
    """
    picture = open_picture(str(path))
    if wish.get("what") == "cutout":
        cutout = cut_out(picture.rgb)
        image, method, notes = cutout.image, "key", cutout.notes
    elif wish.get("what") == "exact":
        size, fit = parse_size(str(wish.get("size"))), wish.get("fit", "crop")
        if size is None or fit not in FIT_WAYS:
            raise UsageError("the size is not understood", hint="give WIDTHxHEIGHT, as 1200x630")
        image, method, notes = fitted(picture.image, size, str(fit)), "exact", ()
    else:
        raise UsageError("what is to be made is not understood", hint="reload the page")
    target = check_output(_free(folder, f"{path.stem}-{wish['what']}"), [str(path)])
    saved = save(target, encode(image, "png", icc_profile=picture.icc_profile))
    warnings: list[str] = []
    if client.ledger is not None:
        derivation = Derivation(method, (MadeFrom(str(path), sha256_of(str(path))),))
        record_derived(client.ledger, replace(saved, derivation=derivation), warnings.append)
    return Made(saved.sha256, saved.path, (*picture.notes, *notes, *warnings))


def _free(folder: Path, stem: str) -> str:
    """A name in a folder that nothing has."""
    for number in count(1):
        path = folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png")
        if not os.path.lexists(path):
            return str(path)
    raise AssertionError("numbers do not end")
