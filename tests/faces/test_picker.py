"""The palette, the filter, the picker, going to LIVE and leaving it: real money is typed or told, never slipped into."""

import asyncio
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from pmm_tui.api.widening import adds_risk, risk_of
from pmm_tui.cli_console import _Here as Here
from pmm_tui.runtime.fleet import Seen
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.dialogs.pick import Line, Pick
from pmm_tui.tui.dialogs.question import Confirm, Dialog, Notice
from pmm_tui.tui.elsewhere import PreflightLine, ProfileLine, RunLine
from tests.faces import pictures
from tests.faces.conftest import grid
from tests.faces.driver import Desk, desk
from tests.faces.fake_desk import ENDED, LOST, UP, FakeSource
from tests.faces.test_two_desks import rehearsal, two

WIDE = (160, 48)


class Machine:
    """Another run and three profiles, without a machine."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.looked: list[tuple[str, str]] = []
        self.checked: PreflightLine | None = None

    def runs(self) -> list[RunLine]:
        """The one that is shown, another, and one that is gone."""
        here = RunLine("run-007-1795258", "running", Path("/run/here.sock"), True, pictures.quoting())
        real = RunLine("eth-1", "running", Path("/run/eth-1.sock"), True, pictures.live())
        local = RunLine("demo-live", "running", Path("/run/demo.sock"), True, rehearsal())
        return [here, real, local, RunLine("old", "OSError", Path("/o.sock"), False)]

    def profiles(self) -> list[ProfileLine]:
        """One that can be started, one with real money, one that is wrong."""
        wrong = ProfileLine("bad", "", "line 17: levels: found 0")
        return [ProfileLine("calm", "PAPER", ""), ProfileLine("prod-001", "LIVE", ""), ProfileLine("local-prod", "REHEARSAL", ""), wrong]

    def preflight(self, profile: str, account: str) -> PreflightLine | None:
        """One that the test put there."""
        self.looked.append((profile, account))
        return self.checked

    def start(self, profile: str) -> Path:
        """Remember it."""
        if profile != "calm":
            raise ValueError("cannot")
        self.started.append(profile)
        return Path("/run/calm.sock")


async def settled(one: Desk) -> None:
    """Wait until what keys started has ended."""
    await one.app.workers.wait_for_complete()
    await one.pilot.pause()  # a dialog that was opened is there,
    await one.pilot.pause()  # and drawn


def chosen(one: Desk) -> str:
    """The selected market."""
    return one.app.scene.market.id if one.app.scene.market is not None else ""


async def test_the_palette_finds_by_words_and_does_what_the_key_does() -> None:
    async with desk(pictures.quoting(), WIDE) as one:
        await one.press("colon")
        await one.type("cancel all")
        palette = one.app.screen
        assert isinstance(palette, Pick) and len(palette.found) == 1
        await one.press("enter")
        assert one.source.asked == [("pause", {"market": ""})]
        await one.press("colon")
        await one.type("kill")
        palette = one.app.screen
        assert isinstance(palette, Pick) and ["stop quoting" in item.row[1][0] for item in palette.found] == [True], "what K does, once"
        assert "the same" not in str([item.row for item in palette._items]), "alone in a list nobody knows the same as what"
        await one.press("escape", "ctrl+p")
        await one.type("theme: cb")
        await one.press("enter")
        assert one.app.look == "cb"
        await one.press("colon")
        await one.type("K")
        assert len(one.source.asked) == 1, "here K is a letter"
        await one.press("ctrl+k", "escape")
        assert one.source.asked[-1][0] == "kill"
        await one.press("colon")
        await one.type("no such thing")
        assert "nothing has these words" in grid(one.app)
        await one.press("enter", "ctrl+u")
        palette = one.app.screen
        assert isinstance(palette, Pick) and palette.found


async def test_what_cannot_be_chosen_is_found_all_the_same_and_a_safe_console_offers_no_start() -> None:
    for way, why in (("", ""), ("read_only", "read-only"), ("locked", "locked")):
        async with desk(pictures.quoting(), WIDE, elsewhere=Machine(), read_only=way == "read_only") as one:
            one.app.locked = way == "locked"
            await one.press("ctrl+o")
            await settled(one)
            shown = grid(one.app)
            assert ("start a paper desk" in shown) is ("attach or start" in shown) is (not why)
            assert not why or (f"not from here: {why}" in shown and "enter: attach   esc" in shown)
            await one.type("prod")
            shown = grid(one.app)
            assert "prod-001" in shown and "local-prod" in shown and "nothing has these words" not in shown and "── profiles" not in shown
            await one.press("enter")
            assert isinstance(one.app.screen, Pick), "neither can be chosen"


async def test_a_filter_acts_with_every_letter_inverts_and_is_cleared() -> None:
    async with desk(pictures.three(), WIDE) as one:
        await one.press("slash")
        assert isinstance(one.app.screen, Line)
        await one.type("fed")
        assert (one.app.scene.filter, chosen(one)) == ("fed", pictures.FED)
        await one.press("enter", "j", "j")
        assert chosen(one) == pictures.FED, "it moves among what is shown"
        await one.press("escape")
        assert one.app.scene.filter == ""
        await one.press("slash")
        await one.type("!fed")
        await one.press("enter", "G")
        assert chosen(one) == pictures.ETH
        await one.press("slash", "escape")
        assert one.app.scene.filter == "" and one.source.asked == []


async def test_the_picker_lists_runs_and_profiles_with_the_diff_and_attaches() -> None:
    opened: list[Path] = []

    def connect(socket: Path) -> FakeSource:
        opened.append(socket)
        return FakeSource(pictures.tape())

    machine = Machine()
    async with desk(pictures.quoting(), WIDE, elsewhere=machine, connect=connect) as one:
        one.source.answers["reload"] = (True, "max_position_size: 200 -> 300\nmin_price: 0.03 -> 0.05")
        await one.press("ctrl+o")
        await settled(one)
        shown = grid(one.app)
        assert "you are here" in shown and "no answer" in shown and "INVALID" in shown and "line 17" in shown
        line = {
            name: [row for row in shown.splitlines() if name in row][-1] for name in ("run-007-1795258", "eth-1", "demo-live", "local-prod")
        }
        assert " LIVE " in line["eth-1"] and " PAPER " in line["run-007-1795258"]
        assert all(" REHEARSAL " in line[name] and "LIVE " not in line[name] for name in ("demo-live", "local-prod")), "no real money there"
        assert "max_position_size: 200 -> 300" in shown and "WIDER, MORE RISK" in shown and "tighter" in shown
        rules = [row for row in shown.splitlines() if "── running " in row or "── profiles " in row]
        assert len(rules) == 2 and len({row.index("── │") for row in rules}) == 1, "both end at the frame"
        assert one.said == "", "nothing is looked for any more"
        await one.type("eth")
        await one.press("enter")
        assert opened == [Path("/run/eth-1.sock")] and one.app.scene.frame == pictures.tape()
        await one.press("7")
        await settled(one)
        await one.type("calm")
        await one.press("enter")
        await settled(one)
        assert machine.started == ["calm"] and opened[-1] == Path("/run/calm.sock")
        await one.press("7")
        await settled(one)
        for words in ("prod-001", "local-prod", "bad", "old"):
            await one.type(words)
            await one.press("enter", "ctrl+u")
            assert isinstance(one.app.screen, Pick), "neither real money, nor what is wrong, nor what is gone starts here"


@pytest.mark.parametrize("size", [WIDE, (80, 24)])
async def test_a_run_in_the_picker_gives_up_whole_facts_and_cuts_none(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    poor = replace(pictures.money(), equity=pictures.money().initial - 12_345_670_000, drawdown_pct=100.0)
    three = pictures.three()
    many = replace(three, snapshot=replace(three.snapshot, markets=three.snapshot.markets * 4))
    frames = (three, many, replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), money=poor)))
    seen = [Seen(f"run-{number}-20261121-120000-abcd", Path(f"{number}.sock"), frame) for number, frame in enumerate(frames)]
    monkeypatch.setattr("pmm_tui.runtime.fleet.running", lambda: seen)
    machine = Machine()
    monkeypatch.setattr(machine, "runs", Here(None).runs)
    async with desk(pictures.quoting(), size, elsewhere=machine) as one:
        await one.press("ctrl+o")
        await settled(one)
        rows = [row for row in grid(one.app).splitlines() if "-20261121-120000-" in row]
        assert len(rows) == 3 and not [row for row in rows if "…" in row or re.search("attach|you are here", row) is None]
        told = [re.findall(r"drawdown \S+%|\d+ markets?", row) for row in rows]
        assert [len(facts) for facts in told] == ([2, 2, 2] if size == WIDE else [0, 0, 0])
        if size == WIDE:
            assert [facts[1] for facts in told] == ["3 markets", "12 markets", "1 market"] and told[2][0] == "drawdown 100.0%"


def test_a_production_profile_for_an_exchange_of_this_machine_is_no_real_money() -> None:
    modes = {one.name: one.mode for one in Here(None).profiles()}
    assert (modes["prod-001"], modes["local-prod"], modes["demo-live"], modes["demo"]) == ("LIVE", "REHEARSAL", "REHEARSAL", "PAPER")


async def test_a_read_only_picker_attaches_and_starts_nothing() -> None:
    async with desk(pictures.quoting(), WIDE, elsewhere=Machine(), read_only=True) as one:
        await one.press("ctrl+o")
        await settled(one)
        picker = one.app.screen
        assert isinstance(picker, Pick) and one.source.asked == []
        assert not [item for item in picker.found if item.answer.startswith("start")]


async def test_to_live_is_told_where_no_live_desk_is_shown() -> None:
    async with desk(pictures.quoting(), elsewhere=Machine()) as one:
        await one.press("m")
        await settled(one)
        assert isinstance(one.app.screen, Notice)
        shown = grid(one.app)
        assert "pmm-tui --profile prod-001 --live" in shown and "pmm-tui preflight --profile prod-001" in shown
        await one.press("m", apart=1.0)
        assert not isinstance(one.app.screen, Dialog) and one.source.asked == []


async def test_after_a_gap_the_keys_are_papers_again() -> None:
    async with two(pictures.quoting(), pictures.live()) as desks:
        await desks.press("e")
        desks.live.now_link = LOST
        desks.app.pull()
        assert desks.app.source is desks.live, "while it is gone a key still means that desk"
        desks.live.now_link = UP
        desks.app.pull()
        assert desks.app.source is desks.paper


@pytest.mark.parametrize(("key", "sent"), [("y", ["ack"]), ("k", []), ("p", ["pause", "ack"]), ("escape", []), ("enter", [])])
async def test_leaving_real_money_asks_what_it_shall_do(key: str, sent: list[str]) -> None:
    async with desk(pictures.live()) as one:
        await one.press("q")
        assert isinstance(one.app.screen, Confirm)
        shown = grid(one.app)
        assert "keep it running" in shown and "pull its quotes" in shown and "cancel all and stop" in shown
        await one.press(key, apart=1.0)
        await settled(one)
        assert [cmd for cmd, _ in one.source.asked] == sent
        assert one.app.is_running is (key in ("escape", "enter", "k")), "Cancel is what Enter takes"


async def test_leaving_waits_until_a_stopped_desk_has_ended() -> None:
    async with desk(pictures.live()) as one:
        await one.press("q")
        await one.press("c", apart=1.0)
        assert one.source.asked == [("stop", {})] and one.app.is_running and "until the venue shows no order" in one.said
        one.source.now_link = ENDED
        await settled(one)
        assert not one.app.is_running


async def test_a_stop_that_is_refused_keeps_the_console() -> None:
    async with desk(pictures.live()) as one:
        one.source.answers["stop"] = (False, "NOT SENT: no connection to the desk")
        await one.press("q")
        await one.press("c", apart=1.0)
        await settled(one)
        assert one.app.is_running and "not left" in one.said and one.app.scene.message[0] == "alarm"


async def test_a_rehearsal_that_goes_on_without_us_is_asked_about_like_real_money() -> None:
    async with desk(rehearsal()) as one:
        await one.press("q")
        assert isinstance(one.app.screen, Confirm) and "REHEARSAL" in grid(one.app)
        await one.press("y", apart=1.0)
        await settled(one)
        assert not one.app.is_running and one.source.asked == [("ack", {"leaving": True})]


async def test_flatten_can_rest_at_the_touch() -> None:
    async with desk(pictures.three(), WIDE) as one:
        await one.press("f")
        assert "resting at the touch, 53.0¢" in grid(one.app) and "costs nothing now" in grid(one.app)
        await one.press("p", apart=1.0)
        assert one.source.asked == [("flatten", {"market": pictures.BTC, "passive": True})]


async def test_x_cancels_and_never_resumes() -> None:
    async with desk(pictures.three()) as one:
        await one.press("x", "x", "X")
        assert one.source.asked == [("pause", {"market": pictures.BTC})] * 2 + [("pause", {"market": ""})]


async def test_a_frozen_display_stands_still_and_the_keys_act_on_the_desk_as_it_is() -> None:
    async with desk(pictures.quoting(), WIDE) as one:
        await one.press("w")
        one.source.frame = pictures.paused()
        one.app.pull()
        await one.pilot.pause()
        shown = grid(one.app).splitlines()
        assert "PAUSED" in shown[0] and "space  resume" in shown[-1] and "FROZEN" in shown[1], "what is so now stands above and below"
        assert "QUOTING 1 of 1" in "".join(shown[2:])
        await one.press("space", apart=1.0)
        assert one.source.asked == [("resume", {"market": ""})], "it is paused, whatever the picture says"
        await one.press("w")
        await one.pilot.pause()
        assert "QUOTING 1 of 1" not in grid(one.app)


async def test_an_ack_is_sent_and_an_alarm_rings_once() -> None:
    rung: list[bool] = []
    async with desk(pictures.quoting()) as one:
        one.app.bell = lambda: rung.append(True)  # type: ignore[method-assign]  # what a terminal would hear
        one.source.frame = pictures.killed()
        for _ in range(3):
            one.app.pull()
        assert len(rung) == 1 and one.app.herald.alarmed
        await one.press("a")
        one.app.pull()
        assert one.source.asked == [("ack", {})] and len(rung) == 1 and not one.app.herald.alarmed
        one.source.frame, one.source.now_link = pictures.live(), LOST
        for _ in range(3):
            one.app.pull()
        assert len(rung) == 2 and one.app.herald.title == "!! PMM LIVE $", "real money that is not heard"
        one.source.now_link = UP
        one.app.pull()
        assert one.app.herald.title == "PMM LIVE $"


@pytest.mark.parametrize(
    ("line", "means"),
    [
        ("max_position_size: 200 -> 300", "wider"),
        ("max_position_size: 300 -> 200", "tighter"),
        ("default_half_spread_bps: 50 -> 40", "wider"),
        ("shrink_to_position_limit: true -> false", "wider"),
        ("shrink_to_position_limit: false -> true", "tighter"),
        ("kill_switch_max_drawdown_pct: 25.0 -> 20.0 (needs a restart)", "tighter"),
        ("markets: auto -> btc (needs a restart)", "unknown"),
        ("width_model: glft -> as", "unknown"),
        ("2 of 3 changes applied", ""),
    ],
)
def test_what_a_change_does_to_the_risk(line: str, means: str) -> None:
    assert risk_of(line) == means and adds_risk(line) is (means != "tighter")


async def test_rates_slow_the_console_and_a_blurred_one_looks_once_a_second() -> None:
    app = PmmApp(FakeSource(pictures.quoting()))
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.rate == 10
        await pilot.press("minus", "minus")
        assert app.rate == 2
        await pilot.press("minus", "minus", "minus")
        assert app.rate == 1
        await pilot.press("plus")
        assert app.rate == 2
        await asyncio.sleep(0)
