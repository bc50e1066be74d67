"""How one host's tasks are asked for, as its config says it. Pure."""

from __future__ import annotations

import re
from typing import Dict, List, Tuple, cast
from urllib.parse import quote as percent_encode

from ..base.record import Record


class Poll(Record):
    """Where a task is asked for, and where its answers say what; empty is what the config does not say.

    `path` stands below the base URL, or is an address of its origin; the task's id replaces `{id}` in it.
    `id`, `status` and `images` are places in an answer, read by `value_at`. `done` and `failed` are states in
    lower case.
    """

    path: str = ""
    id: str = ""
    status: str = ""
    done: Tuple[str, ...] = ()
    failed: Tuple[str, ...] = ()
    images: str = ""

    def address(self, base_url: str, task_id: str) -> str:
        """Where a task is asked for, whatever characters its id has; empty where no path is given."""
        path = self.path.replace("{id}", percent_encode(task_id, safe=""))
        return base_url + path if path.startswith("/") else path


def value_at(document: object, place: str) -> object:
    """What stands in an answer at a place such as `data.0.task_id`: keys, and numbers in lists from 0; None
    where nothing does."""
    for step in place.split("."):
        if isinstance(document, dict):
            document = cast(Dict[str, object], document).get(step)
        elif isinstance(document, list) and re.fullmatch("[0-9]{1,6}", step):
            document = dict(enumerate(cast(List[object], document))).get(int(step))
        else:
            return None
    return document
