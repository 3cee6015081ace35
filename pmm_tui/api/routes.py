"""The HTTP routes of a desk's window: one table that makes the routes and their description."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from pmm_tui.api import payloads
from pmm_tui.api.faces import Faces, NoPicture, read_only
from pmm_tui.api.gate import problem
from pmm_tui.api.payloads import encode
from pmm_tui.api.protocol import MESSAGE_BYTES_MAX, Ack, Request, encode_frame
from pmm_tui.api.records import LINES_MAX, NoRecords, Records
from pmm_tui.core.snapshot import DeskCard, Frame, MarketRow

JSON = "application/json"
LINES = 100
Answer = Callable[[HttpRequest], Awaitable[Response]]


class Misasked(Exception):
    """A parameter that cannot be; the text says what can."""


class Told(Struct, frozen=True):
    """One route that tells a part of the picture."""

    path: str
    about: str
    reply: type[Struct]
    read: Callable[[Frame], Struct]


PARTS: tuple[Told, ...] = (
    Told("/health", "Whether the desk is well, and who it is", payloads.Health, payloads.health),
    Told("/api/mode", "Which run, profile, mode and account this is", DeskCard, lambda frame: frame.card),
    Told("/api/state", "The whole picture: the card and the snapshot", Frame, lambda frame: frame),
    Told("/api/feeds", "The connections, and how far each book can be believed", payloads.Feeds, payloads.feeds),
    Told("/api/markets", "Every market with all that is known of it", payloads.Markets, payloads.markets),
    Told("/api/books", "The books", payloads.Books, payloads.books),
    Told("/api/quotes", "The quotes and what they were computed from", payloads.Quotes, payloads.quotes),
    Told("/api/orders", "The orders that are not done", payloads.Orders, payloads.orders),
    Told("/api/fills", "The newest fills", payloads.Fills, payloads.fills),
    Told("/api/positions", "What is held of each market", payloads.Positions, payloads.positions),
    Told("/api/risk", "Guards, caps, the kill switch, held quotes and rejects", payloads.Risk, payloads.risk),
    Told("/api/pnl", "The account and its equity over time", payloads.Pnl, payloads.pnl),
)
MARKET = "/api/markets/{market}"
TRADES = "/api/trades"
JOURNAL = "/api/journal"
COMMANDS = "/api/commands"
SOCKET = "/ws"
METRICS = "/metrics"
OPENAPI = "/openapi.json"
ASYNCAPI = "/asyncapi.json"
GRAFANA = "/grafana.json"


def desk_routes(faces: Faces, records: Callable[[], Records], suffix: str = "") -> list[BaseRoute]:
    """The routes of one desk, each path ending in `suffix`."""

    async def market(request: HttpRequest) -> Response:
        named = request.path_params["market"]
        for row in faces.board.frame().snapshot.markets:
            if named in (row.id, row.slug):
                return told(row)
        return problem(404, "no such market")

    async def trades(request: HttpRequest) -> Response:
        return Response(await records().trades(_lines(request)), media_type=JSON)

    async def journal(request: HttpRequest) -> Response:
        return Response(await records().journal(_lines(request)), media_type=JSON)

    async def command(request: HttpRequest) -> Response:
        return await _command(faces, request)

    return [
        *(Route(part.path + suffix, _part(faces, part)) for part in PARTS),
        Route(MARKET + suffix, market),
        Route(TRADES + suffix, trades),
        Route(JOURNAL + suffix, journal),
        Route(COMMANDS + suffix, command, methods=["POST"]),
        WebSocketRoute(SOCKET + suffix, faces.face),
    ]


def document(path: str, make: Callable[[], bytes]) -> Route:
    """A route whose answer never changes; made when it is first asked for, in a thread, as the desk has better to do."""
    made: list[bytes] = []

    async def answer(_: HttpRequest) -> Response:
        if not made:
            made.append(await asyncio.to_thread(make))
        return Response(made[0], media_type=JSON)

    return Route(path, answer)


def told(reply: Struct) -> Response:
    """As JSON."""
    return Response(encode(reply), media_type=JSON)


async def unheard(_: HttpRequest, error: Exception) -> Response:
    """The answer where there is no picture or no record."""
    return problem(503 if isinstance(error, NoPicture) else 404, str(error))


async def misasked(_: HttpRequest, error: Exception) -> Response:
    """The answer to a parameter that cannot be."""
    return problem(400, str(error))


async def unserved(_: HttpRequest, error: Exception) -> Response:
    """The answer to a path or a method that is not served."""
    return problem(error.status_code, error.detail, error.headers) if isinstance(error, HTTPException) else await broken(_, error)


async def broken(_: HttpRequest, __: Exception) -> Response:
    """The answer where the program itself failed."""
    return problem(500, "an error of the program; it is in run.log")


EXCEPTIONS: dict[Any, Any] = {NoPicture: unheard, NoRecords: unheard, Misasked: misasked, HTTPException: unserved, Exception: broken}


def _part(faces: Faces, part: Told) -> Answer:
    async def answer(_: HttpRequest) -> Response:
        reply = part.read(faces.board.frame())
        return Response(encode_frame(reply), media_type=JSON) if isinstance(reply, Frame) else told(reply)

    return answer


def _lines(request: HttpRequest) -> int:
    text = request.query_params.get("lines", str(LINES))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LINES_MAX:
        raise Misasked(f"lines: a whole number from 1 to {LINES_MAX}")
    return int(text)


async def _command(faces: Faces, request: HttpRequest) -> Response:
    """200: done; 409: refused by the desk, or stale, or repeated; 403: read-only; 400 and 413: no request at all."""
    raw = bytearray()
    try:
        async for part in request.stream():
            raw += part
            if len(raw) > MESSAGE_BYTES_MAX:
                return problem(413, f"a command has at most {MESSAGE_BYTES_MAX} bytes")
    except ClientDisconnect:
        return problem(400, "the request was not finished")
    try:
        asked = msgspec.json.decode(raw, type=Request)
    except msgspec.MsgspecError as error:
        return problem(400, f"not a request: {error}")
    watching = read_only(request.query_params)
    ack = await faces.ask(asked, watching)
    status = 200 if ack.ok else 403 if watching else 409
    return Response(msgspec.json.encode(ack), status, media_type=JSON)


REPLIES: tuple[type[Struct], ...] = (
    *(part.reply for part in PARTS), MarketRow, payloads.Trades, payloads.JournalTail, payloads.Problem, Request, Ack
)  # fmt: skip
