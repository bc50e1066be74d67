"""Which proxy the environment names for an address, by the rules of curl. Pure.

Decided here and told to curl, so that what is thought of a proxy is what happens. Lower case goes first;
HTTP_PROXY in upper case does not count, since a web server sets it from a header of its visitor. This machine
is never reached through a proxy: what listens there was started here, and a proxy would look on its own.
"""

from __future__ import annotations

import os
import re
from typing import Mapping

from .addresses import is_loopback_host, plain_host

#: The variables that curl would read by itself, in lower case.
PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


#: The kinds of proxy that curl speaks to; one without a kind is `http`.
_PROXY_KINDS = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def proxy_variable(env: Mapping[str, str], scheme: str, host: str, port: int) -> str:
    """The variable that names the proxy for a host; empty where there is none."""
    if is_loopback_host(host) or is_without_proxy(
        env.get(_first(env, "no_proxy", "NO_PROXY"), ""), host, port
    ):
        return ""
    # Where variables have no case (Windows), both spellings are one variable.
    loud = (f"{scheme.upper()}_PROXY",) if scheme != "http" or os.name == "nt" else ()
    return _first(env, f"{scheme}_proxy", *loud, "all_proxy", "ALL_PROXY")


def is_known_kind(proxy: str) -> bool:
    """Whether a proxy is of a kind that curl can speak to."""
    kind, colon, _ = proxy.partition("://")
    return not colon or kind.lower() in _PROXY_KINDS


def is_without_proxy(no_proxy: str, host: str, port: int) -> bool:
    """Whether NO_PROXY names a host: by its name or a domain above it (with or without a dot or `*.` in
    front), its address or a network (10.0.0.0/8), any of them with a port (`host:8080`), or by `*`."""
    try:
        host = plain_host(host)
    except ValueError:
        return no_proxy.strip() == "*"
    return any(_covers(entry.lower(), host, port) for entry in re.split(r"[,\s]+", no_proxy) if entry)


def without_credentials(text: str, proxy: str) -> str:
    """What curl says, without the name and the password that stand in a proxy's address."""
    user, at, _ = proxy.partition("//")[2].rpartition("@") if "//" in proxy else proxy.rpartition("@")
    return text.replace(user + at, "****@") if user else text


def _covers(entry: str, host: str, port: int) -> bool:
    match = re.fullmatch(r"(.*?\]|[^:]*):([0-9]{1,5})", entry)
    if match:
        if int(match.group(2)) != port:
            return False
        entry = match.group(1)
    entry = entry[1:-1] if entry[:1] == "[" and entry[-1:] == "]" else entry
    if entry == "*":
        return True
    import ipaddress

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        entry = entry.lstrip("*").lstrip(".").rstrip(".")
        return bool(entry) and (host == entry or host.endswith("." + entry))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except (ValueError, TypeError):
        return False


def _first(env: Mapping[str, str], *names: str) -> str:
    """The first variable that is set and not empty, as curl takes it; empty without one."""
    return next((name for name in names if env.get(name)), "")
