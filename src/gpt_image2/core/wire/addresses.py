"""What an http(s) address is: one plain spelling of it, where its host leads, and whether that is public.

An address is checked and used in the same spelling, so that nothing between the check and the connection can
read it in another way. Looks names up; connects to nothing.
"""

from __future__ import annotations

import re
from typing import List, Tuple
from urllib.parse import quote as percent_encode
from urllib.parse import urljoin, urlsplit

from ..base.record import Record

_PORTS = {"http": 80, "https": 443}
_HOST_NAME = r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*"
_NUMBER = r"[0-9]+|0x[0-9a-f]*"
_SAFE = "!#$%&'()*+,/:;=?@[]~\"<>^`{|}"  # what stays as it is in path and query, beside letters and digits
_USER_SAFE = "!$%&'()*+,;=:~"
_MAX_ADDRESS_CHARS = 1 << 14
#: Names that stand for this machine or its network, whatever a name server says: RFC 6761, 6762, 8375, and
#: `internal`, where the clouds keep their metadata.
_LOCAL_NAMES = ("localhost", "local", "localdomain", "internal", "home.arpa")
#: Public by its number, but answered by the cloud's own host (Azure).
_CLOUD_ADDRESSES = ("168.63.129.16",)


class Address(Record):
    """An address in its plain spelling: the host in lower-case ASCII, an IP as its number is usually written
    (IPv6 without brackets), and no fragment."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> Tuple[str, str, int]:
        """Scheme, host and port: what a key belongs to."""
        return self.scheme, self.host, self.port

    @property
    def is_ip(self) -> bool:
        """Whether the host is a number, and no name."""
        return _is_ip(self.host)


def read_address(text: str, base: str = "") -> Address:
    """The plain spelling of an address; one that is relative is taken from `base`.

    Raises:
        ValueError: it is no http(s) address, or one that can be read in more than one way.
    """
    text = text.strip(" ")
    if len(text) > _MAX_ADDRESS_CHARS or re.search(r"[\x00-\x1f\x7f\\]", text):
        raise ValueError("not an http or https address")
    parts = urlsplit(urljoin(base, text) if base else text)
    scheme, (user, at, _) = parts.scheme, parts.netloc.rpartition("@")
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError("not an http or https address")
    host, port = plain_host(parts.hostname), parts.port or _PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    shown += "" if port == _PORTS[scheme] else f":{port}"
    path = percent_encode(parts.path or "/", safe=_SAFE, errors="surrogatepass")
    query = "?" + percent_encode(parts.query, safe=_SAFE, errors="surrogatepass") if parts.query else ""
    user = percent_encode(user, safe=_USER_SAFE)
    return Address(f"{scheme}://{user}{at}{shown}{path}{query}", scheme, host, port)


def plain_host(host: str) -> str:
    """The one spelling of a host that is checked and connected to.

    Raises:
        ValueError: it is neither a name nor an IP address.
    """
    if "%" in host:
        raise ValueError(f"not an address: {host!r} is no host")
    if ":" in host:
        import ipaddress

        return str(ipaddress.IPv6Address(host))
    try:
        plain = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"not an address: {host!r} is no host") from None
    plain = plain.lower()
    plain = plain[:-1] if plain.endswith(".") else plain
    if not re.fullmatch(_HOST_NAME, plain):
        raise ValueError(f"not an address: {host!r} is no host")
    return _plain_ipv4(plain) if re.fullmatch(_NUMBER, plain.rpartition(".")[2]) else plain


def resolve_addresses(host: str) -> List[str]:
    """The IP addresses of a host, none when it has none."""
    import socket

    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, and to no cloud's inside."""
    import ipaddress

    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in ipaddress.ip_network("64:ff9b::/96"):  # NAT64: an IPv4 address within IPv6
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        elif parsed not in ipaddress.ip_network("2000::/3"):  # all that is given out as public
            return False
        if inner is not None and not is_public(str(inner)):
            return False
    return parsed.is_global and not parsed.is_multicast and address not in _CLOUD_ADDRESSES


def is_local_name(host: str) -> bool:
    """Whether a plain host is a name that never means a host of the public internet."""
    return any(host == name or host.endswith("." + name) for name in _LOCAL_NAMES)


def is_loopback_host(host: str) -> bool:
    """Whether a host is this machine, by its name or its number."""
    try:
        host = plain_host(host)
    except ValueError:
        return False
    is_number = _is_ip(host) and (host.startswith("127.") or host == "::1")
    return is_number or host == "localhost" or host.endswith(".localhost")


def _plain_ipv4(host: str) -> str:
    """An IPv4 address as `inet_aton` reads it: one to four numbers, decimal, octal or hexadecimal."""
    texts = host.split(".")
    if len(texts) > 4 or not all(re.fullmatch(r"0[0-7]*|[1-9][0-9]*|0x[0-9a-f]+", text) for text in texts):
        raise ValueError(f"not an address: {host!r} is no host")
    if any(len(text) > 12 for text in texts):
        raise ValueError(f"not an address: {host!r} is no host")
    numbers = [int(text, 16 if text[:2] == "0x" else 8 if text[0] == "0" else 10) for text in texts]
    *first, last = numbers
    if any(number > 255 for number in first) or last >= 256 ** (5 - len(numbers)):
        raise ValueError(f"not an address: {host!r} is no host")
    value = sum(number << (24 - 8 * place) for place, number in enumerate(first)) + last
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _is_ip(host: str) -> bool:
    """Whether a plain host is a number: no name ends in one."""
    return ":" in host or host.rpartition(".")[2].isdigit()
