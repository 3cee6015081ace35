"""The real api on a real socket for these tests, and a JSON Schema check of what it answers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from pmm_tui.api.gate import Token
from pmm_tui.api.protocol import Ack, Request, read_message
from pmm_tui.api.server import Api, Door
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard

SECRET = "a-token-of-thirty-two-characters"
BEARER = {"Authorization": f"Bearer {SECRET}"}
PATIENCE_S = 20.0


async def until(met: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(path: Path, board: FakeBoard | None = None, *, tcp: bool = False, **more: Any) -> AsyncIterator[Api]:
    """The api of a desk; `tcp`: on a free port too. The server's clock stands at the pictures' NOW."""
    door = Door(0, Token(SECRET)) if tcp else None
    how: dict[str, Any] = {"clock": lambda: pictures.NOW, "hz": 50.0, "door": door} | more
    api = Api(board or FakeBoard(pictures.quoting()), path, **how)
    task = asyncio.create_task(api.serve())
    try:
        await until(lambda: api.listening or task.done())
        yield api
    finally:
        api.stop()
        await task


def by_socket(path: Path) -> httpx.AsyncClient:
    """HTTP over a Unix socket."""
    return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://desk", timeout=PATIENCE_S)


def asked(cmd: str, number: int = 1, **args: str | int | float | bool) -> bytes:
    """A fresh request."""
    return msgspec.json.encode(Request(f"request-{number}", cmd, args, "test", sent_ms=pictures.NOW // 1_000_000))


async def answer(ws: Any, request: bytes) -> Ack:
    """Send a request over a WebSocket and read on to its answer."""
    await ws.send(request.decode())
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = read_message(await ws.recv())
            if isinstance(message, Ack):
                return message


_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "null": (type(None),),
}  # fmt: skip


def faults(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> list[str]:
    """Where a value is not what a JSON Schema says; the part of the standard that msgspec writes."""
    if "$ref" in schema:
        target: Any = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return faults(value, target, document, at)
    if "anyOf" in schema:
        tried = [faults(value, one, document, at) for one in schema["anyOf"]]
        return [] if any(not one for one in tried) else [f"{at}: none of {len(tried)} kinds: {tried[0][:1]}"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{at}: {value!r} is none of {schema['enum']}"]
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", list(_KINDS))
    allowed = tuple(kind for name in kinds for kind in _KINDS[name])
    if not isinstance(value, allowed) or (isinstance(value, bool) and "boolean" not in kinds):
        return [f"{at}: {value!r} is no {kinds}"]
    found: list[str] = []
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", not schema.get("properties"))
        found += [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, one in value.items():
            if name in properties:
                found += faults(one, properties[name], document, f"{at}.{name}")
            elif isinstance(rest, dict):
                found += faults(one, rest, document, f"{at}.{name}")
            elif not rest:
                found.append(f"{at}: {name} is not described")
    elif isinstance(value, list):
        first = schema.get("prefixItems", [])
        items = schema.get("items", {})
        for number, one in enumerate(value):
            kind = first[number] if number < len(first) else items
            found += [f"{at}: one too many"] if kind is False else faults(one, kind or {}, document, f"{at}[{number}]")
    return found
