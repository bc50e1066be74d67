"""Fetches an image by its address through curl: without the key, http(s) only, bounded, and nowhere private.

Fetching costs nothing, so it may be tried again; the paid request that led here is never repeated for it.
"""

from __future__ import annotations

import re
from typing import Callable, List, Optional
from urllib.parse import urljoin, urlsplit

from ..base.about import USER_AGENT
from ..base.redact import show
from ..wire.curl import Curl, HttpRequest
from .retry import backoff_s

DEFAULT_MAX_DOWNLOAD_BYTES = 100 * 1024 * 1024
DOWNLOAD_TRIES = 4
DOWNLOAD_TIMEOUT_S = 120.0
_MAX_REDIRECTS = 5
_ADDRESS_CHARS = 200
_ODD = r"[\s\x00-\x1f\\]"
_NAT64 = "64:ff9b::/96"


class DownloadFailed(Exception):
    """An image could not be fetched; the text says why. `again` tells whether one more try may help."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


class Downloader:
    """Fetches addresses under one set of limits. `allow_private` admits loopback and private networks."""

    def __init__(
        self, curl: Curl, *, max_bytes: int = DEFAULT_MAX_DOWNLOAD_BYTES, allow_private: bool = False
    ) -> None:
        self._curl = curl
        self._max_bytes = max_bytes
        self._allow_private = allow_private

    def fetch(self, url: str, take: Callable[[bytes], object], restart: Callable[[], None]) -> None:
        """Gives the bytes at an address to `take`, piece by piece; `restart` forgets them before a new try.

        `DownloadFailed` where it cannot be fetched, is too large, or leads to a private network.
        """
        for number in range(DOWNLOAD_TRIES):
            try:
                self._follow(url, take)
                return
            except DownloadFailed as error:
                if not error.again or number == DOWNLOAD_TRIES - 1 or self._curl.stop.wait(backoff_s(number)):
                    raise
                restart()

    def _follow(self, url: str, take: Callable[[bytes], object]) -> None:
        for _ in range(_MAX_REDIRECTS + 1):
            following = self._get(url, take)
            if following is None:
                return
            url = urljoin(url, following)
        raise DownloadFailed(f"more than {_MAX_REDIRECTS} redirects")

    def _get(self, url: str, take: Callable[[bytes], object]) -> Optional[str]:
        """One request; the address to go to next when the answer is a redirect."""
        request = HttpRequest(
            url=url,
            headers=(("User-Agent", USER_AGENT), ("Accept", "image/*")),
            timeout_s=DOWNLOAD_TIMEOUT_S,
            resolve=self._pin(url),
            max_bytes=self._max_bytes,
        )
        statuses: List[int] = []
        received = self._curl.receive(
            request,
            lambda chunk: take(chunk) if statuses == [200] else None,
            lambda head: statuses.append(head.status),
        )
        head, end = received.head, received.end
        if head is None:
            raise DownloadFailed(end.message or "no answer", again=True)
        if head.status in (301, 302, 303, 307, 308) and head.headers.get("location"):
            return head.headers["location"]
        if head.status != 200:
            raise DownloadFailed(f"HTTP {head.status}", again=head.status >= 500 or head.status in (408, 429))
        if end.is_too_long:
            raise DownloadFailed(f"larger than {self._max_bytes:,} bytes (see --max-download)")
        if end.exit_code != 0:
            raise DownloadFailed(f"cut after {received.body_bytes:,} bytes: {end.message}", again=True)
        return None

    def _pin(self, url: str) -> Optional[str]:
        """Checks where an address leads; `host:port:address` for curl, so that it goes just there."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise DownloadFailed(f"not an address: {error}") from None
        if parts.scheme not in ("http", "https") or not host or "%" in host or re.search(_ODD, url):
            raise DownloadFailed("not an http or https address")
        if self._allow_private:
            return None
        addresses = resolve_addresses(host)
        if not addresses and self._has_proxy(parts.scheme):
            return None  # only the proxy knows the name
        if not addresses:
            raise DownloadFailed(f"cannot find the host {show(host, limit=_ADDRESS_CHARS)}", again=True)
        if any(not is_public(address) for address in addresses):
            raise DownloadFailed(f"{show(host, limit=_ADDRESS_CHARS)} is in a private network; refused")
        if _is_literal(host):
            return None
        return f"{host}:{port}:{','.join(_bracketed(address) for address in addresses)}"

    def _has_proxy(self, scheme: str) -> bool:
        names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
        return any(self._curl.env.get(name) for name in names)


def leads_to_private_network(url: str) -> bool:
    """Whether the host of a URL is, or has, an address that is loopback, private or link-local."""
    return any(not is_public(address) for address in resolve_addresses(urlsplit(url).hostname or ""))


def resolve_addresses(host: str) -> List[str]:
    """The IP addresses of a host, none when it has none."""
    import socket

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    import ipaddress

    parsed = ipaddress.ip_address(address)
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    if parsed in ipaddress.ip_network(_NAT64):
        inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed.is_global and not parsed.is_multicast and (inner is None or inner.is_global)


def _is_literal(host: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
