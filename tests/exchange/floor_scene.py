"""An exchange with one market, two wallets and a crowd, for the tests of its matching."""

from random import Random

from pmm_tui.core.market import Fees, Market, Rewards, Side
from pmm_tui.core.units import DOLLAR, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.floor import Placed
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Fact, Lasts, Order

MARKET = Market(
    id="0xm",
    slug="m",
    question="?",
    yes="111",
    no="222",
    tick=Price(100),
    min_size=Size(5 * SHARE),
    fees=Fees(0.07, 1.0, 0.2),
    rewards=Rewards(max_spread_cents=4.0, min_size=Size(5 * SHARE), daily_usd=10.0),
)
YES, NO = MARKET.yes, MARKET.no
BUY, SELL = Side.BUY, Side.SELL
ANN, BOB, CROWD = "0xann", "0xbob", "crowd"
START = Nanos(1_000 * SECOND)


def shares(count: float) -> Size:
    """Shares as the exchange counts them."""
    return Size(round(count * SHARE))


def dollars(count: float) -> Cash:
    """Dollars as the exchange counts them."""
    return Cash(round(count * DOLLAR))


class Scene:
    """One exchange; each order gets the next id, and every call the present time."""

    def __init__(self, rules: Rules | None = None, market: Market = MARKET, cash: float = 100, held: float = 0) -> None:
        self.matching = Matching(Random(7), rules or Rules(reward_sample_s=0))
        self.matching.list_market(market, START)
        self.at = START
        self.count = 0
        self.matching.unlimited(CROWD)
        for wallet in (ANN, BOB):
            self.matching.deposit(wallet, dollars(cash))
            for token in (YES, NO):
                self.matching.give(wallet, token, shares(held))
        self.matching.take()

    def order(
        self,
        wallet: str,
        side: Side,
        price: float,
        size: float,
        token: str = YES,
        lasts: Lasts = Lasts.GTC,
        post_only: bool = False,
        life_s: int = 0,
        spend: float = 0,
    ) -> Order:
        """An order of a wallet, not yet placed; prices in dollars, sizes in shares."""
        self.count += 1
        made = Order(
            id=f"0x{self.count:02d}",
            wallet=wallet,
            owner="" if wallet == CROWD else f"key of {wallet}",
            market=MARKET.id,
            token=token,
            side=side,
            price=Price(round(price * 10_000)),
            size=shares(size),
            lasts=lasts,
            post_only=post_only,
            created=self.at,
        )
        made.expires = Nanos(self.at + life_s * SECOND) if life_s else Nanos(0)
        made.budget = dollars(spend)
        return made

    def place(self, *args: object, **given: object) -> tuple[Order, Placed]:
        """Make an order and place it."""
        made = self.order(*args, **given)  # type: ignore[arg-type]  # the arguments are those of `order`
        return made, self.matching.place(made, self.at)

    def rest(self, *args: object, **given: object) -> Order:
        """Place an order that must be taken."""
        made, placed = self.place(*args, **given)
        assert not placed.error, placed.error
        return made

    def refused(self, *args: object, **given: object) -> str:
        """Place an order that must be refused, and leave nothing behind; the venue's words without the id."""
        before = self.matching.levels(YES, BUY), self.matching.levels(YES, SELL), len(self.matching.trades)
        made, placed = self.place(*args, **given)
        assert placed.error and not placed.trades and made.id not in self.matching.orders
        assert before == (self.matching.levels(YES, BUY), self.matching.levels(YES, SELL), len(self.matching.trades))
        return placed.error.replace(made.id, "{id}")

    def wait(self, seconds: float) -> list[Fact]:
        """Time passes; what happened meanwhile."""
        self.matching.take()
        self.at = Nanos(self.at + round(seconds * SECOND))
        self.matching.advance(self.at)
        return self.matching.take()

    def statuses(self) -> list[str]:
        """The status of every trade, oldest first."""
        return [trade.status for trade in self.matching.trades.values()]
