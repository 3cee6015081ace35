"""Questions: what costs money is shown first, what adds risk is typed, and nothing is confirmed by a held, hurried or pasted key."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from msgspec.structs import replace
from textual import events

from pmm_tui.core.snapshot import FeedRow, Frame
from pmm_tui.tui.dialogs.asked import first_quotes
from pmm_tui.tui.dialogs.question import Confirm, Dialog, Notice, TypePhrase
from pmm_tui.tui.elsewhere import PreflightLine
from pmm_tui.tui.state import Scene
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures, scenes
from tests.faces.conftest import grid
from tests.faces.driver import desk
from tests.faces.fake_desk import UP
from tests.faces.pictures import NOW
from tests.faces.test_picker import Machine
from tests.faces.test_two_desks import Two, rehearsal, two


async def test_space_pauses_at_once_and_resumes_paper_but_not_by_being_held() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("space")
        assert one.source.asked == [("pause", {"market": ""})]
        one.source.frame = pictures.paused()
        one.app.pull()
        for _ in range(20):
            await one.press("space", apart=0.03)
        assert len(one.source.asked) == 1 and "let go" in one.said
        await one.press("space", apart=1.0)
        assert one.source.asked[1:] == [("resume", {"market": ""})]


async def test_resuming_real_money_is_typed() -> None:
    frame = pictures.paused()
    async with desk(replace(frame, card=pictures.live().card)) as one:
        await one.press("space")
        assert isinstance(one.app.screen, TypePhrase) and one.source.asked == []
        shown = grid(one.app)
        assert "LIVE $$$ REAL MONEY: resume" in shown and "account 0x71…9c" in shown and "balance" in shown and "none today" in shown
        assert "500 sh a market" in shown and "drawdown" in shown
        one.clock.now += 1
        await one.press("enter")
        assert not isinstance(one.app.screen, Dialog) and one.source.asked == [], "an empty Enter is Cancel"
        await one.press("space", apart=1.0)
        one.clock.now += 1
        await one.type("RESUME LIV")
        await one.press("enter")
        assert isinstance(one.app.screen, TypePhrase) and one.source.asked == []
        await one.type("E")
        await one.press("enter")
        assert one.source.asked == [("resume", {"market": ""})]


async def test_pasting_a_phrase_is_refused() -> None:
    frame = pictures.paused()
    async with desk(replace(frame, card=pictures.live().card)) as one:
        await one.press("space")
        one.clock.now += 1
        one.app.screen.post_message(events.Paste("RESUME LIVE"))
        await one.pilot.pause()
        await one.press("enter")
        assert one.source.asked == []
        await one.press("space")
        one.clock.now += 1
        one.app.post_message(events.Paste("RESUME LIVE"))
        await one.pilot.pause()
        assert "paste refused" in grid(one.app)
        await one.type("RESUME LIVE", apart=0.001)
        await one.press("enter")
        assert one.source.asked == []


async def test_one_market_can_be_paused_and_resumed() -> None:
    async with desk(pictures.three()) as one:
        await one.press("down", "p")
        assert one.source.asked == [("pause", {"market": pictures.ETH})]
        rows = tuple(replace(row, state="paused") for row in pictures.three().snapshot.markets)
        one.source.frame = replace(pictures.three(), snapshot=replace(pictures.three().snapshot, markets=rows))
        one.app.pull()
        await one.press("j", "p", apart=1.0)
        assert one.source.asked[1:] == [("resume", {"market": pictures.FED})]


async def test_flatten_shows_its_orders_and_is_confirmed_only_by_a_late_single_y() -> None:
    async with desk(pictures.three()) as one:
        await one.press("f")
        assert isinstance(one.app.screen, Confirm)
        shown = grid(one.app)
        assert "SELL 80 Up" in shown and "at 50.0¢ or better" in shown and "-$2.00" in shown and "cancel 6 open orders" in shown
        await one.press("y", apart=0.2)
        assert one.source.asked == [], "too early"
        await one.press("y", "y", "y", apart=0.03)
        assert one.source.asked == [], "held down"
        await one.press("enter", apart=1.0)
        assert not isinstance(one.app.screen, Dialog) and one.source.asked == [], "Enter takes Cancel"
        await one.press("f", "escape", "f", "n")
        assert one.source.asked == []
        await one.press("f")
        await one.press("y", apart=1.0)
        assert one.source.asked == [("flatten", {"market": pictures.BTC})]
        await one.press("F")
        await one.press("y", apart=1.0)
        assert one.source.asked[1:] == [("flatten", {"market": ""})]


@pytest.mark.parametrize("size", [(80, 24), (60, 12)])
async def test_what_a_flatten_costs_is_never_cut_however_many_markets_there_are(size: tuple[int, int]) -> None:
    rows = tuple(replace(pictures.market(), id=f"0x{number}", question=f"Market {number}") for number in range(12))
    async with desk(replace(pictures.live(), snapshot=replace(pictures.snapshot(), markets=rows)), size) as one:
        await one.press("F")
        shown = grid(one.app)
        assert "worst cost against the mid  -$24.00" in shown and "proceeds at the worst price $480.00" in shown
        assert "and 4 more markets" in shown if size == (80, 24) else "lines more" in shown
        await one.press("y", apart=1.0)
        assert "worst cost against the mid  -$24.00" in grid(one.app) and "FLATTEN 480" in grid(one.app)


async def test_every_dialog_names_its_desk() -> None:
    for frame, name in ((pictures.three(), "PAPER: "), (pictures.live(), "LIVE $$$ REAL MONEY: ")):
        async with desk(frame) as one:
            for key, title in (("question_mark", "Keys of"), ("colon", "Command"), ("0", "Layout"), ("m", "To real money")):
                if key != "m" or frame.card.mode == "PAPER":
                    await one.press(key)
                    assert name + title in grid(one.app)
                    await one.press("escape")


async def test_flattening_much_real_money_is_typed_with_its_amount() -> None:
    big = replace(pictures.market(), yes=pictures.lots(1_040))
    frame = replace(pictures.live(), snapshot=replace(pictures.snapshot(), markets=(big,)))
    async with desk(frame) as one:
        await one.press("f")
        assert isinstance(one.app.screen, Confirm) and "asks for the amount" in grid(one.app)
        await one.press("y", apart=1.0)
        assert isinstance(one.app.screen, TypePhrase) and "FLATTEN 500" in grid(one.app) and one.source.asked == []
        one.clock.now += 1
        await one.type("FLATTEN 500")
        await one.press("enter")
        assert one.source.asked == [("flatten", {"market": pictures.BTC})]


async def test_where_the_venue_takes_post_only_orders_alone_a_flatten_can_only_rest() -> None:
    async with desk(scenes.post_only()) as one:
        await one.press("f")
        shown = grid(one.app)
        assert "nothing can be sold at once" in shown and "cross the spread" not in shown and "rest at the touch" in shown
        await one.press("y", apart=1.0)
        assert one.source.asked == []
        await one.press("p", apart=1.0)
        assert one.source.asked == [("flatten", {"market": pictures.BTC, "passive": True})]


async def test_a_flatten_with_nothing_to_sell_or_nobody_to_buy_says_so() -> None:
    flat = replace(pictures.market(), yes=pictures.lots(40))
    async with desk(replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(flat,)))) as one:
        await one.press("f")
        assert "nothing to sell" in grid(one.app) and "merge" not in grid(one.app)
        await one.press("escape")
        pairs = replace(pictures.market(), merges=pictures.lots(40), exit_fee=pictures.usd(0.13))
        one.source.frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(pairs,)))
        one.app.pull()
        await one.press("f")
        shown = grid(one.app)
        assert "merge 40 Up with 40 Down" in shown and "into $40.00, less the gas" in shown and "and a fee of $0.13" in shown
        await one.press("escape")
        alone = replace(pictures.market(), bids=())
        one.source.frame = replace(pictures.quoting(), snapshot=replace(pictures.snapshot(), markets=(alone,)))
        one.app.pull()
        await one.press("f")
        assert "nobody bids" in grid(one.app)


async def test_a_reset_takes_its_mode_and_a_reason() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("R")
        assert "nothing to reset" in one.said
        one.source.frame = pictures.killed()
        one.app.pull()
        await one.press("R")
        one.clock.now += 1
        await one.type("RESET PAPER ")
        await one.press("enter")
        assert one.source.asked == [] and isinstance(one.app.screen, TypePhrase)
        await one.type("feed fixed")
        await one.press("enter")
        assert one.source.asked == [("kill_reset", {"reason": "feed fixed"})]
        await one.press("space")
        assert len(one.source.asked) == 1 and "until it is reset" in one.said


async def test_reload_shows_the_diff_before_it_applies() -> None:
    async with desk(pictures.quoting()) as one:
        one.source.answers["reload"] = (True, "the profile has not changed")
        await one.press("r")
        assert "has not changed" in one.said and not isinstance(one.app.screen, Dialog)
        one.source.answers["reload"] = (False, "run-007.yaml line 3: gamma: found x, allowed a number")
        await one.press("r")
        assert "line 3" in one.said and one.app.scene.message[0] == "alarm"
        one.source.answers["reload"] = (True, "default_half_spread_bps: 50 -> 40\nmarkets: a -> b (needs a restart)")
        await one.press("r")
        shown = grid(one.app)
        assert "default_half_spread_bps: 50 -> 40" in shown and "WIDER" in shown and "needs a restart" in shown
        why = "nothing was applied: no preflight of these values passed today (none). Stop the desk, then: pmm-tui preflight --profile x"
        one.source.answers["reload"] = (False, f"{why}\nmarkets: a -> b (needs a restart)")
        await one.press("y", apart=1.0)
        await one.pilot.pause()
        assert [args for _, args in one.source.asked] == [{"apply": False}] * 3 + [{"apply": True}]
        assert isinstance(one.app.screen, Notice), "a refusal is read whole"
        assert "pmm-tui preflight --profile x" in grid(one.app), "what to do, beyond what the footer has room for"


async def test_stopping_the_desk_asks_and_quitting_stops_only_what_this_console_started() -> None:
    async with desk(pictures.quoting()) as one:
        await one.press("Q", "escape", "Q")
        await one.press("y", apart=1.0)
        assert one.source.asked == [("stop", {})]
        await one.press("q")
        assert one.source.asked == [("stop", {}), ("ack", {"leaving": True})] and not one.app.is_running
    async with desk(pictures.quoting()) as one:
        one.app.stops_paper = True
        await one.press("ctrl+q")
        assert one.source.asked == [("stop", {})]
    async with desk(pictures.live()) as one:
        one.app.stops_paper = True
        await one.press("q")
        assert one.source.asked == [], "a desk with real money is never ended by leaving"


async def test_live_stop_and_live_profile_are_typed() -> None:
    async with desk(pictures.live()) as one:
        await one.press("Q")
        assert isinstance(one.app.screen, TypePhrase)
        one.clock.now += 1
        await one.type("STOP LIVE")
        await one.press("enter")
        one.source.answers["reload"] = (True, "max_position_size: 500 -> 900")
        await one.press("r")
        assert isinstance(one.app.screen, TypePhrase)
        one.clock.now += 1
        await one.type("APPLY LIVE")
        await one.press("enter")
        assert one.source.asked == [("stop", {}), ("reload", {"apply": False}), ("reload", {"apply": True, "typed": "APPLY LIVE"})]


def paused_live() -> Frame:
    """Real money, held back."""
    return replace(pictures.paused(), card=pictures.live().card)


def passed(against: str = "", failed: str = "") -> PreflightLine:
    """A stored preflight."""
    names = ("venue and key", "clock", "balance", "allowances", "place and cancel", "kill drill")
    return PreflightLine(NOW, against, tuple((name, name != failed, "$3 at the venue") for name in names))


async def there(desks: Two, checked: PreflightLine | None) -> str:
    """What stands on the screen after m, on a machine with that preflight."""
    machine = Machine()
    machine.checked, desks.app.elsewhere = checked, machine
    await desks.press("m")
    await desks.app.workers.wait_for_complete()
    await desks.pilot.pause()
    await desks.pilot.pause()
    assert machine.looked == [("prod-001", "0x71…9c")]
    return "\n".join(desks.lines())


async def test_to_live_is_typed_behind_what_that_desk_knows_and_back_is_one_key() -> None:
    async with two(pictures.quoting(), paused_live()) as desks:
        shown = await there(desks, passed())
        assert isinstance(desks.app.screen, TypePhrase)
        assert "LIVE $$$ REAL MONEY" in shown and "pre-flight" in shown and "0x71…9c" in shown and "LIVE prod-001" in shown
        assert desks.live.asked == []
        for char in "LIVE prod-001":
            await desks.press("space" if char == " " else char)
        await desks.press("enter")
        assert desks.live.asked == [("resume", {"market": "", "from_paper": True})] and desks.paper.asked == []
        assert desks.app.source is desks.live
        await desks.press("m")
        assert [cmd for cmd, _ in desks.live.asked] == ["resume", "pause"] and desks.app.source is desks.paper
        await desks.pilot.pause()
        assert desks.app.scene.message[1].endswith("its resume is typed; the keys go to PAPER now")


async def test_a_rehearsal_says_that_its_resume_asks_nothing_and_it_does_not() -> None:
    async with desk(rehearsal()) as one:
        await one.press("m")
        assert one.source.asked == [("pause", {"market": ""})] and one.said.endswith("its resume asks nothing, as no money is at stake")
        one.source.frame = replace(rehearsal(), snapshot=pictures.paused().snapshot)
        one.app.pull()
        await one.press("space", apart=1.0)
        assert one.source.asked[1:] == [("resume", {"market": ""})]


async def test_a_typed_dialog_says_what_it_does_not_hear() -> None:
    async with desk(pictures.live()) as one:
        await one.press("Q")
        assert "not heard: paste, hurried keys, the first 0.5 s after opening" in grid(one.app)


async def test_the_way_to_live_shows_the_stored_preflight_and_every_link() -> None:
    async with two(pictures.quoting(), paused_live(), (80, 24)) as desks:
        feeds = (*scenes.production().snapshot.feeds, FeedRow("venue", False, NOW, "restarting"))
        desks.live.frame = replace(paused_live(), snapshot=replace(paused_live().snapshot, feeds=feeds))
        desks.app.pull()
        shown = await there(desks, passed())
        assert isinstance(desks.app.screen, TypePhrase) and "6 of 6 passed" in shown and "✔ kill drill" in shown
        assert "first quotes  not known: it wishes none now" in shown and "balance" in shown and "Type  LIVE prod-001" in shown
        words = shown.partition("desk now")[2].partition("held by")[0]
        assert words.index("✖ venue") < words.index("✔ desk heard") and words.count("✔") + words.count("✖") == len(feeds) + 1
    quoted = pictures.live()
    (row,) = quoted.snapshot.markets
    rows = (replace(row, quotes=tuple(replace(one, held="paused by the operator") for one in row.quotes)),)
    frames = (quoted, replace(quoted, snapshot=replace(quoted.snapshot, markets=rows)))
    assert {first_quotes(Scene(one, UP)) for one in frames} == {"4 orders, notional ≤ $49.00"}


@pytest.mark.parametrize(
    ("checked", "words"),
    [
        (None, ["none today"]),
        (passed("the last one failed", "balance"), ["5 of 6 passed", "✖ balance: $3 at the venue", "! the last one failed"]),
        (passed("the last one is of 2026-11-20"), ["! the last one is of 2026-11-20"]),
    ],
    ids=["none", "failed", "yesterday"],
)
async def test_nobody_goes_to_live_without_a_preflight_of_today(checked: PreflightLine | None, words: list[str]) -> None:
    async with two(pictures.quoting(), paused_live(), (80, 24)) as desks:
        shown = await there(desks, checked)
        assert isinstance(desks.app.screen, Notice) and "cannot go there now" in shown
        assert [one for one in (*words, "stop this desk", "pmm-tui preflight --profile prod-001") if one not in shown] == [], shown
        await desks.press("L", "m")
        assert desks.live.asked == [] and desks.app.source is desks.paper


async def test_to_a_live_desk_that_was_killed_nobody_goes() -> None:
    dead = replace(pictures.killed(), card=pictures.live().card)
    async with two(pictures.quoting(), dead) as desks:
        shown = await there(desks, passed())
        assert isinstance(desks.app.screen, Notice) and "e gives it the keys, then R resets it" in shown and "6 of 6 passed" in shown
        assert "held by       the kill switch" in shown


async def test_to_a_live_desk_with_a_fault_nobody_goes() -> None:
    faulty = replace(paused_live(), card=replace(paused_live().card, busy="disk full"))
    async with two(pictures.quoting(), faulty) as desks:
        assert "m  mode" not in "\n".join(desks.lines())
        shown = await there(desks, passed())
        assert isinstance(desks.app.screen, Notice) and "DESK FAULT: disk full" in shown


async def test_a_closed_dialog_leaves_no_painted_lines_behind() -> None:
    painted = []
    async with desk(pictures.quoting()) as one:
        for _ in range(2):
            await one.press("question_mark")
            painted += [weakref.ref(widget._styles_cache) for widget in (one.app.screen, one.app.screen.query_one(Pane))]
            await one.press("escape")
        gc.collect()
        assert len(painted) == 4 and not any(cache() for cache in painted)


async def test_another_theme_sends_for_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmm_tui.tui.memory.SWEEP_S", 0.01)
    swept = asyncio.Event()

    def whole(phase: str, info: dict[str, Any]) -> None:
        if info["generation"] == 2 and phase == "stop":
            swept.set()

    async with desk(pictures.quoting()) as one:
        gc.disable()
        gc.callbacks.append(whole)
        try:
            one.app.dress("cb")
            await asyncio.wait_for(swept.wait(), 20)
        finally:
            gc.callbacks.remove(whole)
            gc.enable()
