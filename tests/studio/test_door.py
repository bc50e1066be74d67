"""Who may come in: the page itself, and nobody else. Each row of the table is an attack."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from harness import KEY, REFERENCES, Home, Sandbox
from processes import until
from studio_driving import JSON, Studio, studio_of
from studio_visitor import Visitor

EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def open_studio(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Iterator[Studio]:
    """One studio for all attacks: none of them changes it."""
    home = Home(Path(tmp_path_factory.mktemp("door")))
    with studio_of(home, sandbox.base_url) as running:
        yield running.enter()


#: What changes something, and needs no body.
_CLICK = "/api/requests/1/forget"

#: What another program sends that knows everything but is not the page; `None` takes a header away.
ATTACKS: dict[str, tuple[str, str, dict[str, str | None], int]] = {
    "another user without the cookie": ("GET", "/", {"Cookie": None}, 401),
    "another user with a guessed cookie": ("GET", "/", {"Cookie": "gpt-image2-studio=guess"}, 401),
    "another user with a broken cookie": ("GET", "/", {"Cookie": 'gpt-image2-studio="\\'}, 401),
    "a name that a stranger's DNS points here": ("GET", "/", {"Host": "evil.example"}, 421),
    "the right name under another port": ("GET", "/", {"Host": "127.0.0.1:1"}, 421),
    "localhost, which a page may share": ("GET", "/", {"Host": "localhost"}, 421),
    "a page of another site reading": ("GET", "/api/pictures", {"Origin": EVIL}, 403),
    "a page of another site that hides its origin": ("GET", "/", {"Sec-Fetch-Site": "cross-site"}, 403),
    "a page on another port of loopback": ("GET", "/", {"Sec-Fetch-Site": "same-site"}, 403),
    "an image tag elsewhere": ("GET", "/pictures/1-1", {"Sec-Fetch-Site": "cross-site"}, 403),
    "a form elsewhere": (
        "POST",
        "/api/calls",
        {"Origin": EVIL, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site"},
        403,
    ),
    "a form of text that looks like JSON": ("POST", _CLICK, {"Content-Type": "text/plain"}, 415),
    "JSON with another type beside": ("POST", _CLICK, {"Content-Type": f"{JSON}, text/plain"}, 415),
    "no type at all": ("POST", _CLICK, {"Content-Type": None}, 415),
    "a sandboxed frame": ("POST", "/api/calls", {"Origin": "null"}, 403),
    "a click without an origin": ("POST", "/api/calls", {"Origin": None}, 403),
    "a star from another site": ("POST", "/api/stars", {"Origin": EVIL}, 403),
    "an address typed by hand that posts": ("POST", "/api/calls", {"Sec-Fetch-Site": "none"}, 403),
    "a websocket": ("GET", "/api/events", {"Upgrade": "websocket", "Connection": "Upgrade"}, 400),
    "a websocket from elsewhere": (
        "GET",
        "/api/events",
        {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": EVIL},
        400,
    ),
    "asking whether it may (CORS)": ("OPTIONS", "/api/calls", {"Origin": EVIL}, 403),
    "a method that nothing has": ("DELETE", "/api/pictures", {"Content-Type": JSON}, 405),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_and_told_nothing(open_studio: Studio, attack: str) -> None:
    method, path, changes, status = ATTACKS[attack]
    own: dict[str, str | None] = {**open_studio.own_headers(), "Content-Type": JSON, **changes}
    headers = {name: value for name, value in own.items() if value is not None}
    body = None if method == "GET" else b"{}"
    reply = open_studio.send(method, f"{open_studio.root}{path}", headers, body)
    assert reply.status == status
    assert not any(name.startswith("access-control") for name in reply.headers)
    assert KEY.encode() not in reply.body


@pytest.mark.parametrize(
    "path",
    [
        "/../door.py",
        "/%2e%2e/door.py",
        "/..%2fdoor.py",
        "//etc/passwd",
        "/pictures/../../etc/passwd",
        "/pictures/1-1%00",
        "/pictures/99999999999999999999999-1",
        "/pictures/-1-1",
        "/inputs/in-../../x",
        "/api/requests/1%27",
    ],
)
def test_no_address_leads_to_a_file_by_its_name(open_studio: Studio, path: str) -> None:
    reply = open_studio.send("GET", f"{open_studio.root}{path}", open_studio.own_headers())
    assert reply.status in (400, 404)
    assert b"import" not in reply.body and b"root:" not in reply.body


def test_outside_the_secret_path_there_is_nothing(open_studio: Studio) -> None:
    for path in ("/", "/api/state", "/api/pictures", "/index.html"):
        assert open_studio.send("GET", path, {}).status == 401
        assert open_studio.send("GET", path, open_studio.own_headers()).status in (401, 404)


def test_the_token_works_once_and_gives_a_cookie_that_scripts_and_other_ports_never_see(
    home: Home, sandbox: Sandbox
) -> None:
    with studio_of(home, sandbox.base_url) as studio:
        assert studio.send("GET", "/?token=wrong", {}).status == 401
        assert studio.send("POST", f"/?{studio.token}", {}).status in (401, 403)
        assert studio.send("GET", f"/?{studio.token}", {"Host": "evil.example"}).status == 421
        first = studio.send("GET", f"/?{studio.token}", {"Sec-Fetch-Site": "none"})
        assert first.status == 200
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        root = first.body.decode().split("url=")[1].split('"')[0]
        assert f"path={root.rstrip('/').lower()};" in cookie and len(root) > 20
        assert studio.send("GET", f"/?{studio.token}", {}).status == 401


def test_the_browser_is_opened_without_showing_the_token_to_other_users(
    home: Home, sandbox: Sandbox, visitor: Visitor, tmp_path: Path
) -> None:
    browser, seen = tmp_path / "browser.sh", tmp_path / "argv"
    browser.write_text(
        f'#!/bin/sh\nprintf "%s" "$*" > {seen}.part && mv {seen}.part {seen}\n', encoding="utf-8"
    )
    browser.chmod(0o700)
    home.env["BROWSER"] = str(browser)
    with studio_of(home, sandbox.base_url, opens=True) as studio:
        until(seen.exists)
        address = seen.read_text(encoding="utf-8")
        assert address.startswith("file://") and studio.token.partition("=")[2] not in address
        file = Path(url2pathname(urlsplit(address).path))
        assert file.stat().st_mode & 0o777 == 0o600 and studio.token in file.read_text(encoding="utf-8")
        page = visitor.at(address)
        page.locator("header").wait_for()
        assert page.url.startswith(studio.origin) and "token" not in page.url
        assert not file.exists()


def test_every_answer_tells_the_browser_to_run_and_frame_nothing_foreign(open_studio: Studio) -> None:
    for path in ("", "api/state", "api/pictures", "pictures/9-9", "nothing"):
        headers = open_studio.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "form-action 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers


def test_bodies_are_bounded(open_studio: Studio) -> None:
    assert open_studio.post("api/price", b"x" * (5 << 20)).status == 413
    assert open_studio.post("api/price", b"[" * 100_000).status == 400
    assert open_studio.post("api/price", b"[]").status == 400
    assert open_studio.post("api/inputs", b"no picture", "application/octet-stream").status == 400


def test_it_listens_on_loopback_alone(open_studio: Studio) -> None:
    with socket.socket() as other:
        other.settimeout(2)
        others = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
        for address in {str(each) for each in others} - {"127.0.0.1"}:
            assert other.connect_ex((address, open_studio.port)) != 0


def test_no_two_servers_of_the_package_want_the_same_port() -> None:
    told = (REFERENCES / "cli.md").read_text(encoding="utf-8")
    ports = re.findall(r"^\| `--port` .*\(default:? (\d+)\)", told, re.MULTILINE)
    assert len(ports) == len(set(ports)) == 3, "the sandbox, the studio, the MCP server"


def test_the_key_is_in_no_answer(open_studio: Studio) -> None:
    for path in ("", "api/state", "api/pictures"):
        reply = open_studio.get(path)
        assert reply.status == 200
        assert KEY.encode() not in reply.body
