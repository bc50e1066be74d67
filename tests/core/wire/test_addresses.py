"""An address is connected to as it was checked, and proxies are those that curl would take."""

from __future__ import annotations

import ipaddress
import random
import re
import socket
import subprocess
from typing import Any, Dict, Optional
from urllib.parse import urlsplit

import pytest
from harness import KEY, Home
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import png
from servers import Answer, Recorder, images, recording

from gpt_image2.core.wire.addresses import is_loopback_host, is_public, plain_host, read_address
from gpt_image2.core.wire.curl import curl_version, find_curl
from gpt_image2.core.wire.proxies import is_without_proxy, proxy_variable

numbers = st.integers(0, 2**32 - 1) | st.sampled_from([0x7F000001, 0xA9FEA9FE, 0x0A000001, 0xC0A80101])
choices = st.lists(st.integers(0, 3), min_size=6, max_size=6)


def spelled(value: int, forms: list[int]) -> str:
    """An IPv4 address in one of the spellings that `inet_aton` knows."""
    count = forms[0] % 4 + 1
    parts = [value >> (24 - 8 * place) & 0xFF for place in range(count - 1)]
    parts.append(value & (256 ** (5 - count) - 1))
    written = [str, "0x{:x}".format, "0{:o}".format, "0X{:08X}".format]
    return ".".join(written[form](part) for form, part in zip(forms[1:], parts)) + "." * (forms[5] % 2)


@settings(deadline=None)
@given(numbers, choices)
def test_property_every_spelling_of_an_ipv4_address_is_read_as_the_system_reads_it(
    value: int, forms: list[int]
) -> None:
    text = spelled(value, forms)
    plain = str(ipaddress.IPv4Address(value))
    assert plain_host(text) == plain == socket.inet_ntoa(socket.inet_aton(text.rstrip(".")))
    address = read_address(f"http://{text}/a")
    assert (address.host, address.is_ip, address.url) == (plain, True, f"http://{plain}/a")


def test_curl_takes_a_plain_address_as_it_is() -> None:
    """What was checked is what curl connects to: it says so where nothing listens."""
    dice = random.Random(1)
    for _ in range(4):
        value = 0x7F000000 | dice.randrange(1, 0xFFFFFF)
        url = read_address(f"http://{spelled(value, [dice.randrange(4) for _ in range(6)])}:1/").url
        said = subprocess.run(
            [find_curl(), "-q", "-s", "--max-time", "5", "-w", "%{stderr}%{url_effective}", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={},
        ).stderr.decode()
        assert said == f"http://{ipaddress.IPv4Address(value)}:1/"


@given(st.text(max_size=30) | st.from_regex(r"https?://[ -~]{0,30}", fullmatch=True))
def test_property_what_is_read_as_an_address_is_plain_and_stays_as_it_is(text: str) -> None:
    for base in ("", "http://127.0.0.1:8787/v1/"):
        try:
            address = read_address(text, base)
        except ValueError:
            continue
        parts = urlsplit(address.url)
        assert address.url.isascii() and address.url.isprintable() and " " not in address.url
        assert (parts.scheme, parts.hostname) == (address.scheme, address.host)
        assert (parts.port or {"http": 80, "https": 443}[parts.scheme]) == address.port
        assert read_address(address.url) == address


@pytest.mark.parametrize(
    "text, plain",
    [
        ("HTTP://EXAMPLE.com.:80/x", "http://example.com/x"),
        ("https://example.com:443", "https://example.com/"),
        ("http://h:8080?a=b c#top", "http://h:8080/?a=b%20c"),
        ("http://h/é /(1).png", "http://h/%C3%A9%20/(1).png"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("http://[0:0:0:0:0:0:0:1]:1/", "http://[::1]:1/"),
        ("http://a@b@h/", "http://a%40b@h/"),
        ("http://h/%20%2f", "http://h/%20%2f"),
        ("//cdn.example/a", "http://cdn.example/a"),
        ("/a b", "http://base:8787/a%20b"),
        ("a/b.png", "http://base:8787/v1/a/b.png"),
    ],
)
def test_an_address_has_one_plain_spelling(text: str, plain: str) -> None:
    assert read_address(text, "http://base:8787/v1/").url == plain


@pytest.mark.parametrize(
    "text",
    [
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://127.0.0.08/",
        "http://0x/",
        "http://a.1/",
        "http://127.0.0.1%00.example/",
        "http://[::1%25lo]/",
        "http://a b/",
        "http://a..b/",
        "http://\u200b/",
        f"http://{'a' * 64}.example/",
        "http://h:99999/",
        "http://h\\@127.0.0.1/",
        "http://h/\x00",
        "ftp://h/",
        "http:///x",
        "http:",
    ],
)
def test_what_can_be_read_in_two_ways_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        read_address(text)


@given(st.integers(0, 2**128 - 1) | st.integers(0, 2**32 - 1).map(lambda low: 0xFFFF << 32 | low))
def test_property_an_ipv6_address_is_public_only_where_what_is_in_it_is(value: int) -> None:
    address = ipaddress.IPv6Address(value)
    if is_public(str(address)):
        assert address.is_global
        assert address.ipv4_mapped is None and not (address.is_site_local or address.is_private)
        assert address.sixtofour is None or address.sixtofour.is_global


# Proxies

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    "env, scheme, proxy",
    [
        ({"http_proxy": "one"}, "http", "one"),
        ({"HTTP_PROXY": "one"}, "http", ""),
        ({"HTTP_PROXY": "one", "ALL_PROXY": "two"}, "http", "two"),
        ({"HTTPS_PROXY": "one"}, "https", "one"),
        ({"https_proxy": "one", "HTTPS_PROXY": "two"}, "https", "one"),
        ({"https_proxy": "", "HTTPS_PROXY": "two"}, "https", "two"),
        ({"http_proxy": "one"}, "https", ""),
        ({"all_proxy": "one", "ALL_PROXY": "two"}, "https", "one"),
        ({"all_proxy": "one", "http_proxy": "two"}, "http", "two"),
        ({"all_proxy": "one", "no_proxy": "", "NO_PROXY": "host.onion"}, "http", ""),
        ({"all_proxy": "one", "no_proxy": "x", "NO_PROXY": "host.onion"}, "http", "one"),
        ({}, "http", ""),
    ],
)
def test_the_proxy_is_the_one_that_curl_would_take(env: Dict[str, str], scheme: str, proxy: str) -> None:
    assert env.get(proxy_variable(env, scheme, "host.onion", 80), "") == proxy
    if curl_version(find_curl()) < (7, 86):
        return  # it does not say which one it takes
    named = {name: f"http://me:{value}@127.0.0.1:1" for name, value in env.items() if value}
    said = subprocess.run(
        [find_curl(), "-q", "-sv", f"{scheme}://host.onion/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**env, **{name: value for name, value in named.items() if "no_" not in name.lower()}},
    ).stderr.decode()
    assert re.findall(r"variable \S+ == 'http://me:(\w+)@", said)[-1:] == ([proxy] if proxy else [])


@pytest.mark.parametrize(
    "no_proxy, host, port, expected",
    [
        ("*", "a.example", 80, True),
        ("x, *", "a.example", 80, True),
        ("a.example", "a.example", 80, True),
        ("a.example", "b.a.example", 80, True),
        (".a.example", "b.a.example", 80, True),
        (".a.example", "a.example", 80, True),
        ("*.a.example", "b.a.example", 80, True),
        ("a.example.", "A.example.", 80, True),
        ("a.example", "nota.example", 80, False),
        ("A.EXAMPLE b.example", "b.example", 80, True),
        ("a.example:8080", "a.example", 8080, True),
        ("a.example:8080", "a.example", 80, False),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "10.example", 80, False),
        ("10.1.2.3", "012.1.2.3", 80, True),
        ("10.1.2.3:81", "10.1.2.3", 80, False),
        ("fd00::/8", "fd12::1", 80, True),
        ("[fd12::1]", "fd12::1", 80, True),
        ("[fd12::1]:81", "fd12::1", 80, False),
        ("fd12::1", "fd12:0::1", 80, True),
        ("2.3", "10.1.2.3", 80, False),
        (",, ,", "a.example", 80, False),
        ("", "a.example", 80, False),
    ],
)
def test_no_proxy_names_hosts_domains_networks_and_ports(
    no_proxy: str, host: str, port: int, expected: bool
) -> None:
    assert is_without_proxy(no_proxy, host, port) is expected


labels = st.sampled_from(["a", "b", "example", "xa"])
names = st.lists(labels, min_size=1, max_size=4).map(".".join)


@given(names, st.lists(names.flatmap(lambda name: st.sampled_from([name, "." + name])), max_size=3))
def test_property_a_domain_in_no_proxy_stands_for_itself_and_all_below(host: str, entries: list[str]) -> None:
    plain = [entry.lstrip(".").split(".") for entry in entries]
    expected = any(host.split(".")[-len(entry) :] == entry for entry in plain)
    assert is_without_proxy(",".join(entries), host, 80) is expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_property_a_network_in_no_proxy_stands_for_its_addresses(host: int, bits: int, net: int) -> None:
    entry = f"{ipaddress.IPv4Address(net)}/{bits}"
    expected = bits == 0 or host >> (32 - bits) == net >> (32 - bits)
    assert is_without_proxy(entry, str(ipaddress.IPv4Address(host)), 80) is expected


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST.", "a.localhost", "::1"])
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    assert is_loopback_host(host)
    env = {"http_proxy": PROXY, "https_proxy": PROXY, "all_proxy": PROXY}
    assert proxy_variable(env, "http", host, 80) == proxy_variable(env, "https", host, 443) == ""


ALL_PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def test_no_prompt_for_a_server_on_this_machine_goes_to_a_proxy(home: Home, recorder: Recorder) -> None:
    with recording() as proxy:
        env: Dict[str, Optional[str]] = dict.fromkeys(ALL_PROXIES, proxy.root)
        run = home.run("generate", "a cat", base_url=recorder.base_url, env=env)
        assert (run.code, len(recorder.requests), proxy.requests) == (0, 1, []), run.stderr


def test_an_image_by_address_comes_through_the_proxy_that_the_api_is_reached_by(home: Home) -> None:
    def answer(request: Any) -> Answer:
        if request.method == "GET":
            return Answer(200, png(1024, 1024), (("Content-Type", "image/png"),))
        return Answer(200, b'{"data": [{"url": "http://cdn.invalid/a b.png"}]}')

    with recording() as proxy:
        proxy.answer = answer
        run = home.run("generate", "a cat", base_url="http://api.invalid/v1", env={"http_proxy": proxy.root})
        assert run.code == 0, run.stderr
        assert [request.path for request in proxy.requests] == [
            "http://api.invalid/v1/images/generations",
            "http://cdn.invalid/a%20b.png",
        ]


def test_what_no_proxy_names_goes_past_the_proxy(home: Home) -> None:
    with recording() as proxy:
        env: Dict[str, Optional[str]] = {"all_proxy": proxy.root, "no_proxy": "other, .onion:80"}
        run = home.run("generate", "a cat", "--retries", "0", base_url="http://api.onion/v1", env=env)
        assert (run.code, proxy.requests) == (7, [])


@pytest.mark.parametrize("key", ["1", "127", "://"])
def test_a_short_key_that_stands_in_the_address_of_a_proxy_takes_no_proxy_away(home: Home, key: str) -> None:
    with recording() as proxy:
        proxy.answer = lambda request: images(png(1024, 1024))
        env: Dict[str, Optional[str]] = {"http_proxy": proxy.root, "GPT_IMAGE2_API_KEY": key}
        run = home.run("generate", "a cat", base_url="http://api.invalid/v1", env=env)
        assert (run.code, len(proxy.requests)) == (0, 1), run.stderr


@pytest.mark.parametrize(
    "proxy", ["ftp://me:pass-word@127.0.0.1:7", "me:pass-word@127.0.0.1:1", "http://me:pass-word@x.onion:1"]
)
def test_the_password_of_a_proxy_is_in_no_output(home: Home, proxy: str) -> None:
    run = home.run(
        "generate",
        "a cat",
        "--retries",
        "0",
        "--debug",
        base_url="http://api.invalid/v1",
        env={"http_proxy": proxy},
    )
    assert run.code == 7
    assert "pass-word" not in run.stdout + run.stderr and KEY not in run.stderr


def test_a_proxy_gets_its_password(home: Home) -> None:
    with recording() as proxy:
        env: Dict[str, Optional[str]] = {"http_proxy": proxy.root.replace("//", "//me:secret@")}
        home.run("generate", "a cat", base_url="http://api.invalid/v1", env=env)
        assert proxy.requests[0].header("proxy-authorization") == "Basic bWU6c2VjcmV0"
