"""Chosen pictures as one zip: the files, what is known of each as JSON, and a page that shows them."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.history.formatting import request_json
from gpt_image2.core.history.search import request_by_id
from gpt_image2.core.ledger.database import Database
from gpt_image2.core.outputs.naming import extension, slug
from gpt_image2.pictures.sheet import Entry, as_page, letters

from .picture_files import PictureFiles, image_row

MOST = 500
#: Of a request, what says where on this machine something lies, or to whom it went.
_PRIVATE = ("base_url", "host", "output", "inputs", "mask", "markup", "images", "derived", "request_id")


def write_zip(target: Path, ids: Sequence[str], database: Database, files: PictureFiles) -> int:
    """Writes the zip of pictures by their ids; how many are in it. What is gone is left out.

    Raises:
        UsageError: nothing is chosen, too much is, or nothing of it is there any more.
        OSError: it cannot be written.
    """
    if not 0 < len(ids) <= MOST:
        raise UsageError(f"choose from 1 to {MOST} pictures", hint="choose others")
    told: list[dict[str, object]] = []
    entries: list[Entry] = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for picture_id in ids:
            row = image_row(database, picture_id)
            if row is None:
                continue
            path = files.find(str(row["path"]), str(row["sha256"]), int(str(row["bytes"])))
            if path is None:
                continue
            request = row["request"]
            past = None if request is None else request_by_id(database, int(str(request)))
            prompt = past.prompt if past else ""
            name = f"{letters(len(entries))}-{slug(prompt)}.{extension(str(row['format']))}"
            name = re.sub(r"[^\w.-]", "-", name)
            with suppress(FileNotFoundError):  # it has gone this very moment
                archive.write(path, name)
                entries.append(Entry(name, prompt))
                asked = {} if past is None else request_json(past)
                told.append(
                    {
                        "file": name,
                        **{field: row.get(field) for field in ("sha256", "width", "height", "method")},
                        "request": {key: value for key, value in asked.items() if key not in _PRIVATE},
                    }
                )
        archive.writestr("pictures.json", json.dumps(told, indent=2, ensure_ascii=False))
        archive.writestr("sheet.html", "".join(as_page(entries, ".")))
    if not entries:
        raise UsageError("none of the chosen pictures is there any more", hint="choose others")
    return len(entries)
