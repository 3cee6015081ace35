"""What is remembered, and for how long: the desk and the ledger that tells it facts again, over half an hour."""

import msgspec
import pytest

from pmm_tui.core.answers import asked
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event, MarketListed, OrderAccepted, Ticked
from pmm_tui.core.fees import taker_fee
from pmm_tui.core.instructions import Paused
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import Order
from pmm_tui.core.units import DOLLAR, SHARE, Price, Size
from pmm_tui.venues.clob.ledger import Entry, Stage
from tests.core.desk import book, knobs
from tests.venues.scripted_clob import MARKET, START
from tests.venues.test_clob_ledger import at, fresh, piece, sent

HALF_AN_HOUR_S = 1_800


class Desk:
    """An engine and a ledger with one order of ten shares, asked about every ten seconds as a desk asks."""

    def __init__(self) -> None:
        self.engine, self.ledger = Engine(knobs()), fresh()
        self.tell(MarketListed(at(0), MARKET), Paused(at(0), "test"), book(1, "47x500 | 53x500", MARKET))
        self.entry: Entry = sent(self.ledger, 1, Stage.BOOKED)
        state, market = self.engine.state, self.engine.state.markets[MARKET.id]
        order = Order(1, MARKET.id, MARKET.yes, Side.BUY, Price(4_900), Size(10 * SHARE), Kind.POST_ONLY, "maker", 0, START)
        market.live[1] = state.live[1] = order
        state.next_order = 2
        self.tell(OrderAccepted(at(0), 1, "0xid1"))

    def tell(self, *facts: Event) -> None:
        """Facts to the engine."""
        for fact in facts:
            self.engine.step(fact)

    def pass_time(self, since_s: int, until_s: int) -> None:
        """Ticks, a question every ten seconds, and what is long over forgotten on both sides every minute."""
        for tenth in range(10 * since_s, 10 * until_s):
            now = at(tenth / 10)
            self.tell(Ticked(now))
            if tenth % 100 == 0:
                self.ledger.read_at = now
                self.tell(*self.ledger.again(asked(self.engine.state), now))
            if tenth % 600 == 0:
                self.ledger.forget(now)

    def hear(self, trade: str, status: str, after_s: int, now_s: int) -> None:
        """News of a trade of five shares."""
        self.tell(*self.ledger.hear([piece(trade, status=status, shares=5, after_s=after_s)], at(now_s), True))


def test_F47_a_settled_fill_of_an_order_whose_other_fill_waits_for_the_chain_is_booked_once_in_half_an_hour() -> None:
    desk = Desk()
    desk.hear("a", "MATCHED", 2, 2)
    desk.hear("a", "CONFIRMED", 2, 8)
    desk.hear("b", "MATCHED", 200, 200)
    desk.pass_time(200, HALF_AN_HOUR_S)
    state = desk.engine.state
    assert asked(state) == (1,) and state.portfolio.shares(MARKET.yes) == 10 * SHARE and not state.foreign
    desk.hear("b", "CONFIRMED", 200, HALF_AN_HOUR_S)
    desk.pass_time(HALF_AN_HOUR_S, HALF_AN_HOUR_S + 1_000)
    assert asked(state) == () and not state.portfolio.fills and not state.finished, "and then it is forgotten"
    assert (state.portfolio.shares(MARKET.yes), state.portfolio.cash) == (10 * SHARE, 500 * DOLLAR - 4_900_000)
    assert state.portfolio.fill_count == 2 and not state.kill.stopped


def test_F47_a_trade_of_an_earlier_run_is_never_news_however_old_it_is() -> None:
    for age_s in range(0, 1_500, 50):
        ledger = fresh()
        since_s = ledger.begin(at(0))
        old = piece("old", "0xof-before", "CONFIRMED", after_s=-age_s)
        ledger.opened([old] if old.at_s >= since_s else [], at(0))
        assert not ledger.hear([old], at(5), True), age_s


@pytest.mark.parametrize("side", list(Side))
def test_what_was_taken_at_several_prices_is_booked_to_the_micro_dollar(side: Side) -> None:
    """900 at an average of 0.523333...: a price of four decimals is three cents off."""
    desk = Desk()
    buys = side is Side.BUY
    order = msgspec.structs.replace(desk.entry.place, side=side, size=Size(900 * SHARE))
    desk.engine.state.live[1].side, desk.engine.state.live[1].size = side, order.size
    legs = ((Price(5_300), Size(300 * SHARE)), (Price(5_200), Size(600 * SHARE)))
    taken = msgspec.structs.replace(piece("t", shares=900, maker=False), side=side, price=Price(5_234 if buys else 5_233), legs=legs)
    before = desk.engine.state.portfolio.cash
    desk.tell(*desk.ledger.hear([taken], at(1), True))
    fee = sum(taker_fee(MARKET.fees, *leg) for leg in legs)
    assert fee > 0 and desk.engine.state.portfolio.cash - before == (-1 if buys else 1) * 471 * DOLLAR - fee
