"""A real desk whose profile opens the port: what it really says keeps the contract, its records included."""

import asyncio
import socket
from itertools import pairwise

import httpx
import msgspec
import pytest

from pmm_tui.api import routes
from pmm_tui.api.schema import openapi
from pmm_tui.runtime.places import token_path
from pmm_tui.runtime.profile import load
from pmm_tui.runtime.run import Options, Run
from tests.api.scene import faults, until
from tests.runtime.scene import PROFILE, Home, running

SLOW = PROFILE.replace("speed: max", "speed: 300") + "markets: btc-updown-15m-1790586000\n"


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_real_desk_keeps_the_contract_over_tcp(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    port, document = free_port(), msgspec.json.decode(openapi())
    async with running(home, home.profile(SLOW + f"api_port: {port}\n")) as (run, _):
        token = token_path("").read_text().strip()
        assert token_path("").is_relative_to(home.folder)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}) as http:
            await until(lambda: run.desk.engine.state.portfolio.fill_count > 2)
            for path, kinds in document["paths"].items():
                if "get" not in kinds or path == routes.METRICS:
                    continue
                answer = await http.get(path.replace("{market}", "btc-updown-15m-1790586000"))
                schema = kinds["get"]["responses"]["200"]["content"]["application/json"].get("schema", {})
                assert answer.status_code == 200 and faults(answer.json(), schema, document) == [], path
            lines = (await http.get("/api/journal")).json()["lines"]
            assert len(lines) > 50 and all(later["seq"] == earlier["seq"] + 1 for earlier, later in pairwise(lines))
            trades = (await http.get("/api/trades")).json()["trades"]
            assert len(trades) >= 3 and trades[0]["status"] == "MATCHED"
            metrics = (await http.get("/metrics")).text
            assert f'pmm_up{{run="{run.name}",profile="small",mode="PAPER"}} 1' in metrics
            assert (await http.get("/health", headers={"Authorization": "Bearer " + "x" * 43})).status_code == 401
        assert token not in (run.folder / "run.log").read_text() and token not in (run.folder / "journal.jsonl").read_text()


async def test_a_desk_whose_port_is_taken_does_not_start(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = await asyncio.to_thread(home.call, "--profile", home.profile(SLOW + f"api_port: {port}\n"), "--no-ui", "--logs", home.logs)
    assert done.returncode == 2 and f"api_port: port {port} of 127.0.0.1 cannot be had" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_desk_whose_token_others_can_read_does_not_start(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.enter(monkeypatch)
    loose = home.folder / "token"
    loose.write_text("a-token-of-thirty-two-characters")
    loose.chmod(0o644)
    profile = home.profile(SLOW + f"api_port: 1\napi_token_file: {loose}\n")
    with pytest.raises(ValueError, match=r"api_token_file: .*chmod 600"):
        Run(load(profile), Options(profile, logs=home.logs), False)
    assert not home.logs.exists(), "nothing of the run was made"
