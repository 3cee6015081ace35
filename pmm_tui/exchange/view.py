"""What the endpoints read: the matching core, the books as told, the habits, and what makers have earned."""

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, Price
from pmm_tui.exchange.boards import Boards
from pmm_tui.exchange.earnings import Earnings
from pmm_tui.exchange.habits import Habits
from pmm_tui.exchange.terms import Ask

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching


class View:
    """One exchange, for reading; `habits` is replaced where somebody changes them."""

    def __init__(self, matching: "Matching", boards: Boards, habits: Habits) -> None:
        self.matching = matching
        self.boards = boards
        self.habits = habits
        self.earnings = Earnings(matching.rules.reward_sample_s)

    def touch(self, token: str) -> tuple[Price, Price]:
        """A token's best bid and ask; 0 and ONE where a side is empty."""
        bids, asks = self.matching.levels(token, Side.BUY), self.matching.levels(token, Side.SELL)
        return (bids[0][0] if bids else Price(0)), (asks[0][0] if asks else ONE)

    def market(self, condition: str) -> Market | None:
        """The market of a condition id; None where nobody lists it."""
        pit = self.matching.markets.get(condition)
        return None if pit is None else pit.market

    def price(self, token: str, side: str) -> Price:
        """What /price says for a side."""
        bid, ask = self.touch(token)
        return bid if (side == "BUY") is (self.habits.price_of_buy == "bid") else ask

    def last(self, market: str) -> tuple[str, str]:
        """A market's last trade: its price as the venue writes it and its taker's side; half a dollar and nothing where none was."""
        board = self.boards.of(market)
        price = self.matching.last(market)
        return (price, board.last_side if board is not None else "") if price else ("0.5", "")


def query(ask: Ask) -> dict[str, str]:
    """The query's last value of each name."""
    return {name: values[-1] for name, values in parse_qs(ask.query).items()}
