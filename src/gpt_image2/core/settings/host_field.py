"""A header, or a parameter of the query, that a config adds to each request to its own host. Pure."""

from __future__ import annotations

from typing import Iterable, List, Optional, Tuple
from urllib.parse import parse_qsl, urlsplit
from urllib.parse import quote as percent_encode

from ..base.record import Record
from ..base.redact import mask_key

_KEY_HEADERS = ("authorization", "api-key")
#: The words in front of a token, which tell no secret.
_TOKEN_KINDS = ("bearer", "basic", "token")


class HostField(Record):
    """One of them. `value` is None where `variable`, which is to hold it, is not set."""

    name: str
    value: Optional[str]
    variable: str = ""
    is_secret: bool = False

    @property
    def shown(self) -> str:
        """The value as it may be shown."""
        if self.value is None:
            return "(none)"
        kind, _, token = self.value.partition(" ")
        if not self.is_secret:
            return self.value
        return f"{kind} {mask_key(token)}" if kind.lower() in _TOKEN_KINDS and token else mask_key(self.value)

    @property
    def is_key(self) -> bool:
        """Whether it is a header that stands in for the key's own."""
        return self.name.lower() in _KEY_HEADERS

    @property
    def secrets(self) -> Tuple[str, ...]:
        """What must never show of it: the value, its last word (the token behind `Bearer`), its form in a
        query."""
        if not self.value or not self.is_secret:
            return ()
        return tuple({self.value, self.value.split()[-1], percent_encode(self.value, safe="")})


def with_query(url: str, query: Iterable[HostField], shown: bool = False) -> str:
    """An address with the parameters added that it lacks; with `shown` as it may be shown."""
    pairs: List[str] = []
    there = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    for field in query:
        if field.value is not None and field.name not in there:
            value = field.shown if shown else percent_encode(field.value, safe="")
            pairs.append(f"{percent_encode(field.name, safe='')}={value}")
    return url + ("&" if "?" in url else "?") + "&".join(pairs) if pairs else url
