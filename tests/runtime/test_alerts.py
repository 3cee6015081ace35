"""Alerts: what is said when, which channels there are, and a message that really arrives over HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pmm_tui.core.commands import Alert
from pmm_tui.core.events import Event
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.alerts import GAP_NS, HELD_MAX, REPEAT_NS, TOGETHER, URLS, Channels, Message, Pacer, find_channels
from pmm_tui.runtime.crier import Crier
from pmm_tui.runtime.profile import load
from tests.runtime.desks import desk_in

START = Nanos(10**18)
SECRET = "hook-canary-5f2e"


def at(seconds: float) -> Nanos:
    return Nanos(START + int(seconds * SECOND))


class Receiver:
    """An HTTP server on loopback that keeps what it is sent."""

    def __init__(self, status: int = 200) -> None:
        self.heard: list[dict[str, Any]] = []
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                return

        self.server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"json://127.0.0.1:{self.server.server_port}/{SECRET}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class TestPacer:
    def test_the_first_goes_out_at_once_and_a_burst_as_one(self) -> None:
        pacer = Pacer()
        pacer.add("a", "warn", "first", at(0))
        assert pacer.due(at(0)) == Message("warn", ("! first",), 0)
        pacer.add("b", "warn", "second", at(1))
        pacer.add("c", "alarm", "third", at(2))
        assert pacer.due(at(3)) is None
        said = pacer.due(Nanos(START + GAP_NS))
        assert said == Message("alarm", ("!! third", "! second"), 0), "the worst first"
        assert pacer.due(at(1_000)) is None

    def test_the_same_is_not_said_again_unless_it_is_worse_or_long_ago(self) -> None:
        pacer = Pacer()
        for second in range(5):
            pacer.add("a", "warn", "again", at(second))
        assert (pacer.due(at(0)) or Message("", (), 0)).lines == ("! again",)
        pacer.add("a", "alarm", "worse", at(30))
        assert (pacer.due(at(30)) or Message("", (), 0)).lines == ("!! worse",)
        pacer.add("a", "warn", "less", at(60))
        assert pacer.due(at(60)) is None
        pacer.add("a", "alarm", "still", Nanos(at(30) + REPEAT_NS))
        assert pacer.due(Nanos(at(30) + REPEAT_NS)) is not None

    def test_well_again_is_said_only_of_what_was_said_to_be_bad(self) -> None:
        pacer = Pacer()
        pacer.recover("a", "nobody asked")
        assert pacer.due(at(0)) is None
        pacer.add("a", "alarm", "bad", at(0))
        assert pacer.due(at(0)) is not None
        pacer.recover("a", "good again")
        assert pacer.due(at(60)) == Message("recovered", ("✔ good again",), 0)
        pacer.add("a", "alarm", "bad", at(90))
        assert pacer.due(at(90)) is not None, "after a recovery it is news"

    def test_what_does_not_fit_is_counted(self) -> None:
        pacer = Pacer()
        for number in range(HELD_MAX + 7):
            pacer.add(str(number), "warn", str(number), at(0))
        said = pacer.due(at(0))
        assert said is not None and len(said.lines) == TOGETHER and said.unsaid == HELD_MAX + 7 - TOGETHER
        assert said.body.endswith(f"… and {said.unsaid} more")


class TestChannels:
    def test_none(self, tmp_path: Path) -> None:
        assert not find_channels({}, tmp_path)

    def test_from_the_environment_or_a_private_file(self, tmp_path: Path) -> None:
        assert find_channels({URLS: "json://localhost/a json://localhost/b"}, tmp_path)
        path = tmp_path / "alerts.txt"
        path.write_text("# who is told\n\njson://localhost/a\n")
        path.chmod(0o640)
        with pytest.raises(ValueError, match=r"alerts\.txt: found mode 0640; allowed: 0600"):
            find_channels({}, tmp_path)
        path.chmod(0o600)
        assert find_channels({}, tmp_path)

    def test_the_variable_is_none_of_the_profiles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(URLS, "json://localhost/a")
        assert load("demo").name == "demo", "every PMM_ variable is a knob; this is none"

    def test_what_is_no_channel_is_refused_and_not_shown(self) -> None:
        with pytest.raises(ValueError, match="alert channel 2: found a URL that names no channel") as refused:
            Channels(["json://localhost", f"nosuch://{SECRET}"])
        assert SECRET not in str(refused.value)

    async def test_a_message_arrives(self, receiver: Receiver) -> None:
        assert await Channels([receiver.url]).send("pmm-tui LIVE run", Message("alarm", ("!! killed",), 2)) == []
        (heard,) = receiver.heard
        assert heard["title"] == "pmm-tui LIVE run" and heard["type"] == "failure"
        assert heard["message"].splitlines() == ["!! killed", "… and 2 more"]

    async def test_one_that_fails_is_named_and_the_others_are_told(self, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
        broken = Receiver(500)
        try:
            failed = await Channels([broken.url, receiver.url]).send("t", Message("warn", ("! w",), 0))
        finally:
            broken.close()
        assert failed == ["JSON"] and len(receiver.heard) == 1
        assert SECRET not in caplog.text


class TestCrier:
    async def test_a_desk_tells_its_alerts_its_faults_and_its_end(self, tmp_path: Path, receiver: Receiver) -> None:
        desk = desk_in(tmp_path)
        crier = Crier(desk, Channels([receiver.url]), "PAPER run")
        desk.alerts.append(Alert("alarm", "kill", "killed: drawdown"))
        desk.fail("the api", OSError("gone"))
        await crier.last(3)
        (heard,) = receiver.heard
        assert heard["message"].splitlines() == [
            "!! killed: drawdown",
            "!! the api failed: OSError: gone",
            "!! the run ended with code 3: killed, broken, or orders not proven gone",
        ]
        desk.close()

    async def test_an_end_in_order_says_nothing(self, tmp_path: Path, receiver: Receiver) -> None:
        desk = desk_in(tmp_path)
        await Crier(desk, Channels([receiver.url]), "PAPER run").last(0)
        assert receiver.heard == []
        desk.close()

    def test_a_link_is_said_when_it_stays_down_and_when_it_is_back(self, tmp_path: Path) -> None:
        from pmm_tui.core.events import LinkDown, LinkUp, Ticked

        desk = desk_in(tmp_path)
        crier = Crier(desk, Channels(()), "PAPER run")
        desk.step(LinkUp(at(0), "market"))
        desk.step(LinkDown(at(1), "market", "the venue restarts"))
        desk.step(Ticked(at(5)))
        crier.look(at(5))
        assert crier.pacer.held == [], "a reconnect is no news"
        desk.step(Ticked(at(12)))
        crier.look(at(12))
        assert crier.pacer.held == [("warn", "market is down: the venue restarts")]
        desk.step(LinkUp(at(13), "market"))
        crier.look(at(13))
        assert crier.pacer.held[-1] == ("recovered", "market is up again")
        desk.close()

    def test_what_the_venue_takes_is_said_at_once_and_a_rate_limit_only_where_it_lasts(self, tmp_path: Path) -> None:
        from pmm_tui.core.events import LinkDown, Ticked, VenueModeChanged

        desk = desk_in(tmp_path)
        crier = Crier(desk, Channels(()), "PAPER run")

        def said(second: float, *facts: Event) -> list[tuple[str, str]]:
            for fact in facts:
                desk.step(fact)
            desk.step(Ticked(at(second)))
            crier.look(at(second))
            held, crier.pacer.held = crier.pacer.held, []
            return held

        assert said(1, VenueModeChanged(at(1), "limited", at(2)), LinkDown(at(1), "venue", "limited")) == []
        assert said(12) == [("warn", "the venue is limited")], "and not a second time by its link"
        assert said(13, VenueModeChanged(at(13), "restarting", at(20))) == [
            ("recovered", "the venue is no longer limited, it is restarting"),
            ("warn", "the venue is restarting"),
        ]
        assert said(14, VenueModeChanged(at(14), "restarting", at(30))) == []
        assert said(15, VenueModeChanged(at(15), "disabled", at(30)))[-1] == ("alarm", "the venue is disabled")
        assert said(16, VenueModeChanged(at(16), "open")) == [("recovered", "the venue is no longer disabled, it is open")]
        desk.close()
