"""Every payload is what the stored contract says: a change of one is seen here first, as a diff."""

import difflib
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed

from pmm_tui.api import routes
from pmm_tui.api.faces import NoPicture
from pmm_tui.api.protocol import Request, decode_frame
from pmm_tui.api.schema import asyncapi, openapi
from pmm_tui.core.snapshot import Frame
from pmm_tui.record.files import append_line
from tests.api.contract import COMMAND, STORED, promised
from tests.api.scene import BEARER, asked, by_socket, faults, serving
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard

GETS = [
    *(part.path for part in routes.PARTS), "/api/markets/btc-updown-15m-1795269600", f"/api/markets/{pictures.BTC}",
    "/api/trades?lines=2", "/api/journal?lines=1000", "/openapi.json", "/asyncapi.json", "/grafana.json", "/metrics",
]  # fmt: skip
STATES = {"quoting": pictures.quoting, "waiting": pictures.waiting, "killed": pictures.killed, "three": pictures.three}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    told: dict[str, Any] = msgspec.json.decode(openapi())
    return told


def promise(path: str, status: int, method: str = "get") -> dict[str, Any]:
    """The schema that is promised for an answer."""
    plain = path.partition("?")[0]
    plain = routes.MARKET if plain.startswith("/api/markets/") else plain
    told = document()["paths"][plain][method]["responses"][str(status)]
    told = document()["components"]["responses"][str(status)] if "$ref" in told else told
    schema: dict[str, Any] = told["content"]["application/json"].get("schema", {})
    return schema


def run_folder(tmp_path: Path) -> Path:
    """A run with a journal and trades; their last lines were torn."""
    folder = tmp_path / "a run"
    folder.mkdir()
    for name in ("journal.jsonl", "trades.jsonl"):
        for number in range(5):
            append_line(folder / name, {"seq": number, "event": {"type": "Ticked"}})
        with (folder / name).open("ab") as file:
            file.write(b'{"seq":5,"ev')
    return folder


def test_the_contract_is_the_stored_one() -> None:
    stored, now = STORED.read_text(), promised().decode()
    changed = "\n".join(difflib.unified_diff(stored.splitlines(), now.splitlines(), "stored", "now", lineterm="", n=4))
    assert not changed, f"the api's payloads differ from what is stored; if that is meant, run `{COMMAND}`:\n{changed}"


def test_every_reference_of_the_documents_is_there() -> None:
    for raw in (openapi(("", "/prod")), asyncapi(("", "/prod"))):
        told = msgspec.json.decode(raw)

        def follow(node: Any, whole: Any = told) -> int:
            if isinstance(node, list):
                return sum(follow(one) for one in node)
            if not isinstance(node, dict):
                return 0
            found = 0
            if "$ref" in node:
                target = whole
                for name in node["$ref"].removeprefix("#/").split("/"):
                    target = target[name]
                found = 1
            return found + sum(follow(one) for one in node.values())

        assert follow(told) > 20


@pytest.mark.parametrize("state", STATES)
async def test_every_answer_keeps_the_promise(tmp_path: Path, state: str) -> None:
    board = FakeBoard(STATES[state]())
    async with serving(tmp_path / "s" / "desk.sock", board, folder=run_folder(tmp_path)), by_socket(tmp_path / "s" / "desk.sock") as http:
        for path in GETS:
            answer = await http.get(path)
            slug = path.startswith("/api/markets/") and not board.now.snapshot.markets
            assert answer.status_code == (404 if slug else 200), path
            if path != "/metrics":
                assert faults(answer.json(), promise(path, answer.status_code), document()) == [], path
        described = {path for path, kinds in document()["paths"].items() if "get" in kinds}
        assert described == {path.partition("?")[0] for path in GETS if not path.startswith("/api/markets/")} | {routes.MARKET}


async def test_the_parts_are_those_of_the_picture(tmp_path: Path) -> None:
    path, frame = tmp_path / "s" / "desk.sock", pictures.three()
    async with serving(path, FakeBoard(frame), folder=run_folder(tmp_path)), by_socket(path) as http:
        assert (await http.get("/api/mode")).json()["run"] == frame.card.run
        assert [row["slug"] for row in (await http.get("/api/books")).json()["books"]] == [row.slug for row in frame.snapshot.markets]
        risk = (await http.get("/api/risk")).json()
        assert [one["quote"]["held"] for one in risk["held"]] == ["position cap"] and risk["rejects"] == frame.snapshot.rejects
        assert (await http.get("/api/pnl")).json()["money"]["equity"] == frame.snapshot.money.equity
        assert (await http.get("/api/positions")).json()["positions"][1]["no"] == 500_000_000
        assert [one["id"] for one in (await http.get("/api/orders")).json()["orders"]] == [one.id for one in frame.snapshot.orders]
        fills = (await http.get("/api/fills")).json()
        assert len(fills["fills"]) == len(frame.snapshot.fills) and fills["fill_count"] == frame.snapshot.fill_count
        assert decode_frame((await http.get("/api/state")).content).snapshot.markets == frame.snapshot.markets
        assert [one["seq"] for one in (await http.get("/api/trades", params={"lines": 2})).json()["trades"]] == [3, 4]
        assert [one["seq"] for one in (await http.get("/api/journal")).json()["lines"]] == [0, 1, 2, 3, 4]
        for wrong in ("0", "1001", "-1", "two", "²", "9" * 5000):
            refused = await http.get("/api/journal", params={"lines": wrong})
            assert refused.status_code == 400 and "from 1 to 1000" in refused.json()["error"]
            assert faults(refused.json(), promise("/api/journal", 400), document()) == []


async def test_a_desk_without_records_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s" / "desk.sock"
    async with serving(path), by_socket(path) as http:
        for which in ("trades", "journal"):
            answer = await http.get(f"/api/{which}")
            assert answer.status_code == 404 and answer.json() == {"error": "this desk keeps no records"}
    empty = tmp_path / "empty"
    empty.mkdir()
    async with serving(path, folder=empty), by_socket(path) as http:
        assert (await http.get("/api/trades")).json() == {"trades": []}
        assert (await http.get("/api/journal")).json() == {"error": "no journal.jsonl yet"}


async def test_long_lines_are_read_from_the_end(tmp_path: Path) -> None:
    path, folder = tmp_path / "s" / "desk.sock", tmp_path / "long"
    folder.mkdir()
    for number in range(40):
        append_line(folder / "journal.jsonl", {"seq": number, "text": "x" * 9_000})
    async with serving(path, folder=folder), by_socket(path) as http:
        for lines in (1, 3, 30, 40, 1000):
            got = (await http.get("/api/journal", params={"lines": lines})).json()["lines"]
            assert [one["seq"] for one in got] == list(range(40))[-lines:]


async def test_what_the_socket_says_keeps_the_promise(tmp_path: Path) -> None:
    told = msgspec.json.decode(asyncapi())
    messages = told["components"]["messages"]
    path = tmp_path / "s" / "desk.sock"
    async with serving(path, FakeBoard(pictures.three())), unix_connect(str(path), "ws://desk/ws") as ws:
        assert faults(msgspec.json.decode(await ws.recv()), messages["frame"]["payload"], told) == []
        request = asked("pause")
        assert faults(msgspec.json.decode(request), messages["request"]["payload"], told) == []
        await ws.send(request.decode())
        said = msgspec.json.decode(await ws.recv())
        while "ack" not in said:
            said = msgspec.json.decode(await ws.recv())
        assert faults(said, messages["ack"]["payload"], told) == []
    assert faults({"ack": 1, "ok": True}, messages["ack"]["payload"], told), "the check itself can fail"


async def test_commands_by_post(tmp_path: Path) -> None:
    path, board = tmp_path / "s" / "desk.sock", FakeBoard(pictures.quoting())
    async with serving(path, board), by_socket(path) as http:
        done = await http.post("/api/commands", content=asked("pause", 1, market="m"))
        assert (done.status_code, done.json()) == (200, {"ack": "request-1", "ok": True, "text": "pause: done"})
        again = await http.post("/api/commands", content=asked("pause", 1, market="m"))
        assert again.status_code == 409 and "repeated" in again.json()["text"]
        refused = await http.post("/api/commands", content=asked("speed", 2))
        assert refused.status_code == 409 and refused.json()["text"] == "speed: no tape"
        stale = msgspec.json.encode(replace(msgspec.json.decode(asked("kill", 3), type=Request), sent_ms=1))
        assert "stale" in (await http.post("/api/commands", content=stale)).json()["text"]
        watching = await http.post("/api/commands?ro=1", content=asked("kill", 4))
        assert watching.status_code == 403 and "read-only" in watching.json()["text"]
        for number, query in enumerate(("ro=true", "ro=1&ro=0", "ro=0&ro=1", "ro="), 5):
            assert (await http.post(f"/api/commands?{query}", content=asked("kill", number))).status_code == 403, query
        for body, status in ((b"kill!", 400), (b'{"cmd":"kill"}', 400), (b" " * 70_000, 413)):
            wrong = await http.post("/api/commands", content=body)
            assert wrong.status_code == status and faults(wrong.json(), promise("/api/commands", status, "post"), document()) == []
        assert (await http.post("/api/commands?ro=0", content=asked("ack", 9))).status_code == 200
        assert faults(done.json(), promise("/api/commands", 200, "post"), document()) == []
    assert board.taken == [("pause", {"market": "m"}, "test"), ("speed", {}, "test"), ("ack", {}, "test")]


@pytest.mark.parametrize(("status", "headers"), [(401, {}), (403, BEARER | {"Origin": "null"}), (421, BEARER | {"Host": "x"})])
async def test_who_is_refused_by_tcp_is_told_as_promised(tmp_path: Path, status: int, headers: dict[str, str]) -> None:
    async with serving(tmp_path / "s" / "desk.sock", tcp=True) as api, httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as http:
        for path in GETS:
            refused = await http.get(path, headers=headers)
            assert refused.status_code == status and faults(refused.json(), promise(path, status), document()) == [], path
        refused = await http.post("/api/commands", headers=headers, content=asked("kill"))
        assert refused.status_code == status and faults(refused.json(), promise("/api/commands", status, "post"), document()) == []


class Broken(FakeBoard):
    """A board that has a defect, or is lost."""

    def __init__(self, error: Exception) -> None:
        super().__init__(pictures.quoting())
        self.error = error

    def frame(self) -> Frame:
        """None."""
        raise self.error


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/api/commands", 405), ("POST", "/health", 405)])
async def test_what_is_not_served_is_refused_in_json(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with serving(tmp_path / "s" / "desk.sock"), by_socket(tmp_path / "s" / "desk.sock") as http:
        refused = await http.request(method, path)
        assert refused.status_code == status and list(refused.json()) == ["error"] and (status == 404 or refused.headers["Allow"])


@pytest.mark.parametrize(("error", "status"), [(NoPicture("it is lost"), 503), (RuntimeError("a defect"), 500)])
async def test_a_picture_that_cannot_be_had_is_told_as_promised(tmp_path: Path, error: Exception, status: int) -> None:
    async with serving(tmp_path / "s" / "desk.sock", Broken(error)), by_socket(tmp_path / "s" / "desk.sock") as http:
        for path in ("/health", "/api/state", f"/api/markets/{pictures.BTC}"):
            answer = await http.get(path)
            assert answer.status_code == status and faults(answer.json(), promise(path, status), document()) == [], path


async def test_a_binary_message_is_refused_in_so_many_words(tmp_path: Path) -> None:
    async with serving(tmp_path / "s" / "desk.sock"), unix_connect(str(tmp_path / "s" / "desk.sock"), "ws://desk/ws") as ws:
        await ws.send(asked("kill"))
        with pytest.raises(ConnectionClosed):
            while True:
                await ws.recv()
    assert ws.close_code == 1003 and "binary" in (ws.close_reason or "")
