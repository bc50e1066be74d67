"""The offline sandbox for tests of a program's own: a server on loopback, and a home folder of its own.

Needs the package with `[sandbox]`.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Dict, Generator, List, Mapping, Optional, Tuple
from urllib.parse import quote
from urllib.request import ProxyHandler, build_opener

from ..core.base.errors import UsageError
from ..core.base.optional_part import install_line
from ..core.base.record import Record
from ..core.settings.base_url import OWN_SANDBOXES

SANDBOX_KEY = "sandbox"
#: Whatever could lead a call elsewhere begins so.
_OURS = ("GPT_IMAGE2_", "OPENAI_", "AZURE_OPENAI_", "XDG_STATE_", "XDG_CONFIG_")


class SandboxRequest(Record):
    """One request that the sandbox got.

    `endpoint` is `generations` or `edits`, `fields` are those of the API, `images` the file names of inputs,
    `status` what it answered, None while it does.
    """

    endpoint: str
    prompt: str
    fields: Mapping[str, object]
    images: Tuple[str, ...]
    status: Optional[int]


class Sandbox:
    """A running sandbox. `env` is an environment that leads to it, and to a home folder of its own."""

    def __init__(self, base_url: str, home: Path) -> None:
        self.base_url = base_url
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self.env: Mapping[str, str] = {**kept, **self.variables}

    @property
    def variables(self) -> Mapping[str, str]:
        """The variables that lead there."""
        home = str(self.home)
        return {
            "HOME": home,
            "USERPROFILE": home,
            "GPT_IMAGE2_BASE_URL": self.base_url,
            "GPT_IMAGE2_API_KEY": SANDBOX_KEY,
        }

    def fault(self, name: str) -> str:
        """The base URL under which every call meets that fault, such as `rate-once` or `moderation`: see
        `gpt-image2 sandbox --list-faults`."""
        return f"{self._root}/fault/{quote(name)}/v1"

    @property
    def requests(self) -> List[SandboxRequest]:
        """What it was asked for since its start or the last `reset`, oldest first."""
        found: List[SandboxRequest] = []
        for row in self._log()["requests"]:
            images = tuple(str(file.get("filename", "")) for file in row["files"])
            fields: Dict[str, object] = dict(row["fields"])
            found.append(SandboxRequest(row["endpoint"], row["prompt"] or "", fields, images, row["status"]))
        return found

    def reset(self) -> None:
        """Forgets what it was asked for."""
        self._ask("reset", b"")

    @property
    def _root(self) -> str:
        return self.base_url[: -len("/v1")]

    def _log(self) -> Any:
        return json.loads(self._ask("log"))

    def _ask(self, what: str, body: Any = None) -> bytes:
        address = f"{self._root}/_sandbox/{what}"  # on loopback, without a proxy
        with build_opener(ProxyHandler({})).open(address, body) as answer:
            data: bytes = answer.read()
            return data


@contextmanager
def sandbox(home: Path, latency_s: float = 0.0) -> Generator[Sandbox, None, None]:
    """A sandbox that runs in this context; each call takes `latency_s` seconds.

    Raises:
        UsageError: its packages are not installed.
    """
    with ExitStack() as stack:
        try:
            from ..sandbox import serve_in_thread

            base_url = stack.enter_context(serve_in_thread(latency_s))
        except ImportError as error:
            raise UsageError(
                f"the sandbox is not installed here ({error.name} is missing)",
                hint=install_line("sandbox"),
                code="extra_missing",
            ) from None
        OWN_SANDBOXES.add(base_url)
        stack.callback(OWN_SANDBOXES.discard, base_url)
        yield Sandbox(base_url, home)
