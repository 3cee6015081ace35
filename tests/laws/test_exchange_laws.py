"""Laws of the exchange over any sequence of orders, cancels, settlements and acts on chain, against a matching written the slow way."""

from collections import defaultdict
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from pmm_tui.core.fees import taker_fee
from pmm_tui.core.market import Side
from pmm_tui.core.units import LOT, ONE, SECOND, Cash, Nanos, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.terms import Lasts, LevelsMoved, Order
from tests.exchange.floor_scene import ANN, BOB, BUY, CROWD, MARKET, NO, SELL, YES, Scene, dollars, shares

WALLETS = (ANN, BOB, CROWD)
CASH, HELD = 60, 40


class Act(NamedTuple):
    """One thing that somebody does; what an act does not need of it, it ignores."""

    what: str
    wallet: str
    side: Side
    token: str
    cents: int
    lots: int
    lasts: Lasts
    post_only: bool


acts = st.builds(
    Act,
    st.sampled_from(("place",) * 8 + ("cancel", "wait", "fail", "retry", "split", "merge", "lose")),
    st.sampled_from(WALLETS),
    st.sampled_from(Side),
    st.sampled_from((YES, NO)),
    st.integers(45, 55),
    st.integers(500, 3_000),
    st.sampled_from((Lasts.GTC, Lasts.GTC, Lasts.GTD, Lasts.FOK, Lasts.FAK)),
    st.booleans(),
)
sequences = st.lists(acts, min_size=15, max_size=60)


def yes_price(order: Order) -> int:
    """An order's price in the YES book."""
    return int(order.price if order.token == YES else ONE - order.price)


def bids(order: Order) -> bool:
    """Whether it is on the bid side of the YES book."""
    return (order.side is BUY) == (order.token == YES)


class Witness:
    """Does acts on an exchange, and remembers what must be true of it."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.scene = Scene(rules or Rules(mined_after_ms=2_000, confirmed_after_ms=2_000, reward_sample_s=0), cash=CASH, held=HELD)
        self.matching = self.scene.matching
        self.placed: dict[str, Order] = {}
        self.lost = 0
        self.shown: dict[tuple[Side, int], int] = {}

    def do(self, act: Act) -> None:
        """One act."""
        scene, wallet = self.scene, act.wallet
        if act.what == "place":
            self.place(act)
        elif act.what == "cancel":
            self.matching.cancel_where(wallet, scene.at, token=act.token)
        elif act.what == "wait":
            scene.at = Nanos(scene.at + act.lots * SECOND // 500)
            self.matching.advance(scene.at)
        elif act.what in ("fail", "retry"):
            waiting = [one.id for one in self.matching.trades.values() if one.status in ("MATCHED", "RETRYING")]
            if waiting:
                self.matching.settle_next(waiting[act.lots % len(waiting)], "FAILED" if act.what == "fail" else "RETRYING", scene.at)
        elif act.what == "lose":
            if wallet != CROWD:
                gone = self.matching.cash(wallet) * act.lots // 3_000
                self.matching.deposit(wallet, Cash(-gone))
                self.lost += gone
        elif wallet != CROWD:
            (self.matching.split if act.what == "split" else self.matching.merge)(wallet, MARKET.id, Size(act.lots * LOT))

    def place(self, act: Act) -> None:
        """An order, and beside it what the slow matching makes of it."""
        gtd = act.lasts is Lasts.GTD
        post_only = act.post_only and act.lasts in (Lasts.GTC, Lasts.GTD)
        order = self.scene.order(
            act.wallet, act.side, act.cents / 100, act.lots / 100, act.token, act.lasts, post_only, life_s=63 if gtd else 0
        )
        resting = {one.id: (one, int(one.rest)) for one in self.placed.values() if one.status == "LIVE"}
        free = {name: self.free(name) for name in (ANN, BOB)}
        placed = self.matching.place(order, self.scene.at)
        found = {name: rest - int(one.rest) for name, (one, rest) in resting.items() if one.rest != rest}
        dropped = [one for one, _ in resting.values() if one.status == "CANCELED_NOT_ENOUGH_BALANCE"]
        for one in dropped:
            wanted = sum(other.price * rest // ONE if one.side is BUY else rest for other, rest in resting.values() if alike(one, other))
            assert wanted > free[one.wallet]["" if one.side is BUY else one.token], "what is backed is never dropped"
        if placed.error or placed.status == "delayed":
            assert not found and order.matched == 0
            if not placed.error:
                self.placed[order.id] = order
            return
        self.placed[order.id] = order
        backed = [(one, rest) for one, rest in resting.values() if one not in dropped]
        assert found == slowly(order, backed), "by price and then by time, and nothing through a better price"
        assert order.matched == sum(found.values())
        assert order.lasts is not Lasts.FOK or order.matched == order.size
        assert not (order.post_only and found)
        for name in placed.trades:
            trade = self.matching.trades.get(name)
            if trade is not None:
                assert trade.price <= order.price if order.side is BUY else trade.price >= order.price
                assert trade.size == sum(part.size for part in trade.parts)

    def free(self, name: str) -> dict[str, int]:
        """What a wallet's resting orders may count on: its cash (under the empty name) and its shares, without what has matched."""
        wallet = self.matching.wallet(name)
        return {token: wallet.shares.get(token, 0) - wallet.selling.get(token, 0) for token in (YES, NO)} | {"": wallet.cash - wallet.owed}

    def check(self) -> None:
        """What is true after every act."""
        self.book_is_its_orders()
        self.wallets_hold_what_is_promised()
        self.chain_is_its_trades()

    def book_is_its_orders(self) -> None:
        """Levels sum their orders, told changes lead to them, and the two sides never meet."""
        totals: dict[tuple[Side, int], int] = defaultdict(int)
        for order in self.placed.values():
            assert 0 <= order.matched <= order.size
            if order.status == "LIVE":
                totals[BUY if bids(order) else SELL, yes_price(order)] += order.rest
        levels = {(side, int(price)): int(size) for side in Side for price, size in self.matching.levels(YES, side)}
        assert levels == totals
        for fact in self.matching.take():
            if isinstance(fact, LevelsMoved):
                self.shown |= {(side, int(price)): int(size) for side, price, size in fact.changes}
        assert {key: size for key, size in self.shown.items() if size} == totals
        best = [self.matching.levels(YES, side)[:1] for side in (BUY, SELL)]
        assert not (best[0] and best[1]) or best[0][0][0] < best[1][0][0]

    def wallets_hold_what_is_promised(self) -> None:
        """What is held back is what live orders and matched trades need, and so never negative."""
        for name in (ANN, BOB):
            wallet = self.matching.wallet(name)
            live = self.matching.open_orders(name)
            buys = sum(order.price * order.rest // ONE for order in live if order.side is BUY)
            sells = {token: sum(order.rest for order in live if order.side is SELL and order.token == token) for token in (YES, NO)}
            assert sum(wallet.reserved.values()) == buys
            assert wallet.promised == {token: size for token, size in sells.items() if size}
            cash, sold = self.legs(name)
            assert (wallet.owed, wallet.selling) == (cash, {token: size for token, size in sold.items() if size})

    def chain_is_its_trades(self) -> None:
        """Cash and shares are those of the beginning and of the mined trades; nothing is made, lost or owed by the chain."""
        cash = sum(self.matching.cash(name) for name in WALLETS)
        held = {token: sum(self.matching.shares(name, token) for name in WALLETS) for token in (YES, NO)}
        paid = sum(trade.fee for trade in self.matching.trades.values() if trade.status in ("MINED", "CONFIRMED"))
        assert held[YES] == held[NO]
        assert cash + paid + self.lost + held[YES] == 2 * dollars(CASH) + 2 * shares(HELD)
        for name in (ANN, BOB):
            assert self.matching.cash(name) >= 0 and min(self.matching.shares(name, token) for token in (YES, NO)) >= 0

    def legs(self, name: str) -> tuple[int, dict[str, int]]:
        """What a wallet's matched trades will take of it: cash with fees, and shares by token."""
        cash, sold = 0, {YES: 0, NO: 0}
        for trade in self.matching.trades.values():
            if trade.status not in ("MATCHED", "RETRYING"):
                continue
            parts = [(part.wallet, part.token, part.side, part.price, part.size, 0) for part in trade.parts]
            fee = 0 if trade.wallet == CROWD else taker_fee(MARKET.fees, trade.price, trade.size)
            for wallet, token, side, price, size, extra in [*parts, (trade.wallet, trade.token, trade.side, trade.price, trade.size, fee)]:
                if wallet == name and side is BUY:
                    cash += price * size // ONE + extra
                elif wallet == name:
                    sold[token] += size
        return cash, sold


def alike(one: Order, other: Order) -> bool:
    """Whether two orders draw on the same money or the same shares."""
    return (one.wallet, one.side) == (other.wallet, other.side) and (one.side is BUY or one.token == other.token)


def slowly(taker: Order, resting: list[tuple[Order, int]]) -> dict[str, int]:
    """What a taker takes of whom: everyone it reaches in one sorted list. `resting` are orders with what was open of them before."""
    sign = 1 if bids(taker) else -1
    others = [(one, rest) for one, rest in resting if bids(one) != bids(taker) and sign * (yes_price(taker) - yes_price(one)) >= 0]
    left, taken = int(taker.size), dict[str, int]()
    for one, rest in sorted(others, key=lambda pair: (sign * yes_price(pair[0]), pair[0].seq)):
        if left:
            taken[one.id] = min(rest, left)
            left -= taken[one.id]
    return taken


@settings(max_examples=150, deadline=None)
@given(sequences)
def test_price_time_money_and_settlement_hold_after_every_act(sequence: list[Act]) -> None:
    witness = Witness()
    for act in sequence:
        witness.do(act)
        witness.check()


@settings(max_examples=80, deadline=None)
@given(sequences)
def test_money_holds_where_takers_wait_and_trades_fail_and_are_retried(sequence: list[Act]) -> None:
    rules = Rules(
        taker_delay_ms=1_500,
        mined_after_ms=2_000,
        confirmed_after_ms=1_000,
        fail_share=0.3,
        retry_share=0.3,
        per_market_reservation=False,
        reward_sample_s=0,
    )
    witness = Witness(rules)
    for act in sequence:
        witness.do(act)
        witness.check()


@settings(max_examples=60, deadline=None)
@given(sequences)
def test_trades_that_all_fail_leave_the_chain_as_it_was(sequence: list[Act]) -> None:
    witness = Witness(Rules(mined_after_ms=2_000, fail_share=1.0, reward_sample_s=0))
    for act in sequence:
        if act.what in ("place", "cancel", "wait"):
            witness.do(act)
    witness.matching.cancel_where("", witness.scene.at)
    witness.scene.wait(60)
    for name in (ANN, BOB):
        wallet = witness.matching.wallet(name)
        assert wallet.cash == dollars(CASH) and wallet.shares == dict.fromkeys((YES, NO), shares(HELD))
        assert (wallet.owed, wallet.reserved, wallet.promised, wallet.selling) == (0, {}, {}, {})
    assert set(witness.scene.statuses()) <= {"FAILED"}


@settings(max_examples=40, deadline=None)
@given(sequences)
def test_the_same_acts_lead_to_the_same_facts(sequence: list[Act]) -> None:
    told = []
    for _ in range(2):
        witness = Witness(Rules(fail_share=0.3, retry_share=0.3))
        for act in sequence:
            witness.do(act)
        told.append(witness.matching.take())
    assert told[0] == told[1]
