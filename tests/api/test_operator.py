"""What a desk does by itself when nobody watches it: by the profile, once, with its reason, and never against a kill."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmm_tui.core.commands import Alert
from pmm_tui.core.instructions import Instruction, Killed, Paused
from pmm_tui.runtime.board import DeskBoard
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.operator import LEAVES_S, LOST_S, Operator, Policy
from pmm_tui.runtime.profile import load
from tests.runtime.desks import desk_in
from tests.runtime.scene import PROFILE, Home, face, journaled, logged, picture, running, until


class Watch:
    """An operator on a clock of the test's."""

    def __init__(self, policy: Policy, deadman_s: float = 0.0) -> None:
        self.now = 100.0
        self.taken: list[Instruction] = []
        self.alerts: list[Alert] = []
        self.full = False
        self.operator = Operator(policy, deadman_s, self.take, self.alerts.append, lambda: self.now)

    def take(self, instruction: Instruction) -> None:
        """The desk's inbox."""
        if self.full:
            raise asyncio.QueueFull
        self.taken.append(instruction)

    def after(self, seconds: float, consoles: int) -> list[Instruction]:
        """Time passes, seen at the end; what was done so far."""
        self.now += seconds
        self.operator.look(consoles)
        return self.taken


PAUSED = Paused(NOT_YET, "operator watch", why="the last console was lost")
KILLED = Killed(NOT_YET, "operator watch", "the last console was lost")


@pytest.mark.parametrize(("policy", "done"), [("keep", []), ("pause", [PAUSED]), ("cancel_all", [KILLED])])
def test_the_last_console_is_lost(policy: Policy, done: list[Instruction]) -> None:
    watch = Watch(policy)
    assert watch.after(1_000, 0) == [], "a desk that had no console lost none"
    watch.after(1, 2)
    watch.after(1, 1)
    assert watch.after(1, 0) == []
    assert watch.after(LOST_S - 0.1, 0) == []
    assert watch.after(0.1, 0) == done
    assert watch.after(1_000, 0) == done, "once"
    assert [alert.level for alert in watch.alerts] == ["alarm"] * len(done)
    assert watch.operator.unwatched == ("the last console was lost" if done else "")
    watch.after(1, 1)
    watch.after(1, 0)
    assert watch.after(LOST_S, 0) == done * 2, "and again, for the next one"


def test_a_console_that_comes_back_was_not_lost() -> None:
    watch = Watch("cancel_all")
    for _ in range(5):
        watch.after(1, 1)
        watch.after(1, 0)
        watch.after(LOST_S - 0.5, 0)
    assert watch.taken == []


@pytest.mark.parametrize("gone", [False, True], ids=["another stays", "it comes back"])
def test_who_left_on_purpose_excuses_nobody_who_is_lost_later(gone: bool) -> None:
    watch = Watch("pause")
    watch.after(1, 2)
    watch.operator.leave()
    if gone:
        watch.after(1, 0)
        watch.after(1, 1)
    watch.after(1, 1)
    watch.after(LEAVES_S, 1)
    watch.after(1, 0)
    assert watch.after(LOST_S, 0) == [PAUSED]


def test_who_leaves_on_purpose_loses_nothing_but_only_once() -> None:
    watch = Watch("pause")
    watch.after(1, 1)
    watch.operator.leave()
    watch.after(1, 0)
    assert watch.after(60, 0) == []
    watch.after(1, 1)
    watch.after(1, 0)
    assert watch.after(60, 0) == [PAUSED]


@pytest.mark.parametrize(("policy", "kind"), [("keep", Paused), ("pause", Paused), ("cancel_all", Killed)])
def test_the_dead_man_acts_once_and_is_fed_by_signs_only(policy: Policy, kind: type[Instruction]) -> None:
    watch = Watch(policy, deadman_s=60)
    assert watch.operator.left_s == 60
    assert watch.after(59, 1) == [] and watch.operator.left_s == 1
    watch.operator.sign()
    assert watch.operator.left_s == 60
    assert watch.after(59.9, 1) == []
    [done] = watch.after(0.1, 1)
    assert isinstance(done, kind) and "no sign of the operator for 60 s" in f"{done}", "an open console alone is no sign"
    assert watch.operator.left_s == 0 and watch.operator.unwatched == "no sign of the operator for 60 s"
    assert len(watch.after(1_000, 1)) == 1
    watch.operator.sign()
    assert watch.operator.left_s == 60 and watch.operator.unwatched == ""
    assert len(watch.after(60, 1)) == 2


def test_without_a_dead_man_nothing_counts() -> None:
    watch = Watch("pause")
    assert watch.operator.left_s == -1
    assert watch.after(1e9, 0) == []


def test_a_desk_that_cannot_take_it_is_asked_again() -> None:
    watch = Watch("pause", deadman_s=10)
    watch.after(1, 1)
    watch.full = True
    watch.after(1, 0)
    assert watch.after(20, 0) == [] and watch.alerts == []
    watch.full = False
    assert [type(one) for one in watch.after(0.25, 0)] == [Paused, Paused]


async def test_every_command_is_a_sign_and_ack_is_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    taken: list[Any] = []
    operator = Operator("pause", 60, taken.append, monotonic=lambda: now[0])
    board = DeskBoard(desk_in(tmp_path / "run"), load("demo"), taken.append, asyncio.Event(), None, operator)
    now[0] = 50
    assert board.frame().card.deadman_s == 10
    assert await board.command("ack", {}, "shell:0") == (True, "acknowledged: the next sign is due within 60 s")
    assert taken == [] and operator.left_s == 60
    for cmd in ("pause", "speed", "sing"):
        now[0] += 30
        await board.command(cmd, {}, "cli")
        assert operator.left_s == 60
    plain = DeskBoard(desk_in(tmp_path / "other"), load("demo"), taken.append, asyncio.Event(), None)
    assert await plain.command("ack", {"leaving": True}, "cli") == (True, "acknowledged")
    assert plain.frame().card.deadman_s == -1 and plain.frame().card.unwatched == ""


async def lost(home: Home, patch: pytest.MonkeyPatch, policy: Policy, leaving: bool, then: Callable[[Any], bool]) -> Any:
    """A real desk whose real console goes away; what the desk came to."""
    home.enter(patch)
    patch.setattr("pmm_tui.runtime.operator.LOST_S", 0.05)
    patch.setattr("pmm_tui.runtime.operator.LOOK_S", 0.02)
    told = f"markets: btc-updown-15m-1790586000\non_ui_lost: {policy}\noperator_deadman_s: 0.1\n"
    profile = home.profile(PROFILE.replace("speed: max", "speed: 300") + told)
    async with running(home, profile) as (run, _):
        async with face(run.socket) as client:
            await until(lambda: any(order.status == "OPEN" for order in picture(client).snapshot.orders))
            assert picture(client).card.deadman_s == -1, "a paper desk has no dead-man"
            if leaving:
                assert (await client.command("ack", {"leaving": True}))[0]
        await until(lambda: then(run))
        return run


async def test_a_real_desk_pauses_when_its_console_is_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await lost(home, monkeypatch, "pause", False, lambda run: run.desk.engine.state.paused and not run.desk.engine.state.live)
    assert any("operator watch paused the desk: the last console was lost" in line["event"] for line in logged(run.folder))
    assert run.code == 0


async def test_a_real_desk_kills_when_its_console_is_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await lost(home, monkeypatch, "cancel_all", False, lambda run: run.desk.engine.state.kill.phase == "killed")
    [killed] = [one["event"] for one in journaled(run.folder) if one.get("event", {}).get("type") == "Killed"]
    assert (killed["actor"], killed["reason"]) == ("operator watch", "the last console was lost") and run.code == 3


async def test_a_real_desk_goes_on_when_it_was_left_on_purpose(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def later(run: Any) -> bool:
        seen.append(1)
        return len(seen) > 40

    run = await lost(home, monkeypatch, "cancel_all", True, later)
    assert not run.desk.engine.state.kill.stopped
    assert any(line["event"] == "acknowledged" and line["leaving"] for line in logged(run.folder))
