"""Who may come in by TCP: a bearer token, and a Host and an Origin of this machine, as a web page of anybody's can reach 127.0.0.1 too."""

import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from pmm_tui.api.payloads import Problem
from pmm_tui.record.files import open_private, write_all

TOKEN_CHARS_MIN = 24
TOKEN_BYTES_MAX = 4_096
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class TokenRefused(ValueError):
    """A token file that cannot be used; the text says why, and never what is in it."""


class Token:
    """A bearer token. It is compared in a time that tells nothing, and never shown."""

    __slots__ = ("_raw",)

    def __init__(self, text: str) -> None:
        self._raw = text.encode()

    def __repr__(self) -> str:
        return "Token(…)"

    def fits(self, header: str) -> bool:
        """Whether an Authorization header carries it."""
        scheme, _, given = header.partition(" ")
        return hmac.compare_digest(given.strip().encode(), self._raw) and scheme.lower() == "bearer"


def read_token(path: Path, make: bool) -> Token:
    """The token in a private file of ours; with `make` one is made where the file is not there. TokenRefused, or OSError."""
    if make and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return read_token(path, False)  # another desk was faster
        try:
            write_all(fd, secrets.token_urlsafe(32).encode() + b"\n")
        finally:
            os.close(fd)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        facts = os.fstat(fd)
        raw = os.read(fd, TOKEN_BYTES_MAX + 1)
    finally:
        os.close(fd)
    if facts.st_uid not in (os.getuid(), 0) or stat.S_IMODE(facts.st_mode) & 0o077:
        raise TokenRefused(f"api_token_file: {path} can be read by others; mend it with chmod 600")
    text = raw.decode("ascii", errors="replace").strip()
    if not TOKEN_CHARS_MIN <= len(text) <= TOKEN_BYTES_MAX or not text.isascii() or not text.isprintable() or " " in text:
        raise TokenRefused(f"api_token_file: {path} holds no token: one line of {TOKEN_CHARS_MIN} printable characters or more")
    return Token(text)


class Gate:
    """ASGI: lets in everything that came by the Unix socket, whose file is its owner's alone; by TCP only what proves itself."""

    def __init__(self, app: ASGIApp, token: Token | None) -> None:
        """Without a token nothing comes in by TCP."""
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or refuse it."""
        if scope["type"] in ("http", "websocket") and not _is_unix(scope):
            answer = self._refusal(Headers(scope=scope))
            if answer is not None:
                if scope["type"] == "websocket":
                    await WebSocket(scope, receive, send).send_denial_response(answer)
                else:
                    await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if _host_of(f"//{host}") not in _LOOPBACK:
            return refused(421, "this Host is not served here")
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) not in _LOOPBACK:
            return refused(403, "pages of this Origin may not ask here")
        if self._token is None or not self._token.fits(headers.get("authorization", "")):
            return refused(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})
        return None


def refused(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that ends the connection: its place is not for who is not let in."""
    return problem(status, why, {"Connection": "close", **(headers or {})})


def problem(status: int, why: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says why there is none."""
    return Response(msgspec.json.encode(Problem(why)), status, headers, "application/json")


def _is_unix(scope: Scope) -> bool:
    """uvicorn knows no port of a Unix socket."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
