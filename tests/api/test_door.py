"""By TCP comes in only who has the token and asks for this machine by its name; the Unix socket is its owner's."""

import stat
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pmm_tui.api.gate import Token, TokenRefused, read_token
from pmm_tui.api.protocol import COMMANDS
from pmm_tui.api.server import Api, Door, SocketTaken
from tests.api.scene import BEARER, SECRET, answer, asked, by_socket, serving
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard

WRONG = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": SECRET},
    {"Authorization": f"Basic {SECRET}"},
    {"Authorization": f"Bearer {SECRET}x"},
    {"Authorization": f"Bearer {SECRET[:-1]}"},
    {"Authorization": f"Bearer {SECRET.upper()}"},
]
STRANGE = [
    ({"Host": "evil.example"}, 421),
    ({"Host": "127.0.0.1.evil.example:80"}, 421),
    ({"Host": "localhost@evil.example"}, 421),
    ({"Host": "[::1"}, 421),
    ({"Host": "10.0.0.1"}, 421),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://localhost.evil.example"}, 403),
]
FINE = [{}, {"Host": "localhost:9999"}, {"Host": "[::1]:80"}, {"Origin": "http://127.0.0.1:3000"}, {"Origin": "http://localhost"}]


async def test_every_route_needs_the_token_and_the_socket_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "s" / "desk.sock"
    async with serving(path, tcp=True) as api, httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as http, by_socket(path) as own:
        for route in ("/health", "/api/state", "/metrics", "/openapi.json", "/nothing"):
            bare = await http.get(route)
            assert bare.status_code == 401 and bare.headers["WWW-Authenticate"] == "Bearer"
            assert (await own.get(route)).status_code == (await http.get(route, headers=BEARER)).status_code
        for headers in WRONG:
            assert (await http.get("/api/state", headers=headers)).status_code == 401, headers
            assert (await http.post("/api/commands", headers=headers, content=asked("resume"))).status_code == 401
        for strange, status in STRANGE:
            assert (await http.get("/api/state", headers=BEARER | strange)).status_code == status, strange
        for fine in FINE:
            assert (await http.get("/api/state", headers=BEARER | fine)).status_code == 200, fine
        assert (await http.get("/health", headers={"Authorization": f"bEaReR {SECRET}"})).status_code == 200
    assert api.port == 0


async def test_a_web_socket_by_tcp(tmp_path: Path) -> None:
    board = FakeBoard(pictures.quoting())
    async with serving(tmp_path / "s" / "desk.sock", board, tcp=True) as api:
        uri = f"ws://127.0.0.1:{api.port}/ws"
        for headers in WRONG:
            with pytest.raises(InvalidStatus) as refused:
                await connect(uri, additional_headers=headers)
            assert refused.value.response.status_code == 401
        for strange, status in STRANGE:
            if "Origin" in strange:
                with pytest.raises(InvalidStatus) as refused:
                    await connect(uri, additional_headers=BEARER | strange)
                assert refused.value.response.status_code == status
        async with connect(uri, additional_headers=BEARER) as ws:
            assert (await answer(ws, asked("pause", 1))).ok
        async with connect(uri + "?ro=1", additional_headers=BEARER) as ws:
            for number, cmd in enumerate(COMMANDS, 10):
                said = await answer(ws, asked(cmd, number))
                assert not said.ok and said.text == "this connection is read-only"
        for query in ("?ro=1&ui=1", "?ui=1"):
            async with connect(uri + query, additional_headers=BEARER) as ws:
                await ws.recv()
                assert api.consoles == (query == "?ui=1"), "who may do nothing is no operator"
    assert [cmd for cmd, _, _ in board.taken] == ["pause"]


async def test_without_a_door_there_is_no_port_and_a_taken_one_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path / "s" / "one.sock") as plain:
        assert plain.port == 0
    async with serving(tmp_path / "s" / "one.sock", tcp=True) as first:
        second = Api(FakeBoard(pictures.quoting()), tmp_path / "s" / "two.sock", door=Door(first.port, Token(SECRET)))
        with pytest.raises(SocketTaken, match=f"port {first.port} of 127.0.0.1 cannot be had"):
            await second.serve()
    assert not (tmp_path / "s" / "two.sock").exists(), "what did not start leaves nothing behind"


def test_a_token_is_made_once_kept_private_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "config" / "api.token"
    with pytest.raises(FileNotFoundError):
        read_token(path, make=False)
    made = read_token(path, make=True)
    text = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(text) >= 43
    assert read_token(path, make=True).fits(f"Bearer {text}") and made.fits(f"Bearer {text}")
    assert text not in repr(made) and text not in str(made)


NO_TOKENS = ["", "short", "x" * 23, "a token with spaces, long enough", "né" * 20, "x" * 5_000, "two-lines-of-a-token\nsecond-line-of-it"]


@pytest.mark.parametrize("text", NO_TOKENS)
def test_what_is_no_token_is_refused_without_being_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(TokenRefused, match="holds no token") as refused:
        read_token(path, make=True)
    assert not text or text not in str(refused.value)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(SECRET)
    for mode in (0o644, 0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(TokenRefused, match="chmod 600"):
            read_token(path, make=True)
    path.chmod(0o400)
    assert read_token(path, make=True).fits(f"Bearer {SECRET}")
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        read_token(tmp_path / "link", make=False)
