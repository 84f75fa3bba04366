"""Which requests the server answers, and what the browser may do with the answers.

A page of another site must not use the server through the browser of its visitor. Therefore the
Host must be a name of this computer (against DNS rebinding), and the Origin must be the Host. If
other computers can reach the server, every request needs the token.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

COOKIE = "artgraph_token"
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]+)?")
LOCAL = {"127.0.0.1", "localhost", "::1"}  # names of this computer

# No other site is allowed: nobody learns what the user does in the editor.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "frame-src 'self' blob:",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'self'",
    )
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# Browsers ignore it at an address of another computer without HTTPS, with an error in the console.
_LOCAL_HEADERS = {"Cross-Origin-Opener-Policy": "same-origin"}


def guard(token: str | None) -> Middleware:
    """Returns the middleware that checks requests. With a token, every Host is accepted."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        problem = _foreign(request, token is None)
        if problem:
            return web.json_response({"error": problem}, status=403)
        if token is not None and not _has_token(request, token):
            if not _is_equal(request.query.get("token", ""), token):
                text = "Open the address that `artgraph edit` printed. It ends with the token.\n"
                return web.Response(status=401, text=text)
            return _set_cookie(request, token)
        return await handler(request)

    return check


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to a response."""
    is_local = _host_name(request.host) in LOCAL
    for name, value in (_HEADERS | _LOCAL_HEADERS if is_local else _HEADERS).items():
        response.headers.setdefault(name, value)


def _foreign(request: web.Request, local_only: bool) -> str | None:
    """Returns why a request from another site or computer is refused, or None if it is not."""
    host = _host_name(request.host)
    if local_only and host not in LOCAL:
        return f"the server accepts requests from this computer only, but the Host is {host!r}"
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return "requests from pages of other sites are refused"
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        navigates = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if not navigates:
            return "requests from pages of other sites are refused"
    return None


def _host_name(host: str) -> str:
    """Returns the Host header without its port; empty if it is not a name and a port."""
    found = _HOST.fullmatch(host)
    return found[1].strip("[]").lower() if found else ""


def _has_token(request: web.Request, token: str) -> bool:
    """Returns whether the request has the token in a cookie or in the Authorization header."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    sent = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
    return _is_equal(sent, token)


def _is_equal(sent: str, token: str) -> bool:
    """Compares in constant time, so that the time of an answer does not reveal the token."""
    return hmac.compare_digest(sent.encode(), token.encode())


def _set_cookie(request: web.Request, token: str) -> web.Response:
    """Store the token in a cookie, and redirect to the address without it."""
    query = {name: value for name, value in request.query.items() if name != "token"}
    path = "/" + request.path.lstrip("/\\")  # two slashes would begin the name of another server
    response = web.HTTPFound(request.rel_url.with_path(path).with_query(query))
    response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", max_age=30 * 86_400)
    return response
