"""Fetches an image by its address (not the paid answer): without the key, bounded, nowhere private, whole.

Fetching costs nothing, so it may be tried again; the paid request that led here is never repeated for it.
"""

from __future__ import annotations

from typing import Callable, Iterable, List, Optional, Sequence, Tuple

from ..base.about import USER_AGENT
from ..base.errors import ConfigError, GptImage2Error, NetworkError, OutputError
from ..base.redact import show
from ..outputs.collect import ImageCollector
from ..wire.addresses import (
    Address,
    is_local_name,
    is_loopback_host,
    is_public,
    read_address,
    resolve_addresses,
)
from ..wire.curl import Curl
from ..wire.messages import HttpRequest, Received, ResponseHead
from .retry import backoff_s

DEFAULT_MAX_DOWNLOAD_BYTES = 100 * 1024 * 1024
DOWNLOAD_TRIES = 4
DOWNLOAD_TIMEOUT_S = 120.0
DOWNLOAD_STALL_S = 30.0
#: So many addresses above the number of images that were asked for are fetched; a list may have no end.
MAX_FURTHER_ADDRESSES = 4
MAX_REDIRECTS = 5
_ADDRESS_CHARS = 200
REDIRECTS = (301, 302, 303, 307, 308)
_KEY_WANTED = (401, 403)


class DownloadFailed(Exception):
    """An image could not be fetched; the text says why. `again` tells whether one more try may help."""

    def __init__(self, reason: str, again: bool = False) -> None:
        super().__init__(reason)
        self.again = again


class Downloader:
    """Fetches addresses under one set of limits.

    `base_url` is that of the server whose answers hold the addresses: relative ones are taken from it, its
    own origin may be private, and gets `auth_headers` once it has refused to answer without. `allow_private`
    admits every private network. `remaining_s` tells the seconds that are left for all that is fetched.
    """

    def __init__(
        self,
        curl: Curl,
        *,
        max_bytes: int = DEFAULT_MAX_DOWNLOAD_BYTES,
        base_url: str = "",
        auth_headers: Tuple[Tuple[str, str], ...] = (),
        allow_private: bool = False,
        remaining_s: Callable[[], float] = lambda: DOWNLOAD_TIMEOUT_S,
    ) -> None:
        self._curl = curl
        self._max_bytes = max_bytes
        #: What relative addresses are taken from; empty where there are none.
        self.base = f"{base_url}/" if base_url else ""
        self.home = _home(base_url)
        self.auth_headers = auth_headers
        self._allow_private = allow_private
        self._remaining_s = remaining_s

    def fetch(self, url: str, take: Callable[[bytes], object], restart: Callable[[], None]) -> None:
        """Gives the bytes at an address to `take`, piece by piece; `restart` forgets them before a new try.

        `DownloadFailed` where it cannot be fetched, is too large or slow, or leads to a private network.
        """
        for number in range(DOWNLOAD_TRIES):
            try:
                self._follow(readable_address(url, self.base), take)
                return
            except DownloadFailed as error:
                wait_s = backoff_s(number)
                if not error.again or number == DOWNLOAD_TRIES - 1 or wait_s >= self._remaining_s():
                    raise
                if self._curl.stop.wait(wait_s):
                    raise
                restart()

    def _follow(self, address: Address, take: Callable[[bytes], object]) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            following = self._get(address, take)
            if following is None:
                return
            address = readable_address(following, address.url)
        raise DownloadFailed(f"more than {MAX_REDIRECTS} redirects")

    def _get(self, address: Address, take: Callable[[bytes], object]) -> Optional[str]:
        """One step; the address to go to next when the answer is a redirect."""
        received = self._ask(address, take, ())
        is_home = self.home is not None and address.origin == self.home.origin
        if is_home and self.auth_headers and received.head and received.head.status in _KEY_WANTED:
            received = self._ask(address, take, self.auth_headers)
        head, end = received.head, received.end
        if head is None:
            raise DownloadFailed(end.message or "no answer", again=True)
        if head.status in REDIRECTS and head.headers.get("location"):
            return head.headers["location"]
        if head.status != 200:
            raise DownloadFailed(f"HTTP {head.status}", again=head.status >= 500 or head.status in (408, 429))
        if end.is_too_long:
            raise DownloadFailed(f"larger than {self._max_bytes:,} bytes (see --max-download)")
        if end.exit_code != 0:
            raise DownloadFailed(f"cut after {received.body_bytes:,} bytes: {end.message}", again=True)
        return None

    def _ask(
        self, address: Address, take: Callable[[bytes], object], auth: Tuple[Tuple[str, str], ...]
    ) -> Received:
        """One request for an image."""
        statuses: List[int] = []
        return self.request(
            address,
            (("Accept", "image/*"), *auth),
            lambda chunk: take(chunk) if statuses == [200] else None,
            lambda head: statuses.append(head.status),
        )

    def request(
        self,
        address: Address,
        headers: Tuple[Tuple[str, str], ...],
        take: Callable[[bytes], object],
        on_head: Callable[[ResponseHead], object],
    ) -> Received:
        """One request, pinned to where the address may lead; a `DownloadFailed` where that is nowhere."""
        resolve = self._pin(address)
        remaining_s = self._remaining_s()
        if remaining_s <= 0:
            raise DownloadFailed("the time of the call is up (see --timeout)")
        has_agent = any(name.lower() == "user-agent" for name, _ in headers)
        request = HttpRequest(
            url=address.url,
            headers=headers if has_agent else (("User-Agent", USER_AGENT), *headers),
            timeout_s=min(DOWNLOAD_TIMEOUT_S, remaining_s),
            resolve=resolve,
            stall_s=DOWNLOAD_STALL_S,
            max_bytes=self._max_bytes,
        )
        try:
            return self._curl.receive(request, take, on_head)
        except (ConfigError, NetworkError) as error:  # curl has gone since the request that led here
            raise DownloadFailed(error.message) from None

    def _pin(self, address: Address) -> Optional[str]:
        """Checks where an address leads; `host:port:address` for curl, so that it goes just there."""
        if self._allow_private or self._is_home(address):
            return None
        host = address.host
        shown = show(host, limit=_ADDRESS_CHARS)
        if is_local_name(host):
            raise DownloadFailed(f"{shown} is in a private network; refused")
        addresses = [host] if address.is_ip else resolve_addresses(host)
        if any(not is_public(found) for found in addresses):
            raise DownloadFailed(f"{shown} is in a private network; refused")
        if address.is_ip:
            return None
        if not addresses and "." in host and self._curl.proxy_for(address.url):
            return None  # only the proxy knows the name
        if not addresses:
            raise DownloadFailed(f"cannot find the host {shown}", again=True)
        return f"{host}:{address.port}:{','.join(map(_bracketed, addresses))}"

    def _is_home(self, address: Address) -> bool:
        """Whether an address is on the server itself; on this machine whatever the name that it has here."""
        home = self.home
        if home is None or address.port != home.port:
            return False
        return address.host == home.host or (is_loopback_host(address.host) and is_loopback_host(home.host))


def readable_address(url: str, base: str) -> Address:
    """An address, which may be relative to `base`; a `DownloadFailed` where it is none."""
    try:
        return read_address(url, base)
    except ValueError as error:
        raise DownloadFailed(f"not an address: {show(str(error), limit=_ADDRESS_CHARS)}") from None


def _home(base_url: str) -> Optional[Address]:
    try:
        return read_address(base_url)
    except ValueError:  # then no address is taken for its own
        return None


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def fetch_images(
    downloader: Downloader, urls: Sequence[str], collector: ImageCollector, secrets: Iterable[str]
) -> List[str]:
    """Fetches images into a collector; the addresses that could not be fetched, each with the reason."""
    failures: List[str] = []
    for url in urls:
        try:
            collector.take(url, lambda take, restart: downloader.fetch(url, take, restart))  # noqa: B023
        except OutputError as error:
            collector.lose(error.message)
        except (DownloadFailed, GptImage2Error) as error:
            failures.append(f"{show(url, secrets, None)} ({error})")
    collector.nothing_else_came()
    return failures
