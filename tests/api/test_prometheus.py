"""A real Prometheus scrapes a real desk: its linter has nothing to say, and every query of the dashboard gets an answer from it."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from pmm_tui.api.schema import alerts, dashboard
from pmm_tui.runtime.places import token_path
from tests.api.test_metrics import expressions
from tests.api.test_real_desk import free_port
from tests.runtime.scene import PATIENCE_S, PROFILE, Home, running, until

NEEDED = ("prometheus", "promtool")
CONFIG = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: desk
    authorization: {{credentials_file: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
PLAYED = PROFILE.replace("speed: max", "speed: 300") + "placement_latency_ms: 2000\n"
"""Orders are under way for so long that some cross the book when they arrive, and are refused."""
pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in NEEDED), reason="prometheus and promtool are not there: Debian's package prometheus"
)
RULES = Path(__file__).with_name("alerts_test.yml")
Sample = dict[str, Any]


def checked(*words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """promtool, to its end."""
    return subprocess.run(["promtool", *map(str, words)], input=given, capture_output=True, timeout=PATIENCE_S, check=False)


@asynccontextmanager
async def prometheus(folder: Path, port: int, token: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus of its own on a free port, which scrapes the desk's port five times a second; a client of its api."""
    config, own = folder / "prometheus.yml", free_port()
    config.write_text(CONFIG.format(token=token, port=port))
    assert checked("check", "config", config).returncode == 0
    words = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{own}")
    with (folder / "prometheus.log").open("wb") as log:
        server = await asyncio.create_subprocess_exec("prometheus", *words, stdout=log, stderr=log)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}/api/v1", timeout=PATIENCE_S) as http:
            async with asyncio.timeout(PATIENCE_S):
                while not await _ready(http):
                    assert server.returncode is None, (folder / "prometheus.log").read_text()
                    await asyncio.sleep(0.05)
            yield http
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


async def _ready(http: httpx.AsyncClient) -> bool:
    try:
        return bool((await http.get("/query", params={"query": "up == 1"})).json()["data"]["result"])
    except (httpx.TransportError, ValueError, KeyError):
        return False


async def found(http: httpx.AsyncClient, query: str) -> list[Sample]:
    """What Prometheus answers to a query; an assertion where it does not understand it."""
    answer = await http.get("/query", params={"query": query})
    assert answer.status_code == 200, f"{query}: {answer.text}"
    return list(answer.json()["data"]["result"])


async def variables(http: httpx.AsyncClient, board: dict[str, Any]) -> dict[str, str]:
    """The template variables with all their values, as the dashboard's program asks for them and writes them into a query."""
    values: dict[str, str] = {}
    for one in board["templating"]["list"]:
        if one["type"] == "query":
            told = re.fullmatch(r"label_values\((\w+), (\w+)\)", one["query"]["query"])
            assert told is not None and one["refresh"] and one["multi"] and one["includeAll"]
            answer = await http.get(f"/label/{told[2]}/values", params={"match[]": told[1]})
            names = answer.json()["data"]
            assert names, f"{one['name']} has no values"
            values[one["name"]] = f"({'|'.join(map(re.escape, names))})"
    return values


def filled(query: str, values: dict[str, str]) -> str:
    """The query with its variables replaced; none is left."""
    for name, value in values.items():
        query = query.replace(f"${name}", value)
    assert "$" not in query, query
    return query


def silent(query: str, exposed: str) -> bool:
    """Whether a query may rightly find nothing: a tape is no connection, no order was refused yet, no guard holds anything."""
    for name in ("pmm_feed_up", "pmm_rejects_total"):
        if name in query:
            return f"\n{name}{{" not in exposed
    return query.startswith("pmm_risk_holding{") and re.search(r"\npmm_risk_holding\{.*\} 1\n", exposed) is None


@asynccontextmanager
async def scraped(home: Home, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A desk on the demo's tape that has filled and was refused, and the Prometheus that scrapes it."""
    home.enter(patch)
    port = free_port()
    profile = home.profile(PLAYED + f"api_port: {port}\n")
    async with running(home, profile) as (run, _):
        token = token_path("")
        await until(token.is_file)
        bearer = {"Authorization": f"Bearer {token.read_text().strip()}"}
        asking = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=bearer)
        async with asking as desk, prometheus(home.folder, port, token) as http:
            await until(lambda: run.desk.engine.state.portfolio.fill_count > 0)
            yield desk, http


def test_the_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    rules, cases = tmp_path / "alerts.yml", tmp_path / "cases.yml"
    rules.write_bytes(alerts())
    cases.write_text(RULES.read_text().replace("RULES", str(rules)))
    assert checked("check", "rules", rules).returncode == 0
    tried = checked("test", "rules", cases)
    assert tried.returncode == 0, tried.stderr.decode()
    named = set(re.findall(r"alert: (\w+)", rules.read_text()))
    assert named == set(re.findall(r"alertname: (\w+)", RULES.read_text())) and len(named) == 7
    for alert in named:
        assert re.search(rf"alertname: {alert}\n +exp_alerts", RULES.read_text()), f"{alert} is never seen to fire"


async def all_answered(desk: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """Every query of the dashboard finds something, and what it finds has the labels of its legend."""
    board = msgspec.json.decode(dashboard())
    values = await variables(http, board)
    assert values == {"mode": "(PAPER)", "profile": "(small)"}
    waiting = {target["expr"]: (panel["title"], target) for panel in board["panels"] for target in panel["targets"]}
    assert len(waiting) > 30 and set(waiting) <= set(expressions(board))
    async with asyncio.timeout(PATIENCE_S):
        while waiting:
            exposed = (await desk.get("/metrics")).text
            for query, (title, target) in list(waiting.items()):
                samples = await found(http, filled(query, values))
                named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) - {"desk"}  # there where several desks share a port
                assert all(named <= sample["metric"].keys() for sample in samples), f"{title}: a label of its legend is not there"
                if samples or silent(query, exposed):
                    del waiting[query]
            await asyncio.sleep(0.05)


async def test_a_real_prometheus_takes_every_sample_and_answers_every_query_of_the_dashboard(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scraped(home, monkeypatch) as (desk, http):
        await all_answered(desk, http)
        for query in ("pmm_up", "pmm_desk_phase", "pmm_market_mid_usd", "pmm_venue_mode"):
            for sample in await found(http, query):
                assert (sample["metric"]["mode"], sample["metric"]["profile"]) == ("PAPER", "small"), f"{query}: whose it is, is lost"
        for query in ('pmm_risk_used_ratio{guard="data age"}', 'pmm_desk_phase{phase="killed"}', "rate(pmm_events_total[1m]) > 0"):
            assert await found(http, query), f"{query}: an alert would never fire"
        exposed = (await desk.get("/metrics")).content
        linted = checked("check", "metrics", given=exposed)
        assert (linted.returncode, linted.stdout, linted.stderr) == (0, b"", b"")
        (lost,) = await found(http, "scrape_samples_scraped - scrape_samples_post_metric_relabeling")
        assert lost["value"][1] == "0"
        told = {line.partition("{")[0] for line in exposed.decode().splitlines() if line.startswith("pmm_")}
        series = (await http.get("/series", params={"match[]": '{__name__=~"pmm_.+"}'})).json()["data"]
        assert told <= {one["__name__"] for one in series} and len(told) > 35
