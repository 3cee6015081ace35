"""OpenAPI and AsyncAPI documents of the api, made from the types that are sent; and the dashboard that comes with the metrics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import pmm_tui
from pmm_tui.api import payloads, routes
from pmm_tui.api.protocol import COMMANDS, TTL_MS, Ack, Push, Request
from pmm_tui.api.records import LINES_MAX
from pmm_tui.core.snapshot import MarketRow

_REF = "#/components/schemas/{name}"
_SCALED = "Prices are ten-thousandths of a dollar, sizes millionths of a share, cash millionths of a dollar, times ns since the epoch."
_UNKNOWN = "A number that is not known is null."
_ANY = {
    "401": "By TCP: no bearer token", "403": "By TCP: this Origin may not ask", "421": "By TCP: this Host is not served",
    "500": "An error of the program",
}  # fmt: skip
"""What any route may answer."""
_ANY_REF = {status: {"$ref": f"#/components/responses/{status}"} for status in _ANY}


def schemas(types: tuple[Any, ...]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """The schema of each type, and the components that they refer to. A float that is not known is sent as null."""
    told, components = msgspec.json.schema_components(types, ref_template=_REF)
    sent = {name: schema if name == Request.__name__ else _nullable(schema) for name, schema in components.items()}
    return told, dict(sorted(sent.items()))


def _nullable(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _nullable(value) for name, value in schema.items()}
    if plain.get("type") == "number":
        plain["type"] = ["number", "null"]
    return plain


def openapi(suffixes: tuple[str, ...] = ("",)) -> bytes:
    """The HTTP routes as an OpenAPI 3.1 document; one set of them for each suffix."""
    _, components = schemas(routes.REPLIES)
    paths: dict[str, Any] = {}
    for suffix in suffixes:
        for part in routes.PARTS:
            paths[part.path + suffix] = {"get": _get(part.about, part.reply)}
        paths[routes.MARKET + suffix] = {"get": _get("One market", MarketRow, _market_named(), {"404": "No such market"})}
        for path, about, reply in (
            (routes.TRADES, "The newest trades, oldest first", payloads.Trades),
            (routes.JOURNAL, "The newest lines of the journal, oldest first", payloads.JournalTail),
        ):
            paths[path + suffix] = {"get": _get(about, reply, _lines_wanted(), {"400": "`lines` cannot be", "404": "There are none"})}
        paths[routes.COMMANDS + suffix] = {"post": _post()}
    text = {"description": "The text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    paths[routes.METRICS] = {"get": {"summary": "Figures for Prometheus", "responses": {"200": text, **_ANY_REF}}}
    for path in (routes.OPENAPI, routes.ASYNCAPI, routes.GRAFANA):
        whole = {"description": "JSON", "content": {routes.JSON: {}}}
        paths[path] = {"get": {"summary": "A document", "responses": {"200": whole, **_ANY_REF}}}
    return _written(
        {
            "openapi": "3.1.0",
            "info": _info(f"{_SCALED} {_UNKNOWN}"),
            "security": [{"token": []}],
            "paths": dict(sorted(paths.items())),
            "components": {
                "schemas": components,
                "responses": _problems(_ANY),
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "By TCP only; none on the Unix socket"}},
            },
        }
    )


def asyncapi(suffixes: tuple[str, ...] = ("",)) -> bytes:
    """The WebSocket as an AsyncAPI 3.0 document."""
    (frame, request, ack), components = schemas((Push, Request, Ack))
    channels, operations = {}, {}
    for suffix in suffixes:
        name = "desk" + suffix.replace("/", "-")
        channels[name] = {
            "address": routes.SOCKET + suffix,
            "messages": {one: {"$ref": f"#/components/messages/{one}"} for one in ("frame", "request", "ack")},
            "bindings": {"ws": {"query": _face_query()}},
        }
        for one, action in (("frame", "send"), ("ack", "send"), ("request", "receive")):
            operations[f"{name}-{one}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{one}"}],
            }
    return _written(
        {
            "asyncapi": "3.0.0",
            "info": _info(f"The newest frame is sent at most ten times a second, older ones are dropped. {_SCALED} {_UNKNOWN}"),
            "channels": channels,
            "operations": operations,
            "components": {
                "messages": {
                    "frame": {"summary": "The newest picture", "payload": frame},
                    "request": {"summary": f"A command; cmd is one of {', '.join(COMMANDS)}", "payload": request},
                    "ack": {"summary": "The answer to the request of that id", "payload": ack},
                },
                "schemas": components,
            },
        }
    )


def dashboard() -> bytes:
    """The Grafana dashboard for the metrics."""
    return (Path(__file__).parent / "grafana.json").read_bytes()


def alerts() -> bytes:
    """The rules that make Prometheus call a person."""
    return (Path(__file__).parent / "alerts.yml").read_bytes()


def _info(about: str) -> dict[str, str]:
    return {"title": "pmm-tui", "version": pmm_tui.__version__, "description": about}


def _get(
    about: str, reply: type[Struct], parameters: list[dict[str, Any]] | None = None, problems: Mapping[str, str] | None = None
) -> dict[str, Any]:
    responses = {"200": _content("As asked", reply), **_problems({**(problems or {}), "503": "The desk is lost"}), **_ANY_REF}
    return {"summary": about, "responses": responses, **({"parameters": parameters} if parameters else {})}


def _problems(why: Mapping[str, str]) -> dict[str, Any]:
    return {status: _content(about, payloads.Problem) for status, about in why.items()}


def _post() -> dict[str, Any]:
    return {
        "summary": f"One command, fresh (sent at most {TTL_MS} ms ago) and once; cmd is one of {', '.join(COMMANDS)}",
        "parameters": [_query("ro", {"type": "string", "enum": ["0", "1"]}, "Anything but 0: refuse every command")],
        "requestBody": {"required": True, "content": {routes.JSON: {"schema": _ref(Request)}}},
        "responses": {
            "200": _content("Done", Ack),
            **_problems({"400": "Not a request", "413": "Too long"}),
            **_ANY_REF,
            "403": _content(f"Read-only; {_ANY['403']}", Ack, payloads.Problem),
            "409": _content("Refused, stale or repeated", Ack),
        },
    }


def _market_named() -> list[dict[str, Any]]:
    about = "A condition id or a slug"
    return [{"name": "market", "in": "path", "required": True, "schema": {"type": "string"}, "description": about}]


def _lines_wanted() -> list[dict[str, Any]]:
    bounds = {"type": "integer", "minimum": 1, "maximum": LINES_MAX, "default": routes.LINES}
    return [_query("lines", bounds, "How many lines")]


def _face_query() -> dict[str, Any]:
    flag = {"type": "string", "enum": ["0", "1"]}
    return {
        "type": "object",
        "properties": {
            "ro": {**flag, "description": "anything but 0: this face's commands are refused"},
            "ui": {**flag, "description": "1: an operator's console, whose loss the profile's on_ui_lost speaks of"},
        },
    }


def _query(name: str, schema: dict[str, Any], about: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": about}


def _content(about: str, *kinds: type[Struct]) -> dict[str, Any]:
    schemas = [_ref(kind) for kind in kinds]
    return {"description": about, "content": {routes.JSON: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}}


def _ref(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _written(document: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
