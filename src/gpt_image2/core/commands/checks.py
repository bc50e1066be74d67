"""Looks at everything that a call needs, without paying: each check is ok, warn or fail, with a cure."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple, cast
from urllib.parse import urlsplit

from ..base.about import PROGRAM, USER_AGENT
from ..base.errors import ConfigError, GptImage2Error, NetworkError
from ..base.interrupt import StopSwitch
from ..base.optional_part import has_command_beside
from ..base.outcome import Billed, ExitCode
from ..base.record import Record, replace
from ..calls.exchange import Host, host_of
from ..calls.explain import explain
from ..calls.free import send_free
from ..calls.retry import Again, Attempt, judge
from ..outputs.files import free_bytes, prepare_folder
from ..settings.base_url import is_sandbox
from ..settings.config import Settings
from ..settings.places import state_folder
from ..wire.addresses import resolve_addresses
from ..wire.curl import MIN_VERSION, Curl, curl_version, find_curl
from ..wire.messages import HttpRequest
from .options import ServerFlags
from .package_extras import extras_there

CHECK_TIMEOUT_S = 30.0
_THE_SANDBOX = "this is the sandbox: any key will do, its pictures are placeholders, nothing is charged"
_MIN_FREE_BYTES = 500 * 1024 * 1024


class Check(Record):
    """One finding. `status` is `ok`, `warn` or `fail`; `exit_code` is what a failure means for a call."""

    name: str
    status: str
    detail: str
    cure: str = ""
    elapsed_s: Optional[float] = None
    exit_code: ExitCode = ExitCode.CONFIG


def examine(flags: ServerFlags, stop: StopSwitch) -> Iterator[Check]:
    """All checks, one after the other; those that need what has failed are left out."""
    yield _python()
    curl = _curl()
    yield curl
    try:
        settings = flags.settings()
    except ConfigError as error:
        yield Check("config", "fail", error.message, error.hint)
        return
    yield from _settings(settings)
    folder = state_folder(os.environ)
    yield _state_folder(folder)
    yield _disk(folder)
    yield _extras()
    if curl.status == "fail":
        return
    name = _name_lookup(settings)
    yield name
    if name.status == "fail":
        return
    yield from _network(settings, stop)


def verdict(checks: List[Check]) -> ExitCode:
    return next((check.exit_code for check in checks if check.status == "fail"), ExitCode.OK)


def not_tested(checks: List[Check], price: str) -> List[str]:
    """What these checks say nothing of, in words; `price` is that of a probe."""
    passed = {check.name for check in checks if check.status == "ok"}
    facts = (
        ("connection", "whether the host can be reached"),
        ("api", "whether the key is accepted"),
        (
            "probe",
            "whether images can be made: the key may lack the model, or money; "
            f"doctor --probe --yes makes one for {price}",
        ),
        ("", "whether an output folder other than the state folder can be written"),
    )
    return [fact for name, fact in facts if name not in passed]


def check_json(check: Check) -> Dict[str, object]:
    shown = dict(vars(check))
    del shown["exit_code"]
    return {**shown, "elapsed_s": None if check.elapsed_s is None else round(check.elapsed_s, 3)}


def _python() -> Check:
    import platform

    detail = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    return Check("python", "ok", detail)


def _curl() -> Check:
    try:
        path = find_curl()
    except ConfigError as error:
        return Check("curl", "fail", error.message, error.hint)
    version = curl_version(path)
    detail = f"curl {'.'.join(map(str, version)) or 'of an unknown version'} ({path})"
    if version and version[:2] < MIN_VERSION:
        return Check("curl", "fail", detail, f"install curl {'.'.join(map(str, MIN_VERSION))} or newer")
    return Check("curl", "ok" if version else "warn", detail)


def _settings(settings: Settings) -> Iterator[Check]:
    file = settings.config_file
    detail = f"active: {file.path}" if file else "no config file; environment and defaults are used"
    warnings = "; ".join(settings.warnings)
    yield Check("config", "warn" if warnings else "ok", detail, warnings)
    yield Check("base_url", "ok", f"{settings.base_url} (from {settings.sources['base_url']})")
    try:
        settings.require_key()
    except ConfigError as error:
        yield Check("api_key", "fail", error.message, error.hint)
        return
    yield Check("api_key", "ok", f"{settings.masked_key} (from {settings.sources['api_key']})")


def _state_folder(folder: Path) -> Check:
    try:
        prepare_folder(folder, what="state folder")
    except GptImage2Error as error:
        cure = f"make {folder} writable, or set XDG_STATE_HOME; rescued images would go to the temp folder"
        return Check("state_folder", "warn", error.message, cure)
    return Check("state_folder", "ok", f"{folder} is writable")


def _disk(folder: Path) -> Check:
    free = free_bytes(folder)
    if free is None:
        return Check("disk", "ok", "the free space of the state folder is not known")
    detail = f"{free / 1e9:.1f} GB free"
    if free < _MIN_FREE_BYTES:
        return Check("disk", "warn", detail, "free some space: one image can have 15 MB and more")
    return Check("disk", "ok", detail)


def _extras() -> Check:
    """Which optional parts of the package are there; none is needed for a call."""
    there, missing = extras_there()
    detail = f"installed: {', '.join(there) or 'none'}; not: {', '.join(missing) or 'none'} (none is needed)"
    if has_command_beside():
        detail += f"; or call {PROGRAM}, which has its own"
    return Check("extras", "ok", detail)


def _name_lookup(settings: Settings) -> Check:
    """Looks the host's name up; names the proxy where one does that."""
    curl = Curl(os.environ, settings.secrets, StopSwitch())
    try:
        variable = curl.proxy_for(settings.base_url)
    except NetworkError as error:
        return Check("proxy", "fail", error.message, error.hint, exit_code=error.exit_code)
    if variable:
        return Check("proxy", "ok", f"{curl.shown_proxy(variable)} (from {variable})")
    host = urlsplit(settings.base_url).hostname or ""
    started = time.monotonic()
    addresses = resolve_addresses(host)
    elapsed_s = time.monotonic() - started
    if not addresses:
        cure = "check the base URL, the network and its name servers"
        return Check("dns", "fail", f"{host} cannot be resolved", cure, elapsed_s, ExitCode.NETWORK)
    return Check("dns", "ok", f"{host} is {', '.join(addresses[:3])}", "", elapsed_s)


def _network(settings: Settings, stop: StopSwitch) -> Iterator[Check]:
    """One free request, `GET /models`: it shows the connection, TLS, and whether the key is accepted."""
    attempt, document = ask(host_of(settings, os.environ, stop), "/models")
    end = attempt.end
    if not end.sent:
        error = explained(settings, attempt)
        yield Check("connection", "fail", error.message, error.hint, attempt.elapsed_s, error.exit_code)
        return
    yield Check("connection", "ok", "connected", "", end.connect_s)
    if settings.base_url.startswith("https://"):
        yield Check(
            "tls", "ok", "handshake and certificate are good", "", max(0.0, end.tls_s - end.connect_s)
        )
    if not settings.auth_headers:
        return
    if attempt.status == 200 and isinstance(document, dict):
        models = cast(Dict[str, Any], document).get("data")
        count = len(cast(List[Any], models)) if isinstance(models, list) else 0
        rehearsal = attempt.head is not None and is_sandbox(settings.base_url, attempt.head.headers)
        key = _THE_SANDBOX if rehearsal else "the key is accepted"
        yield Check("api", "ok", f"GET /models: {count} models, {key}", "", attempt.elapsed_s)
    elif attempt.status in (404, 405) or attempt.status == 200:
        detail = f"GET /models: HTTP {attempt.status}; the key was not checked"
        yield Check(
            "api", "warn", detail, "a relay may not offer it; a real call will show", attempt.elapsed_s
        )
    else:
        error = explained(settings, attempt)
        yield Check("api", "fail", error.message, error.hint, attempt.elapsed_s, error.exit_code)


def ask(host: Host, path: str) -> Tuple[Attempt, object]:
    """One free request below the base URL, and its answer as JSON (None when it is none)."""
    settings = host.settings
    headers = settings.with_auth(("User-Agent", USER_AGENT), ("Accept", "application/json"))
    return send_free(host.curl, HttpRequest(settings.address(path), headers, CHECK_TIMEOUT_S))


def explained(settings: Settings, attempt: Attempt) -> GptImage2Error:
    """The error for a request of `doctor`, which was free."""
    rule = replace(judge(attempt), billed=Billed.NO, again=Again.NEVER)
    return explain(attempt, rule, None, settings.base_url, settings.secrets)
