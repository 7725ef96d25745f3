"""Who may see the pages: asks for a token where other machines reach them, and tells browsers what they may do."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "study-page"
# Styles within the page are plotly.js's; scripts are files of ours alone.
POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:",
        "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MOST_FORM_BYTES = 4096
# A wrong token is answered late, so that few can be tried.
WRONG_TOKEN_SECONDS = 0.5


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed_hosts(host: str, more: Iterable[str] = ()) -> frozenset[str]:
    """The names by which a browser may have reached us when we listen on `host`.

    Any other name was made to lead here by somebody else's page (DNS rebinding).
    """
    names = {"localhost", "127.0.0.1", "::1", host, *more}
    if not is_loopback(host):
        names |= {socket.gethostname(), socket.getfqdn()}
    return frozenset(name.lower() for name in names)


class Guard:
    """Wraps an application; without a token whoever reaches it may see it."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], token: str | None, login: str) -> None:
        self._app = app
        self._hosts = hosts
        self._token = token
        self._login = login.encode()
        self._sessions: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = await self._refusal(scope, receive)
        await (answer or self._app)(scope, receive, send_with_headers)

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | None:
        """What is answered instead of a page; None for who may see it."""
        headers, path = Headers(scope=scope), scope["path"]
        if not self._is_ours(headers.get("host", "")):
            return PlainTextResponse(
                "This page is not called so. Allow the name with --allow-host.\n", status_code=421
            )
        if scope["method"] not in ("GET", "HEAD") and path != "/login":
            return PlainTextResponse("It can be read only.\n", status_code=405)
        if self._token is None or path.startswith("/static/") or self._is_known(scope, headers):
            return RedirectResponse("/", 303) if path == "/login" else None
        if path == "/login" and scope["method"] == "POST":
            return await self._logged_in(Request(scope, receive))
        return Response(self._login, status_code=401, media_type="text/html")

    def _is_ours(self, host: str) -> bool:
        try:
            return (urlsplit(f"//{host}").hostname or "").lower() in self._hosts
        except ValueError:
            return False

    def _is_known(self, scope: Scope, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_token(given):
            return True
        return Request(scope).cookies.get(COOKIE, "") in self._sessions

    def _is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(), self._token.encode())

    async def _logged_in(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_FORM_BYTES:
                return PlainTextResponse("That is no token.\n", status_code=413)
        form = parse_qs(body.decode(errors="replace"))
        if not self._is_token(form.get("token", [""])[0].strip()):
            await asyncio.sleep(WRONG_TOKEN_SECONDS)
            return Response(self._login, status_code=401, media_type="text/html")
        session = secrets.token_urlsafe(32)
        self._sessions.add(session)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, session, httponly=True, samesite="lax")
        return answer
