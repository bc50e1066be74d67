"""The door of the studio: which requests may come in, and what every answer says to the browser.

A page on loopback is reached by every other page of the browser, by other users of the machine, and by names
that a stranger's DNS points here. So each request must name this very address, come from this very page, and
bring the cookie that the one-time token was exchanged for. The token may come from anywhere: who has it is
the user. The cookie goes only to a path nobody can guess: browsers hand the cookies of 127.0.0.1 to every
port of it, also to a server of another user.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_FIELD = "token"  # noqa: S105
_COOKIE = "gpt-image2-studio"
_TOKEN_BYTES = 32
_MAX_TOKEN_CHARS = 128
#: What bodies may be: JSON, and pictures as bytes. A form of another page can send neither.
JSON_TYPE, BYTES_TYPE = "application/json", "application/octet-stream"
_SAFE_METHODS = ("GET", "HEAD")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
#: Of every answer, whatever it is.
_HEADERS: Mapping[str, str] = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_NO_STORE = "no-store"
_ON = '<!doctype html><title>Studio</title><meta http-equiv="refresh" content="0;url={address}">\n'
_NOT_HERE = "another page may not ask here\n"
_NO_LONGER = (
    "This studio does not know you. Open the address that `gpt-image2 studio` printed; it works once, and "
    "until the studio ends in the browser that opened it.\n"
)


class Door:
    """Lets in whoever holds the key of this start; an ASGI application around another.

    `root` is the path below which the studio lies, unknown to everybody else; `entered` is called once the
    token is used.
    """

    def __init__(self, app: ASGIApp, port: int, root: str, entered: Callable[[], None]) -> None:
        self._app = app
        self._host = f"127.0.0.1:{port}"
        self._origin = f"http://{self._host}"
        self.root = root
        self._entered = entered
        self._token: str | None = secrets.token_urlsafe(_TOKEN_BYTES)
        self._session = secrets.token_urlsafe(_TOKEN_BYTES)

    @property
    def address(self) -> str:
        """The address to open, which works once."""
        return f"{self._origin}/?{TOKEN_FIELD}={self._token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or hands it on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":  # the server's own start and end
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", _NO_STORE)
            await send(message)

        headers = Headers(scope=scope)
        answer = self._exchanged(scope) if self._is_address(scope, headers) else None
        answer = answer or self._stranger(scope, headers)
        if answer is None and not self._is_known(headers):
            answer = _refused(401, _NO_LONGER)
        await (answer or self._app)(scope, receive, send_guarded)

    def _stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """The refusal of what comes neither from this page nor from its user's own hand; else None."""
        if headers.getlist("host") != [self._host]:
            return _refused(421, f"this server answers as {self._host} only\n")
        if "upgrade" in headers:
            return _refused(400, "nothing is upgraded here\n")
        is_safe = scope["method"] in _SAFE_METHODS
        came_from = headers.get("sec-fetch-site")  # browsers say it, and no page can change it
        if came_from not in (None, "same-origin") and not (came_from == "none" and is_safe):
            return _refused(403, _NOT_HERE)
        origins = headers.getlist("origin")
        if any(origin != self._origin for origin in origins) or (not is_safe and len(origins) != 1):
            return _refused(403, _NOT_HERE)
        if not is_safe and headers.get("content-type") not in (JSON_TYPE, BYTES_TYPE):
            return _refused(415, f"send {JSON_TYPE}\n")
        return None

    def _is_address(self, scope: Scope, headers: Headers) -> bool:
        """Whether the address that was printed may be asked for."""
        return scope["path"] == "/" and scope["method"] == "GET" and headers.getlist("host") == [self._host]

    def _exchanged(self, scope: Scope) -> Response | None:
        """The cookie for the token, once; None for whoever brings no token."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get(TOKEN_FIELD, [""])[0]
        if not given:
            return None
        if self._token is None or not _equal(given, self._token):
            return _refused(401, _NO_LONGER)
        self._token = None
        self._entered()
        # After a redirect a browser would not send the cookie where another page has led here.
        answer = HTMLResponse(_ON.format(address=f"{self.root}/"))
        answer.set_cookie(_COOKIE, self._session, path=self.root, httponly=True, samesite="strict")
        return answer

    def _is_known(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return False
        return cookie is not None and _equal(cookie.value, self._session)


def _equal(given: str, known: str) -> bool:
    return len(given) <= _MAX_TOKEN_CHARS and hmac.compare_digest(given.encode(), known.encode())


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(text, status)
