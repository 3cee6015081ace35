"""HTTP/1.1 to the CLOB over sockets of our own: until its bytes leave, a request costs a third to a tenth of what general clients take.

An order answers a book, and what lies between is measured in tenths of a millisecond, on caches that a waiting desk has lost: it is the
amount of code on the way that counts. So a request is put together here, in one piece, and answers are read by the parser of Node.js.
Nothing is merged, followed, traced or decoded. Where the environment asks for a proxy, httpx serves as it is.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, cast
from urllib.request import getproxies, proxy_bypass

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

IDLE_S = 55.0
"""A connection is kept this long unused: below the minute after which balancers drop theirs."""
ANSWER_MAX = 32 * 2**20
"""Bytes of an answer, its head included."""
_REPEATED = frozenset({"GET", "DELETE"})
"""Asked once more where a kept connection turns out to be gone: asking twice is asking once."""
_FINAL = 200


class _Answer:
    """What a server said, as far as it came."""

    __slots__ = ("body", "headers", "status")

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []


class _Line(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self) -> None:
        self.used_at = 0.0
        """When its last answer was whole, by the loop's clock; 0 before the first."""
        self.heard = False
        """Something came since the last request."""
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._told = _Answer()
        self._size = 0
        """Bytes since the last request."""
        self._waiting: asyncio.Future[_Answer] | None = None

    @property
    def open(self) -> bool:
        """Whether a request may be sent."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, message: bytes, patience_s: float | None) -> _Answer:
        """Send, and read the answer whole; an httpx.TransportError otherwise. Whoever stops waiting for it ends the connection."""
        if self._transport is None or self._transport.is_closing():
            raise httpx.WriteError("the connection is closed")
        loop = asyncio.get_running_loop()
        self._told, self._size, self.heard = _Answer(), 0, False
        self._waiting = loop.create_future()
        self._transport.write(message)
        late = loop.call_later(patience_s, self._late) if patience_s is not None else None
        try:
            return await self._waiting
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiting = None
            if late is not None:
                late.cancel()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        self.heard = True
        if self._waiting is None or self._waiting.done():
            self.abort()  # nobody asked
            return
        self._size += len(data)
        if self._size > ANSWER_MAX:
            self._fail(httpx.RemoteProtocolError(f"an answer of more than {ANSWER_MAX} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as odd:
            self._fail(httpx.RemoteProtocolError(f"no HTTP: {odd}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        told = {name.lower() for name, _ in self._told.headers}
        if exc is None and self._told.status >= _FINAL and not told & {b"content-length", b"transfer-encoding"}:
            self.on_message_complete()  # an answer of no stated length ends with its connection
        lost = httpx.ReadError("the connection broke") if exc else httpx.RemoteProtocolError("the server hung up")
        lost.__cause__ = exc
        self._fail(lost)

    def on_message_begin(self) -> None:
        """The parser's."""
        if self._waiting is None or self._waiting.done():
            self.abort()  # a second answer behind the first
            self._told = _Answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's."""
        self._told.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser's."""
        self._told.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """The parser's."""
        self._told.body.append(data)

    def on_message_complete(self) -> None:
        """The parser's: also after each answer that only announces another."""
        if self._told.status < _FINAL:
            self._told = _Answer()
        elif self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._told)
            self.used_at = asyncio.get_running_loop().time()
            if not self._parser.should_keep_alive():
                self.abort()

    def _late(self) -> None:
        self._fail(httpx.ReadTimeout("no answer in time"))

    def _fail(self, why: httpx.TransportError) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(why)
        self.abort()


class OneHost(httpx.AsyncClient):
    """A client of one host, of which only `request` and `aclose` are used: at most so many connections, each kept while it is used.

    Redirects are not followed: a redirected POST would be an order sent who knows where.
    """

    def __init__(self, url: str, timeout: httpx.Timeout, connections: int) -> None:
        super().__init__(base_url=url, timeout=timeout, transport=httpx.AsyncBaseTransport(), trust_env=False)
        at = self.base_url
        self._host, self._port = at.host, at.port or {"http": 80, "https": 443}[at.scheme]
        self._tls: ssl.SSLContext | None = None
        if at.scheme == "https":
            self._tls = httpx.create_ssl_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        self._root = at.path.rstrip("/")
        self._always = f"Host: {at.netloc.decode('ascii')}\nAccept: application/json\nAccept-Encoding: identity\nUser-Agent: pmm-tui\n"
        self._cookie = ""
        self._room = asyncio.Semaphore(connections)
        self._idle: list[_Line] = []
        self._lines: set[_Line] = set()

    async def request(  # type: ignore[override] # of all that httpx takes, what the SDK's transport hands over
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: object = None,
    ) -> httpx.Response:
        """Ask; the answer is read whole. The patience is the client's own, whatever is asked for."""
        target = f"{self._root}{url}?{httpx.QueryParams(params)}" if params else self._root + url
        answer = await self._ask(method, self._message(f"{method} {target} HTTP/1.1\n", headers or {}, content))
        response = httpx.Response(answer.status, headers=answer.headers, content=b"".join(answer.body))
        if not response.is_success or "set-cookie" in response.headers or "json" not in response.headers.get("content-type", ""):
            response.request = httpx.Request(method, self.base_url.join(target))
            self._remember(response)
        return response

    async def aclose(self) -> None:
        """Let go of the connections."""
        await super().aclose()
        for line in self._lines:
            line.abort()

    def _remember(self, response: httpx.Response) -> None:
        """Cookies are the edge's way to know a client again."""
        self.cookies.extract_cookies(response)
        asking = httpx.Request("GET", response.request.url)
        self.cookies.set_cookie_header(asking)
        told = asking.headers.get("cookie", "")
        self._cookie = f"Cookie: {told}\n" if told else ""

    def _message(self, first: str, headers: Mapping[str, str], content: bytes | None) -> bytes:
        """A request; ValueError where a line of its head would be two."""
        own = "".join([f"{name}: {value}\n" for name, value in headers.items()])
        length = "" if content is None and first.startswith("GET ") else f"Content-Length: {len(content or b'')}\n"
        head = f"{first}{self._always}{self._cookie}{own}{length}\n"
        if first.count("\n") + own.count("\n") != 1 + len(headers) or "\r" in head or "\0" in head:
            raise ValueError("a line break in the head of a request")
        return head.replace("\n", "\r\n").encode("latin-1") + (content or b"")

    async def _ask(self, method: str, message: bytes) -> _Answer:
        patience = self.timeout
        async with self._room:
            while True:
                line = self._kept() or await self._connected(patience.connect)
                known = bool(line.used_at)
                try:
                    answer = await line.ask(message, patience.read)
                except httpx.TransportError as failed:
                    if known and not line.heard and method in _REPEATED and not isinstance(failed, httpx.TimeoutException):
                        continue
                    raise
                finally:
                    self._lines.discard(line)
                if line.open:
                    self._lines.add(line)
                    self._idle.append(line)
                return answer

    def _kept(self) -> _Line | None:
        """The connection that was used last, where it is still good."""
        fresh = asyncio.get_running_loop().time() - IDLE_S
        while self._idle:
            line = self._idle.pop()
            if line.open and line.used_at > fresh:
                return line
            self._lines.discard(line)
            line.abort()
        return None

    async def _connected(self, patience_s: float | None) -> _Line:
        if self.is_closed:
            raise RuntimeError("the client is closed")
        try:
            async with asyncio.timeout(patience_s):
                loop = asyncio.get_running_loop()
                _, line = await loop.create_connection(_Line, self._host, self._port, ssl=self._tls, happy_eyeballs_delay=0.25)
        except TimeoutError as late:
            raise httpx.ConnectTimeout("no connection in time") from late
        except OSError as failed:
            raise httpx.ConnectError(str(failed)) from failed
        self._lines.add(line)
        return line


def client(url: str, timeout: httpx.Timeout, connections: int) -> httpx.AsyncClient:
    """A client for the CLOB, through the proxy of the environment where there is one. Redirects are not followed."""
    host = httpx.URL(url)
    if not proxy_bypass(host.host) and host.scheme in getproxies():
        headers = {"accept": "application/json", "user-agent": "pmm-tui"}
        limits = httpx.Limits(max_connections=connections, keepalive_expiry=IDLE_S)
        return httpx.AsyncClient(base_url=url, timeout=timeout, limits=limits, headers=headers)
    return OneHost(url, timeout, connections)
