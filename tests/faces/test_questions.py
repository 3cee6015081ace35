"""Questions: what costs money is shown first, what adds risk is typed, and nothing is confirmed by a held, hurried or pasted key."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from msgspec.structs import replace
from textual import events

from pmm_tui.tui.dialogs.question import Confirm, Dialog, TypePhrase
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures
from tests.faces.conftest import grid
from tests.faces.driver import desk


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
        assert "LIVE $$$ REAL MONEY: resume" in grid(one.app)
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
        await one.press("y", apart=1.0)
        assert [args for _, args in one.source.asked] == [{"apply": False}] * 3 + [{"apply": True}]


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
