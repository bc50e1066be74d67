"""What a config file says of its host alone: headers, query, and how tasks are asked for. Pure."""

from __future__ import annotations

import json
from typing import Dict, List, Mapping, Optional, Tuple

from ..base.errors import ConfigError
from ..base.redact import show
from .base_url import has_same_origin
from .config import Settings
from .config_file import ConfigFile
from .host_field import HostField


def file_for(file: ConfigFile, url: str) -> Tuple[Optional[ConfigFile], List[str]]:
    """The file, where what it says of its host is for this base URL, and what to say where it is not.

    Raises:
        ConfigError: it names another host for polling.
    """
    owner = file.fields.get("base_url")
    if owner is not None and not has_same_origin(owner, url):
        what = f"headers, query and poll of {file.source('base_url')}"
        return None, [f"{what} are not used: they belong to {show(owner)}, and this goes to {url}"]
    path = file.poll.path if file.poll else ""
    if path and not path.startswith("/") and not has_same_origin(path, url):
        raise ConfigError(
            f"config {file.path}: poll.path is the address of another host than {url}",
            hint="write the path alone, such as /tasks/{id}",
        )
    return file, []


def sources_of(file: ConfigFile) -> Mapping[str, str]:
    """Where the headers, the query and the polling come from, by what `config --show` calls them."""
    sources: Dict[str, str] = {}
    for kind, fields in (("headers", file.headers), ("query", file.query)):
        for field in fields:
            named = f"{field.variable}, named by {kind} in " if field.variable else ""
            sources[f"{kind}.{field.name}"] = named + file.source(kind)
            if field.is_key and kind == "headers":
                sources["api_key"] = sources[f"{kind}.{field.name}"]
    if file.poll:
        sources["poll"] = file.source("poll")
    return sources


def whole_query(of_url: Tuple[Tuple[str, str], ...], file: Optional[ConfigFile]) -> Tuple[HostField, ...]:
    """The parameters of every request: those that came with the base URL, and those of the file, which go
    first."""
    own = file.query if file else ()
    names = {field.name for field in own}
    return (*(HostField(name, value) for name, value in of_url if name not in names), *own)


def shown_values(settings: Settings) -> Mapping[str, str]:
    """What goes with the requests to this host alone, and how its tasks are asked for, as it may be shown."""
    values = {f"headers.{field.name}": field.shown for field in settings.headers}
    values.update((f"query.{field.name}", field.shown) for field in settings.query)
    if settings.poll is not None:
        values["poll"] = json.dumps({name: value for name, value in vars(settings.poll).items() if value})
    return values
