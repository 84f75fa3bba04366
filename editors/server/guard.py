"""Who may ask, and what the browser may do with the answers.

A page of another site must not reach this server through its visitor's browser: the Host must be
one of ours (against rebound names), and the Origin must be the Host. Where the server can be
reached from outside, everyone needs the token.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

COOKIE = "artgraph_token"
LOCAL = {"127.0.0.1", "localhost", "::1"}

# No outside address anywhere: the editor must not tell anyone what its user does.
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
    "Cross-Origin-Opener-Policy": "same-origin",
}


def guard(token: str | None) -> Middleware:
    """The middleware; with a token, any Host is served that knows it."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        problem = _foreign(request, token is None)
        if problem:
            return web.json_response({"error": problem}, status=403)
        if token is not None and not _knows(request, token):
            given = request.query.get("token", "")
            if not hmac.compare_digest(given.encode(), token.encode()):
                text = "Open the address that `artgraph edit` printed: it ends with the token.\n"
                return web.Response(status=401, text=text)
            return _remember(request, token)
        return await handler(request)

    return check


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _foreign(request: web.Request, local_only: bool) -> str | None:
    """What is wrong with where a request comes from, None where nothing is."""
    host = _host_name(request.host)
    if local_only and host not in LOCAL:
        return f"this server answers on this machine only, not as {host!r}"
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return "a page of another site may not ask here"
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        navigates = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if not navigates:
            return "a page of another site may not ask here"
    return None


def _host_name(host: str) -> str:
    """The Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _knows(request: web.Request, token: str) -> bool:
    """Whether the request carries the token, as a cookie or in the Authorization header."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    given = bearer if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
    return hmac.compare_digest(given.encode(), token.encode())


def _remember(request: web.Request, token: str) -> web.Response:
    """Put the token into a cookie and take it out of the address."""
    query = {name: value for name, value in request.query.items() if name != "token"}
    response = web.HTTPFound(request.rel_url.with_query(query))
    response.set_cookie(COOKIE, token, httponly=True, samesite="Strict", max_age=30 * 86_400)
    return response
