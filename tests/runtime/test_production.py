"""The production half of a desk: no heartbeat for a dead one, ids on the disk before their orders leave, what earlier runs signed."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import cast

import pytest
from eth_account import Account
from msgspec import to_builtins

from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event, OrderSigned, Ticked
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.fault_asks import legs, places
from pmm_tui.exchange.faults import Verdict
from pmm_tui.exchange.terms import Ask
from pmm_tui.record.journal import Journal
from pmm_tui.record.lines import LIVE
from pmm_tui.record.signed import BROKEN_OFF_S, LATELY_S, signed_before
from pmm_tui.runtime import production
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.drill import Written
from pmm_tui.runtime.logs import end_logs, start_logs
from pmm_tui.runtime.profile import load
from pmm_tui.venues.clob.keys import Keys
from tests.core.desk import T0, at
from tests.faults.scene import Recorded, Scene, playing
from tests.runtime.desks import CARD, desk_in
from tests.venues.clob_stand import timeless
from tests.venues.scripted_clob import ScriptedClob

NOW = Nanos(T0 * 1_000_000)


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """No run's log outlives its test."""
    yield
    end_logs()


# --- what is joined -----------------------------------------------------------------------------------------------------------------------


def test_F37_a_desk_that_does_not_step_or_is_broken_sends_no_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scripted(*_: object) -> ScriptedClob:
        return ScriptedClob()

    monkeypatch.setattr(production, "open_client", scripted)
    before, own = tmp_path / "before", tmp_path / "run"
    left = Journal(before, {"run": "before", "mode": "live"}, ballast_mib=0)
    left.write(OrderSigned(at(0), 1, "0xAB"), [])
    left.close()
    desk, now = desk_in(own), NOW
    keys = Keys(Account.create())

    async def joined() -> None:
        nonlocal now
        venue, feeds = await production.open_production(load("local-prod"), keys, lambda: now, Random(1), desk)
        assert not feeds and venue.ledger._earlier == {"0xab"}, "what the run before signed, and no chain"
        assert not venue._alive(), "it never stepped"
        desk.step(Ticked(now))
        assert venue._alive()
        now = Nanos(now + production.ALIVE_NS - 1)
        assert venue._alive()
        now = Nanos(now + 1)
        assert not venue._alive()
        desk.step(Ticked(now))
        assert venue._alive()
        desk.dead = True
        assert not venue._alive()
        await venue.close()

    asyncio.run(joined())
    desk.close()


class OnDisk(Written):
    """A scene's desk that writes as the real one does."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        super().__init__(scene.engine, scene.checks)
        journal = Journal(folder, {"run": "run", "knobs": to_builtins(scene.knobs)}, ballast_mib=0.25)
        self.real = Desk(scene.engine, journal, folder, CARD, start_logs(folder, "LIVE", False), None)

    def step(self, event: Event) -> list[Command]:
        """One fact, into the journal."""
        commands = self.real.step(event)
        self.checks.after(event, commands)
        return commands

    def seal(self, facts: list[Event], commands: list[Command]) -> list[Command]:
        """The ids of what is about to leave, onto the disk."""
        for fact in facts:
            self.checks.after(fact, [])
        return self.real.seal(facts, commands)


@timeless
async def test_F59_an_order_leaves_only_once_its_id_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is what fdatasync has seen when the request leaves: a written line may still be lost with the machine."""
    scene = Scene()
    desk = OnDisk(scene, tmp_path / "run")
    scene.desk = cast("Recorded", desk)  # its facts are not looked at
    synced, sent, late = 0, 0, list[tuple[int, int]]()
    sync, judge = os.fdatasync, scene.judge

    def fdatasync(number: int) -> None:
        nonlocal synced
        sync(number)
        synced = (tmp_path / "run" / LIVE).read_bytes().count(b'"OrderSigned"')

    def leaves(ask: Ask, now: Nanos) -> Verdict:
        nonlocal sent
        if places(ask):
            sent += len(legs(ask))
            late.append((sent, synced))
        return judge(ask, now)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(scene, "judge", leaves)
    monkeypatch.setattr("pmm_tui.runtime.virtual.Network.out_s", lambda _: 0.0)
    async with playing(scene):
        for step in range(6):
            scene.show(4_600 + 100 * (step % 2), 5_200 + 100 * (step % 2))
            await scene.seconds(1)
    desk.real.close()
    assert len(late) >= 6 and all(count <= known for count, known in late), late


# --- what earlier runs signed -------------------------------------------------------------------------------------------------------------


def ran(logs: Path, name: str, *ids: str, ended: bool = True, ago_s: float = 0, **rotation: float) -> Path:
    """A run that signed these orders."""
    folder = logs / name
    journal = Journal(folder, {"run": name}, ballast_mib=0, **rotation)  # type: ignore[arg-type]  # rotate_mib
    for number, id_ in enumerate(ids, 1):
        journal.write(Ticked(at(number)), [])
        journal.write(OrderSigned(at(number), number, id_), [])
    journal.close("digest" if ended else None)
    if ended:
        (folder / "summary.json").write_text("{}")
    for path in folder.glob("journal*"):
        os.utime(path, ns=(NOW - round(ago_s * SECOND),) * 2)
    return folder


class TestSigned:
    """`signed_before`."""

    def test_the_ids_of_the_runs_beside_it_however_they_ended_and_not_its_own(self, tmp_path: Path) -> None:
        ran(tmp_path, "a", "0xA1", "0xA2")
        ran(tmp_path, "b", "0xB1", ended=False)
        own = ran(tmp_path, "own", "0xC1")
        (tmp_path / "a file").write_text("no run")
        assert signed_before(own, NOW) == {"0xa1", "0xa2", "0xb1"}
        assert signed_before(tmp_path / "nowhere" / "run", NOW) == frozenset()

    @pytest.mark.parametrize(
        ("ended", "ago_s", "known"),
        [(True, LATELY_S, True), (True, LATELY_S + 1, False), (False, LATELY_S + 1, True), (False, BROKEN_OFF_S + 1, False)],
    )
    def test_as_far_back_as_an_order_may_be_late(self, tmp_path: Path, ended: bool, ago_s: float, known: bool) -> None:
        ran(tmp_path, "a", "0xa1", ended=ended, ago_s=ago_s)
        assert bool(signed_before(tmp_path / "own", NOW)) is known

    def test_a_torn_tail_and_a_damaged_line_cost_only_themselves(self, tmp_path: Path) -> None:
        live = ran(tmp_path, "a", "0xa1", "0xa2", "0xa3", ended=False) / LIVE
        lines = live.read_bytes().splitlines(keepends=True)
        lines[4] = lines[4].replace(b"0xa2", b'"""')
        live.write_bytes(b"".join(lines) + b'{"seq":9,"crc":"00000000","event":{"type":"OrderSigned","at":1,"order":4,"venu')
        os.utime(live, ns=(NOW, NOW))
        assert signed_before(tmp_path / "own", NOW) == {"0xa1", "0xa3"}

    def test_finished_files_are_read_too_and_a_cut_one_as_far_as_it_goes(self, tmp_path: Path) -> None:
        folder = ran(tmp_path, "a", *[f"0x{number:064x}" for number in range(300)], rotate_mib=0.01)
        finished = sorted(folder.glob("journal-*.zst"))
        assert finished and len(signed_before(tmp_path / "own", NOW)) == 300
        finished[0].write_bytes(finished[0].read_bytes()[:-20])
        os.utime(finished[0], ns=(NOW, NOW))
        assert 200 < len(signed_before(tmp_path / "own", NOW)) < 301

    def test_words_in_another_event_are_no_id(self, tmp_path: Path) -> None:
        live = ran(tmp_path, "a", ended=False) / LIVE
        said = {"type": "LinkDown", "at": 1, "link": "x", "reason": '"type":"OrderSigned"'}
        live.write_bytes(live.read_bytes() + json.dumps({"event": said, "commands": []}).encode() + b"\n")
        os.utime(live, ns=(NOW, NOW))
        assert signed_before(tmp_path / "own", NOW) == frozenset()
