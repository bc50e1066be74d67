"""What curl is told on its standard input: one option a line. Pure."""

from __future__ import annotations

import re
from typing import List, Tuple

from .messages import (
    FormPart,
    HttpRequest,
)

CONNECT_TIMEOUT_S = 30.0


KEEPALIVE_S = 30


_REPORTED = ("time_pretransfer", "time_namelookup", "time_connect", "time_appconnect", "time_starttransfer")


_QUOTED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def render_config(request: HttpRequest, proxy: str, heads_path: str, mark: str) -> str:
    """What curl reads on its standard input: one option a line, every value quoted. Headers go to
    `heads_path`; `mark` is what its report on standard error begins with."""
    lines: List[Tuple[str, str]] = [
        ("url", request.url),
        ("proto", "=http,https"),
        ("connect-timeout", f"{min(CONNECT_TIMEOUT_S, request.timeout_s):.3f}"),
        ("max-time", f"{request.timeout_s:.3f}"),
        ("keepalive-time", str(KEEPALIVE_S)),
        ("dump-header", heads_path),
        # Nothing is left to the environment.
        ("proxy", proxy) if proxy else ("noproxy", "*"),
        ("write-out", "%{stderr}" + mark + "".join(f" %{{{name}}}" for name in _REPORTED)),
    ]
    lines += [("header", f"{name}: {value}") for name, value in request.headers]
    if request.resolve:
        lines.append(("resolve", request.resolve))
    if request.stall_s is not None:
        lines += [("speed-limit", "1"), ("speed-time", f"{request.stall_s:.0f}")]
    if request.body_path is not None:
        lines.append(("data-binary", "@" + request.body_path))
    lines += [_form_line(part) for part in request.form]
    if request.form or request.body_path is not None:
        lines.append(("header", "Expect:"))  # no wait for a 100 that relays do not send
    flags = ["silent", "show-error", "no-buffer", "suppress-connect-headers", "globoff"]
    return "".join([f"{flag}\n" for flag in flags] + [f"{name} = {quote(value)}\n" for name, value in lines])


def quote(value: str) -> str:
    """A value in double quotes, as a curl config file and curl's `--form` understand them."""
    return '"' + "".join(_QUOTED.get(char, char) for char in value) + '"'


def form_filename(name: str) -> str:
    """A file name as multipart/form-data carries it: quotes and control characters percent-encoded.

    Source: the WHATWG HTML standard, "Multipart form data". Done here, since older curls differ.
    """
    return re.sub(r'["\x00-\x1f\x7f]', lambda match: f"%{ord(match.group()):02X}", name)


def _form_line(part: FormPart) -> Tuple[str, str]:
    if part.path is None:
        return "form-string", f"{part.name}={part.text or ''}"
    if part.filename is None:
        return "form", f"{part.name}=<{_quote_form(part.path)}"
    value = f"{part.name}=@{_quote_form(part.path)};filename={_quote_form(form_filename(part.filename))}"
    return "form", f"{value};type={part.mime_type}" if part.mime_type else value


def _quote_form(value: str) -> str:
    """A value inside `--form`: in double quotes, where only quotes and backslashes are escaped."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
