"""The tape's crowd on real recordings: the recorded book around our orders, prints that find their changes, and a queue of our own."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from random import Random

import pytest

import pmm_tui
from pmm_tui.core.events import Event, MarketListed, Traded
from pmm_tui.core.market import Market
from pmm_tui.core.units import MILLI, ONE, Nanos, Price, Size
from pmm_tui.exchange.ladder import in_yes
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.reel import Spot, splice
from pmm_tui.exchange.tape import TapeCrowd
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.recorded import facts
from pmm_tui.record.tape import read_tape
from tests.exchange.floor_scene import dollars, shares
from tests.exchange.test_tape import BUY, OURS, SELL, START, without_us
from tests.tapes.test_hashes import arriving, dense_frames, markets_in


def differences(matching: Matching, market: str, recorded: dict[Spot, Size]) -> set[tuple[Spot, int]]:
    """Where the book without us is not the recorded one, but for what stands across our orders."""
    ladder = matching.markets[market].ladder
    ours = [in_yes(ladder.market, order.token, order.side, order.price) for order in ladder.orders() if order.wallet == OURS]
    bid = max((price for side, price in ours if side is BUY), default=0)
    ask = min((price for side, price in ours if side is SELL), default=ONE)
    wanted = {spot: int(size) for spot, size in recorded.items() if size and (spot[1] < ask if spot[0] is BUY else spot[1] > bid)}
    return set(wanted.items()) ^ set(without_us(matching, market).items())


def dense(recordings: Path) -> tuple[list[Event], Market]:
    """The dense recording, listed, and its market."""
    frames = dense_frames(recordings)
    markets = markets_in(frames)
    recorded = arriving(frames, markets)
    return [*(MarketListed(recorded[0].at, market) for market in markets.values()), *recorded], next(iter(markets.values()))


def crossed(recorded: dict[Spot, Size]) -> bool:
    bids, asks = ([price for (on, price), size in recorded.items() if on is side and size] for side in (BUY, SELL))
    return bool(bids and asks) and max(bids) >= min(asks)


def follow(told: list[Event], place_every: int) -> tuple[int, int, int]:
    """Play a recording moment by moment with orders of ours at and beside the touch: books compared, books crossed, orders filled."""
    matching, count, compared, across = Matching(Random(1)), 0, 0, 0
    matching.deposit(OURS, dollars(1e9))
    crowd, books = TapeCrowd(told, matching, START), dict[str, dict[Spot, Size]]()
    sent: list[Order] = []
    for at, moment in groupby(splice(told), lambda step: step.at):
        crowd.act(matching, crowd.when(at))
        touched = {step.market: books.setdefault(step.market, {}).update(step.levels) for step in moment if step.levels}
        for name in touched:
            if matching.markets[name].closed:
                continue
            if crossed(books[name]):
                across += 1
            else:
                compared += 1
                assert not differences(matching, name, books[name]), f"{name} at {at}"
            count += 1
            if count % place_every == 0:
                sent += _place(matching, name, count)
    return compared, across, sum(order.matched > 0 for order in sent)


def _place(matching: Matching, market: str, number: int) -> Iterator[Order]:
    """Our bid and, of the complement, our ask: where the touch is, a tick better where there is room."""
    pit = matching.markets[market]
    matching.cancel_where(OURS, START, market=market)
    bid, ask = pit.ladder.best(BUY), pit.ladder.best(SELL)
    if bid is None or ask is None:
        return
    better = pit.tick if number % 2 and ask - bid > 2 * pit.tick else 0
    for token, price in ((pit.market.yes, bid + better), (pit.market.no, ONE - ask + better)):
        name = f"0x{market[:6]}{number}{token[:4]}"
        order = Order(name, OURS, "key", market, token, BUY, Price(price), shares(25), Lasts.GTC, True, START)
        if not matching.place(order, START).error:
            yield order


def test_the_shipped_tape_is_shown_as_recorded_around_our_orders() -> None:
    told = list(facts(read_tape(Path(pmm_tui.__file__).parent / "data" / "demo.tape.zst"), Decoder()))[:900]
    compared, _, filled = follow(told, 20)
    assert compared > 700
    assert filled > 5, "without a print: by levels that reach us"


def test_a_dense_recording_is_shown_as_recorded_and_its_prints_find_their_changes(recordings: Path) -> None:
    told, _ = dense(recordings)
    steps = list(splice(told))
    lags = [(one.ts - step.ts) / MILLI for step in steps for one in step.prints]
    alone = [step for step in steps if isinstance(step.fact, Traded)]
    assert (len(lags), len(alone)) == (22, 1), "the change of the first one came before the recording began"
    assert all(15 <= lag <= 35 for lag in lags)
    compared, across, _ = follow(told, 50)
    assert compared > 1_000 and across < 5


def moments(told: list[Event], market: Market, spot: Spot, across: set[Spot]) -> Iterator[tuple[Nanos, int, bool]]:
    """Moment by moment: what was traded at a level, and whether the other side shows one of these."""
    for at, moment in groupby(splice(told), lambda step: step.at):
        taken, reached = 0, False
        for step in [step for step in moment if step.market == market.id]:
            reached = reached or any(step.levels.get(other) for other in across)
            prints = [*step.prints, *([step.fact] if isinstance(step.fact, Traded) else [])]
            taken += sum(one.size for one in prints if (one.side.other, one.price) == spot)
        yield at, taken, reached


@pytest.mark.parametrize("spot", [(BUY, Price(8_600)), (SELL, Price(8_700))])
def test_first_in_the_queue_of_a_dense_recording_gets_every_trade_there(recordings: Path, spot: Spot) -> None:
    """Checked moment by moment, until the other side reaches our price."""
    told, market = dense(recordings)
    matching, (side, price), prints = Matching(Random(1)), spot, 0
    matching.deposit(OURS, dollars(1_000))
    matching.give(OURS, market.yes, shares(1_000))
    matching.list_market(market, START)
    crowd, across = TapeCrowd(told, matching, START), range(100, price + 1, 100) if side is BUY else range(price, ONE, 100)
    order = Order("0x1", OURS, "key", market.id, market.yes, side, price, shares(300), Lasts.GTC, True, START)
    assert not matching.place(order, START).error
    for at, taken, reached in moments(told, market, (side, price), {(side.other, Price(other)) for other in across}):
        if reached:
            break
        prints += taken
        crowd.act(matching, crowd.when(at))
        assert order.matched == prints
    assert prints > shares(50), "there were trades to get"
