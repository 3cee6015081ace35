"""Section A of the catalogue, market data: whatever the market channel does, no quote rests on a book that is not the true one."""

from itertools import pairwise

import pytest
from msgspec import structs

from pmm_tui.core.commands import Place
from pmm_tui.core.events import BookReset, LinkDown, LinkUp, OrderFilled
from pmm_tui.core.market import Side
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.runtime.virtual import clock
from tests.faults.crowd import MARKET
from tests.faults.scene import STEP_S, Scene, playing
from tests.venues.clob_stand import timeless


def truth(scene: Scene) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The exchange's book."""
    token = scene.crowd.market.yes
    bids, asks = (scene.matching.levels(token, side) for side in Side)
    return [(int(price), int(size)) for price, size in bids], [(int(price), int(size)) for price, size in asks]


def belief(scene: Scene) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The desk's."""
    bids, asks = (scene.market.book.levels(side, 1_000) for side in Side)
    return [(int(price), int(size)) for price, size in bids], [(int(price), int(size)) for price, size in asks]


def touch_is_true(scene: Scene) -> bool:
    """Whether the desk's touch is the exchange's."""
    bids, asks = truth(scene)
    return (scene.market.book.bid, scene.market.book.ask) == (bids[0][0] if bids else 0, asks[0][0] if asks else 10_000)


async def wander(scene: Scene, seconds: int) -> float:
    """The crowd moves every second; the longest time in which orders rested on a touch that was not the true one, seconds."""
    worst = since = 0.0
    for second in range(seconds):
        middle = 5_000 + (0, 100, 300, 100, -200, -100)[second % 6]
        scene.show(middle - 300, middle + 300)
        for _ in range(round(1 / STEP_S)):
            await scene.seconds(STEP_S)
            since = since + STEP_S if scene.resting() and not touch_is_true(scene) else 0.0
            worst = max(worst, since)
    return worst


async def back(scene: Scene, began: Nanos, within_s: float = 10) -> None:
    """The socket is back, the desk quotes again, and in between, before the new book was told whole, nothing was placed."""
    await scene.until(lambda: scene.facts(LinkUp, began), within_s)
    await scene.quoting(10)
    [down, *_], [up, *_] = scene.facts(LinkDown, began), scene.facts(LinkUp, began)
    book = next(fact for fact in scene.facts(BookReset, up.at))
    placed = [at for at, command in scene.desk.said if isinstance(command, Place) and at > down.at]
    assert placed and min(placed) >= book.at


async def same_book(scene: Scene) -> None:
    """Nothing moves any more, and the desk's book is the exchange's, level by level."""
    scene.crowd.pulsing = False
    await scene.seconds(1)
    assert truth(scene) == belief(scene)
    scene.crowd.pulsing = True


@timeless
async def test_F01_a_silent_freeze_pulls_the_quotes_within_six_seconds() -> None:
    async with playing() as scene:
        scene.cause("market_freeze", lasts=20)
        began = clock()
        scene.show(4_500, 5_500)
        assert await scene.pulled(6.0) > 4
        assert [fact.link for fact in scene.facts(LinkDown, began)] == ["market"]
        assert scene.books.rotations == 1
        await scene.quoting(30)
        assert scene.places(began) and clock() - began >= 20 * SECOND


@timeless
async def test_F02_a_frame_cut_in_half_is_dropped_and_the_book_comes_anew() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("drop_connection", channel="market", times=1)
        await back(scene, began)
        await same_book(scene)
        assert (scene.books.connections, scene.books._decoder.malformed) == (2, 0)


@timeless
async def test_F03_a_refused_market_socket_is_tried_again_ever_more_rarely() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("refuse_upgrade", path="/ws/market", status=429, lasts=60)
        scene.cause("drop_connection", channel="market", times=1)
        await scene.pulled(2)
        await scene.seconds(60)
        tries = scene.arrived("GET", "/ws/market", began)
        assert 3 <= len(tries) <= 12 and tries[-1] - tries[-2] > tries[1] - tries[0]
        assert min(later - before for before, later in pairwise(tries)) >= SECOND  # Retry-After says one second
        await back(scene, began, 60)


@timeless
@pytest.mark.parametrize("status", [401, 403])
async def test_F03_a_refused_user_channel_halts_for_good(status: int) -> None:
    async with playing() as scene:
        scene.cause("refuse_upgrade", path="/ws/user", status=status, times=1)
        scene.cause("drop_connection", channel="user", times=1)
        scene.hit()
        await scene.pulled(2)
        began = clock()
        await scene.seconds(60)
        assert not scene.posted(began) and not scene.resting()
        assert scene.engine.state.links["user"].why == "key refused"


@timeless
async def test_F04_lost_changes_never_leave_quotes_on_a_wrong_touch_for_long() -> None:
    async with playing() as scene:
        scene.cause("drop_frames", channel="market", share=0.1)
        worst = await wander(scene, 60)
        assert scene.faults.struck["drop_frames"] > 20 and scene.books.resyncs
        assert worst <= 1.5  # told to be astray for a second, and then the cancel's way
        scene.cease()
        await scene.quoting(20)
        await same_book(scene)


@timeless
async def test_F05_every_frame_three_times_is_the_same_book() -> None:
    async with playing() as scene:
        scene.cause("duplicate_frames", channel="market", copies=2, ms=0)
        assert await wander(scene, 20) <= 0.1 and scene.faults.struck["duplicate_frames"] > 100
        await same_book(scene)
        assert (scene.market.resyncs, scene.books.connections) == (0, 1)


@timeless
async def test_F05_a_frame_that_comes_again_much_later_does_no_lasting_harm() -> None:
    async with playing() as scene:
        scene.cause("duplicate_frames", channel="market", copies=2, ms=400)
        assert await wander(scene, 20) <= 1.5
        scene.cease()
        await scene.until(lambda: truth(scene) == belief(scene), 15)
        assert scene.books.connections == 1


@timeless
async def test_F06_frames_out_of_order_end_in_the_true_book() -> None:
    async with playing() as scene:
        scene.cause("reorder_frames", channel="market", ms=150)
        assert await wander(scene, 20) <= 1.0
        scene.cease()
        await scene.until(lambda: truth(scene) == belief(scene), 15)
        assert scene.books.connections == 1


@timeless
@pytest.mark.parametrize(("ms", "fetched"), [(300, False), (5_000, True)])
async def test_F07_a_locked_book_is_never_priced_and_fetched_anew_when_it_stays(ms: int, fetched: bool) -> None:
    # Eight wrong hashes in a row would have it fetched sooner: what is looked at here is the touch.
    async with playing(hash_streak_max=1_000) as scene:
        scene.cause("crossed_frames", times=1, ms=ms)
        began, locked = clock(), 0
        while clock() - began < 2 * SECOND:
            await scene.seconds(0.01)
            book = scene.market.book
            if book.ask <= book.bid:
                locked += 1
                assert scene.market.hold in ("", "crossed book") and not scene.places(Nanos(clock() - SECOND // 100))
        assert 20 <= locked <= 80 and (scene.market.resyncs > 0) is fetched
        assert scene.noted("crossed book: fetched anew") is fetched
        await scene.quoting()
        await same_book(scene)


@timeless
async def test_F08_a_wrong_hash_alone_is_a_soft_alarm_that_is_believed_three_times() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("wrong_hash")
        await scene.pulled(3)
        assert scene.market.hold.startswith("book hash wrong")
        await scene.until(lambda: scene.market.false_alarms == 3, 60)
        await scene.quoting(20)  # REST showed the very book each time: the hashes are not looked at any more
        fetched = scene.market.resyncs
        await scene.seconds(60)
        assert scene.market.resyncs == fetched and len(scene.resting()) == 2
        assert scene.engine.state.kill.phase == "ok" and scene.market.integrity.mismatched > 100
        assert not scene.facts(LinkDown, began)
        await same_book(scene)


@timeless
async def test_F09_a_ghost_book_is_never_quoted_on() -> None:
    async with playing(hash_streak_max=1_000) as scene:
        began = clock()
        scene.cause("ghost_book")
        scene.cause("crossed_frames", times=1, ms=20_000)
        await scene.until(lambda: scene.books.ghosts, 5)
        await scene.until(lambda: scene.books.connections == 2, 10)  # no REST book to be had: a new socket brings one
        await scene.quoting(10)
        assert all(4_700 <= place.price <= 5_300 for place in scene.places(began))
        await same_book(scene)


@timeless
async def test_F10_an_old_snapshot_never_takes_the_book_back() -> None:
    async with playing(hash_streak_max=1_000) as scene:
        scene.cause("late_answers", path="/book", ms=2_000)
        scene.cause("crossed_frames", times=1, ms=600)
        await scene.until(lambda: scene.market.resyncs, 3)
        scene.show(4_500, 5_100)  # while the snapshot is on its way
        await scene.seconds(1)
        scene.show(4_400, 5_000)
        await scene.until(lambda: scene.facts(BookReset)[-1].rest, 5)
        for _ in range(40):
            await scene.seconds(STEP_S)
            assert scene.market.book.ask <= 5_000
        await scene.quoting()
        await same_book(scene)


@timeless
async def test_F10_a_snapshot_from_a_cache_is_refused_for_a_new_socket() -> None:
    async with playing(hash_streak_max=1_000) as scene:
        scene.cause("stale_gamma", path="/book", age_s=60)
        scene.cause("crossed_frames", times=1, ms=600)
        await scene.until(lambda: scene.facts(BookReset)[-1].rest, 5)
        scene.show(4_500, 5_100)
        await scene.seconds(6)  # not fetched anew more often than that
        scene.cause("crossed_frames", times=1, ms=600)
        await scene.until(lambda: scene.market.resyncs == 2, 5)
        for _ in range(round(10 / STEP_S)):
            await scene.seconds(STEP_S)
            assert scene.market.book.ask not in (5_200, 5_300)
        assert scene.books.connections == 2
        await scene.quoting()
        await same_book(scene)


@timeless
@pytest.mark.parametrize("side", list(Side))
async def test_F11_a_one_sided_book_is_not_quoted(side: Side) -> None:
    async with playing() as scene:
        scene.empty(side)
        await scene.pulled(2)
        began = clock()
        await scene.seconds(10)
        assert scene.market.hold == "one-sided book" and not scene.places(began)
        scene.empty(side.other)  # the other side comes back, and this one leaves
        await scene.seconds(3)
        assert not scene.places(began)
        scene.show(4_700, 5_300)
        await scene.quoting()


@timeless
@pytest.mark.parametrize("text", ["NaN", "Infinity", "-0.48", "0", "1e400", "٣", "0.5.1", ""])
async def test_F12_a_number_that_is_none_changes_nothing(text: str) -> None:
    async with playing() as scene:
        before, rested, began = belief(scene), scene.resting(), clock()
        scene.cause("bad_numbers", text=text, event="price_change", times=3)
        await scene.seconds(1)
        assert scene.books._decoder.malformed == 3 and scene.faults.struck["bad_numbers"] == 3
        assert [[price for price, _ in side] for side in belief(scene)] == [[price for price, _ in side] for side in before]
        assert scene.resting() == rested and not scene.places(began)
        await same_book(scene)


@timeless
async def test_F12_ten_bad_frames_a_minute_cost_the_socket() -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("bad_numbers", text="1e400", event="price_change", times=10)
        await scene.until(lambda: scene.books.connections == 2, 10)
        await back(scene, began)
        assert [fact.reason for fact in scene.facts(LinkDown, began)] == ["socket 1: 10 unreadable frames within a minute"]
        await same_book(scene)


@timeless
@pytest.mark.parametrize(("form", "told"), [("long", "1009"), ("deep", ""), ("digits", "")])
async def test_F13_a_giant_frame_is_contained(form: str, told: str) -> None:
    async with playing() as scene:
        began = clock()
        scene.cause("giant_message", form=form, bytes=10_485_760 if told else 200_000, times=1)
        await scene.seconds(2)
        downs = scene.facts(LinkDown, began)
        assert bool(downs) is bool(told) and all(told in fact.reason for fact in downs)
        assert scene.books._decoder.malformed == (0 if told else 1)
        await scene.quoting(10)


@timeless
async def test_F14_a_title_that_would_command_the_terminal_is_told_without_it() -> None:
    async with playing(Scene(structs.replace(MARKET, question="\x1b]0;owned\x07 \u202egnp.exe"))) as scene:
        told = scene.engine.snapshot().markets[0]
        assert told.question and all(mark.isprintable() for mark in told.question + scene.market.name)


@timeless
async def test_F15_a_trade_of_an_unknown_status_counts_and_is_settled_by_what_the_account_says() -> None:
    async with playing() as scene:
        scene.cause("unknown_status", event="trade")
        scene.hit()
        await scene.until(lambda: scene.facts(OrderFilled), 1)
        [fill] = scene.engine.state.portfolio.fills.values()
        assert fill.status == "MATCHED" and scene.matching.trades
        await scene.until(lambda: fill.status == "CONFIRMED", 20)
        assert scene.engine.state.kill.phase == "ok"


@timeless
async def test_F16_a_flood_of_frames_loses_no_fill_and_no_order() -> None:
    async with playing() as scene:
        scene.cause("duplicate_frames", channel="market", copies=300, ms=500, lasts=1)
        scene.cause("duplicate_frames", channel="user", copies=50, ms=500, lasts=1)
        hit = scene.hit()
        await scene.seconds(3)
        assert [fill.size for fill in scene.engine.state.portfolio.fills.values()] == [hit.size]
        assert scene.facts(LinkDown)[-1].reason == "opening"
        await scene.quoting()
