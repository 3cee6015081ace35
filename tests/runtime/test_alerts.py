"""Alerts: what is said when, which channels there are, and a message that really arrives over HTTP."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pmm_tui.core.commands import Alert
from pmm_tui.core.events import Event
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime import crier as crying
from pmm_tui.runtime.alerts import (
    AGAIN_NS,
    GAP_NS,
    HANGING_MAX,
    HELD_MAX,
    LATE_NS,
    REPEAT_NS,
    TOGETHER,
    URLS,
    Box,
    Channels,
    Line,
    Message,
    Pacer,
    Post,
    find_channels,
)
from pmm_tui.runtime.crier import Crier
from pmm_tui.runtime.profile import load
from tests.faces import pictures
from tests.runtime.desks import desk_in

START = Nanos(10**18)
SECRET = "hook-canary-5f2e"


def at(seconds: float) -> Nanos:
    return Nanos(START + int(seconds * SECOND))


class Receiver:
    """An HTTP server on loopback that keeps what it takes. `statuses`: its first answers, 200 after them; 0: it never ends one."""

    def __init__(self, *statuses: int) -> None:
        self.heard: list[dict[str, Any]] = []
        self.over = threading.Event()
        outer, left = self, list(statuses)

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = left.pop(0) if left else 200
                outer.heard += [told] if status == 200 else []
                self.send_response(status or 200)
                if not status:
                    self.send_header("Content-Length", "1000")
                self.end_headers()
                while not status and not outer.over.wait(0.05):
                    self.wfile.write(b"x")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"json://127.0.0.1:{self.server.server_port}/{SECRET}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class TestPacer:
    def news(self, pacer: Pacer) -> list[str]:
        return [line.text for line in pacer.take()]

    def test_the_same_is_not_said_again_unless_it_is_worse_or_long_ago(self) -> None:
        pacer = Pacer()
        for second in range(5):
            pacer.add("a", "warn", "again", at(second))
        assert self.news(pacer) == ["again"]
        pacer.add("a", "alarm", "worse", at(30))
        pacer.add("a", "warn", "less", at(60))
        assert self.news(pacer) == ["worse"]
        pacer.add("a", "alarm", "still", Nanos(at(30) + REPEAT_NS))
        assert self.news(pacer) == ["still"]

    def test_well_again_is_said_only_of_what_was_said_to_be_bad(self) -> None:
        pacer = Pacer()
        pacer.recover("a", "nobody asked", at(0))
        pacer.add("a", "alarm", "bad", at(0))
        pacer.recover("a", "good again", at(60))
        pacer.add("a", "alarm", "bad once more", at(90))
        assert self.news(pacer) == ["bad", "good again", "bad once more"], "after a recovery it is news"


class TestBox:
    """What one channel is still to be told."""

    def box(self, *lines: tuple[str, str, str, float]) -> Box:
        box = Box()
        for key, level, text, second in lines:
            box.put(Line(key, level, text, at(second)))
        return box

    def test_the_first_goes_out_at_once_and_a_burst_as_one_the_worst_first(self) -> None:
        box = self.box(("a", "warn", "first", 0))
        assert box.due(at(0)) == Message("warn", ("! first",), 0)
        box.answer(box.held, 0, took=True)
        box.put(Line("b", "warn", "second", at(1)))
        box.put(Line("c", "alarm", "third", at(2)))
        assert box.due(at(3)) is None
        assert box.due(Nanos(START + GAP_NS)) == Message("alarm", ("!! third", "! second"), 0)

    def test_each_thing_is_told_in_its_order(self) -> None:
        box = self.box(("a", "alarm", "dead", 0), ("b", "warn", "late", 1), ("a", "recovered", "well", 2))
        assert box.due(at(3)) == Message("alarm", ("!! dead", "✔ well", "! late"), 0)

    def test_a_recovery_that_nobody_was_told_of_is_not_told_once_it_is_bad_again(self) -> None:
        box = self.box(("a", "recovered", "well", 0), ("b", "recovered", "other", 0), ("a", "alarm", "dead", 1))
        assert box.due(at(2)) == Message("alarm", ("!! dead", "✔ other"), 0)

    def test_what_was_not_taken_is_said_again_ever_more_slowly_and_with_its_time(self) -> None:
        box, tries = self.box(("a", "alarm", "killed", 0)), list[int]()
        for second in range(2_000):
            if box.due(at(second)) is not None:
                tries.append(second)
                box.answer(box.held, 0, took=False)
        assert tries[:5] == [0, 20, 60, 140, 300] and tries[-1] - tries[-2] == AGAIN_NS // SECOND
        box.put(Line("b", "warn", "later", at(2_000)))
        said = box.due(at(9_000))
        assert said is not None and re.fullmatch(r"!! killed \(at \d\d:\d\d:\d\d UTC\)", said.lines[0]) and "later" in said.lines[1]
        box.hurry()
        assert box.due(at(9_000)) is not None and 9_000 * SECOND > LATE_NS

    def test_what_does_not_fit_is_counted_and_the_worst_stays(self) -> None:
        box = self.box(("kill", "alarm", "killed", 0), *((str(number), "warn", str(number), 0) for number in range(HELD_MAX + 6)))
        said = box.due(at(0))
        assert said is not None and len(said.lines) == TOGETHER and said.unsaid == HELD_MAX + 7 - TOGETHER
        assert said.lines[0] == "!! killed" and said.body.endswith(f"… and {said.unsaid} more")
        box.answer(tuple(box.held), box.unsaid, took=True)
        assert (box.held, box.unsaid) == ([], 0)


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

    def test_one_that_drips_holds_up_neither_the_process_nor_its_end_and_is_given_no_more_than_a_few(self) -> None:
        dripping = Receiver(*[0] * 9)
        word = "import sys; from pmm_tui.runtime import alerts, monitor; alerts.SEND_S = 0.2; sys.exit(monitor.try_channels())"
        try:
            said = subprocess.run([sys.executable, "-c", word], env=os.environ | {URLS: dripping.url}, timeout=20, capture_output=True)
            assert said.returncode == 1 and b"JSON did not take the message" in said.stderr
            (channel,) = Channels([dripping.url])
            answers = [channel.begin("t", Message("warn", ("! w",), 0)) for _ in range(HANGING_MAX + 1)]
            assert [answer is None for answer in answers] == [False] * HANGING_MAX + [True]
        finally:
            dripping.close()
        assert all(answer.result(10) is not None for answer in answers if answer is not None)

    def test_a_channel_is_told_what_it_did_not_take_and_another_nothing_twice(self) -> None:
        failing, other = Receiver(500), Receiver()
        try:
            post = Post(Channels([failing.url, other.url]), "t")
            pacer = Pacer()
            pacer.add("a", "alarm", "killed", at(0))
            post.put(pacer.take())
            second, failed = 0.0, list[str]()
            while post.owing:
                failed += post.turn(at(second))
                if not post.under_way:
                    second += 10
                time.sleep(0.005)
                assert second < 100
            post = Post(Channels([failing.url]), "t", post.boxes)
            assert not post.owing
        finally:
            failing.close()
            other.close()
        assert failed == ["JSON"] and [len(one.heard) for one in (failing, other)] == [1, 1]
        assert failing.heard[0]["title"] == "t: alarm"


class TestCrier:
    async def test_a_desk_tells_its_alerts_its_faults_and_its_end(self, tmp_path: Path, receiver: Receiver) -> None:
        desk = desk_in(tmp_path)
        crier = Crier(desk, Channels([receiver.url]), pictures.quoting().card)
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

    async def test_the_last_word_is_tried_again_while_there_is_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crying, "EVERY_S", 0.05)
        desk, failing = desk_in(tmp_path), Receiver(500, 500)
        try:
            crier = Crier(desk, Channels([failing.url]), replace(pictures.live().card, source="loopback"))
            desk.alerts.append(Alert("alarm", "kill", "killed: drawdown"))
            await crier.last(0)
        finally:
            failing.close()
            desk.close()
        (heard,) = failing.heard
        assert heard["message"] == "!! killed: drawdown"
        assert heard["title"] == f"pmm-tui REHEARSAL {pictures.live().card.run}: alarm", "a rehearsal is not called live"

    async def test_an_end_in_order_says_nothing(self, tmp_path: Path, receiver: Receiver) -> None:
        desk = desk_in(tmp_path)
        await Crier(desk, Channels([receiver.url]), pictures.quoting().card).last(0)
        assert receiver.heard == []
        desk.close()

    def test_a_link_is_said_when_it_stays_down_and_when_it_is_back(self, tmp_path: Path) -> None:
        from pmm_tui.core.events import LinkDown, LinkUp, Ticked

        desk = desk_in(tmp_path)
        crier = Crier(desk, Channels(()), pictures.quoting().card)
        desk.step(LinkUp(at(0), "market"))
        desk.step(LinkDown(at(1), "market", "the venue restarts"))
        desk.step(Ticked(at(5)))
        crier.look(at(5))
        assert crier.pacer.take() == [], "a reconnect is no news"
        desk.step(Ticked(at(12)))
        crier.look(at(12))
        assert [(line.level, line.text) for line in crier.pacer.take()] == [("warn", "market is down: the venue restarts")]
        desk.step(LinkUp(at(13), "market"))
        crier.look(at(13))
        assert [(line.level, line.text) for line in crier.pacer.take()] == [("recovered", "market is up again")]
        desk.close()

    def test_what_the_venue_takes_is_said_at_once_and_a_rate_limit_only_where_it_lasts(self, tmp_path: Path) -> None:
        from pmm_tui.core.events import LinkDown, Ticked, VenueModeChanged

        desk = desk_in(tmp_path)
        crier = Crier(desk, Channels(()), pictures.quoting().card)

        def said(second: float, *facts: Event) -> list[tuple[str, str]]:
            for fact in facts:
                desk.step(fact)
            desk.step(Ticked(at(second)))
            crier.look(at(second))
            return [(line.level, line.text) for line in crier.pacer.take()]

        assert said(1, VenueModeChanged(at(1), "limited", at(2)), LinkDown(at(1), "venue", "limited")) == []
        assert said(12) == [("warn", "the venue is rate-limited")], "and not a second time by its link"
        assert said(13, VenueModeChanged(at(13), "restarting", at(20))) == [
            ("recovered", "the venue is no longer rate-limited, it is restarting"),
            ("warn", "the venue is restarting"),
        ]
        assert said(14, VenueModeChanged(at(14), "restarting", at(30))) == []
        assert said(15, VenueModeChanged(at(15), "disabled", at(30)))[-1] == ("alarm", "the venue is closed")
        assert said(16, VenueModeChanged(at(16), "open")) == [("recovered", "the venue is no longer closed, it is open")]
        desk.close()
