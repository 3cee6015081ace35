"""Whatever is asked of the exchange, in whatever order: money and shares are conserved, promises kept, the same again is the same."""

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pmm_tui.core.market import Fees, Market, Side
from pmm_tui.core.units import DOLLAR, LOT, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, Order

MARKET = Market("0xm", "m", "M?", "111", "222", Price(100), Size(5 * SHARE), fees=Fees(0.07, 1.0, 0.2))
WALLETS = ("a", "b", "c")

placing = st.tuples(
    st.just("place"), st.sampled_from(WALLETS), st.booleans(), st.booleans(), st.integers(35, 65), st.integers(500, 5_000),
    st.sampled_from([Lasts.GTC] * 5 + list(Lasts)), st.sampled_from([False, False, False, True]),
)  # fmt: skip
cancelling = st.tuples(st.just("cancel"), st.sampled_from(WALLETS), st.integers(0, 60))
waiting = st.tuples(st.just("wait"), st.integers(1, 8))
pairing = st.tuples(st.sampled_from(["split", "merge"]), st.sampled_from(WALLETS), st.integers(1, 50))
acts = st.lists(st.one_of(placing, placing, placing, placing, cancelling, waiting, pairing), min_size=20, max_size=80)


def played(told: list[tuple[object, ...]], fail: float) -> tuple[Matching, list[bytes]]:
    """The exchange after these acts, and all that it told."""
    core = Matching(Random(3), Rules(fail_share=fail, retry_share=0.2, tick_change=False))
    core.list_market(MARKET, Nanos(0))
    for wallet in WALLETS:
        core.deposit(wallet, Cash(500 * DOLLAR))
        core.split(wallet, MARKET.id, Size(100 * SHARE))
    at, facts = Nanos(0), []
    for number, (what, *how) in enumerate(told):
        match what, how:
            case "place", [str(wallet), bool(buys), bool(no), int(cents), int(lots), Lasts() as lasts, bool(post)]:
                expires = Nanos(at + 400 * SECOND) if lasts is Lasts.GTD else Nanos(0)
                side, token = Side.BUY if buys else Side.SELL, MARKET.no if no else MARKET.yes
                price, size = Price(cents * 100), Size(lots * LOT)
                core.place(Order(f"0x{number}", wallet, wallet, MARKET.id, token, side, price, size, lasts, post, at, expires), at)
            case "cancel", [str(wallet), int(name)]:
                core.cancel([f"0x{name}"], wallet, at)
            case "wait", [int(seconds)]:
                at = Nanos(at + seconds * SECOND)
                core.advance(at)
            case "split", [str(wallet), int(shares)]:
                core.split(wallet, MARKET.id, Size(shares * SHARE))
            case "merge", [str(wallet), int(shares)]:
                core.merge(wallet, MARKET.id, Size(shares * SHARE))
        facts += [msgspec.json.encode(fact) for fact in core.take()]
        check(core)
    core.advance(Nanos(at + 3_600 * SECOND))
    return core, facts


def check(core: Matching) -> None:
    """What holds at every moment."""
    ladder = core.markets[MARKET.id].ladder
    bid, ask = ladder.best(Side.BUY), ladder.best(Side.SELL)
    assert bid is None or ask is None or bid < ask, "the book never rests crossed"
    for side in Side:
        for price, size in ladder.levels(side):
            assert size == ladder.size_at(side, price) > 0
    resting = ladder.orders()
    for wallet in core.wallets.values():
        mine = [order for order in resting if order.wallet == wallet.address]
        assert sum(wallet.promised.values()) == sum(order.rest for order in mine if order.side is Side.SELL)
        assert all(value > 0 for held in (wallet.reserved, wallet.promised, wallet.selling, wallet.shares) for value in held.values())
        assert wallet.owed >= 0 and wallet.cash >= 0


@settings(max_examples=120, deadline=None)
@given(acts, st.sampled_from([0.0, 0.3]))
def test_money_and_shares_are_conserved(told: list[tuple[object, ...]], fail: float) -> None:
    core, _ = played(told, fail)
    yes, no = (sum(wallet.shares.get(token, 0) for wallet in core.wallets.values()) for token in (MARKET.yes, MARKET.no))
    fees = sum(trade.fee for trade in core.trades.values() if trade.status == "CONFIRMED")
    cash = sum(wallet.cash for wallet in core.wallets.values())
    assert yes == no, "a share of each is made, and goes, together"
    assert abs(cash + fees + yes - 3 * 500 * DOLLAR) <= len(core.trades) * 4, "every dollar is cash, a pair or a fee, but for dust"
    assert all(not wallet.owed and not wallet.selling for wallet in core.wallets.values()), "at rest nothing is promised"


@settings(max_examples=60, deadline=None)
@given(acts)
def test_what_matched_is_what_was_traded(told: list[tuple[object, ...]]) -> None:
    core, _ = played(told, 0.3)
    traded: dict[str, int] = {}
    for trade in core.trades.values():
        assert trade.size == sum(part.size for part in trade.parts)
        traded[trade.taker] = traded.get(trade.taker, 0) + trade.size
        for part in trade.parts:
            traded[part.order] = traded.get(part.order, 0) + part.size
            assert part.size > 0
    assert {order.id: int(order.matched) for order in core.orders.values() if order.matched} == traded


@settings(max_examples=40, deadline=None)
@given(acts)
def test_the_same_again_tells_the_same(told: list[tuple[object, ...]]) -> None:
    assert played(told, 0.3)[1] == played(told, 0.3)[1]
