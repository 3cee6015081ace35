"""The shapers one by one: what each does to a wish, and the reason it gives when it holds one."""

from math import inf, isclose, nan, sqrt

import pytest
from msgspec import structs

from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.quoting.shape import SHAPE, ShapeKnobs, place, route, size, skew, widen
from pmm_tui.core.units import DOLLAR, LOT, SHARE, Cash, Nanos, Price, Size
from pmm_tui.core.view import View

NOW = Nanos(1_790_000_000_000_000_000)
YES, NO, BUY, SELL = "yes", "no", Side.BUY, Side.SELL
DEFAULT = ShapeKnobs()
ALONE = ShapeKnobs(complement_routing=False)

Row = tuple[str, Side, float, float, str]


def seen(
    bid: int = 4800, ask: int = 5200, yes: float = 0, no: float = 0, cash: float = 500, equity: float = 500, tick: int = 100,
    left_s: float = 900.0, min_size: float = 5, free_yes: float | None = None,
) -> View:  # fmt: skip
    closes = Nanos(NOW + round(left_s * 1e9))
    market = Market(id="m", slug="m", question="?", yes=YES, no=NO, tick=Price(tick), min_size=lots(min_size), closes=closes)
    return View(
        at=NOW, market=market, tick=Price(tick), bid=Price(bid), bid_size=lots(100), ask=Price(ask), ask_size=lots(100), sigma=0.01,
        yes=lots(yes), no=lots(no), free_yes=lots(yes if free_yes is None else free_yes), free_no=lots(no),
        cash=Cash(round(cash * DOLLAR)), equity=Cash(round(equity * DOLLAR)), initial=Cash(500 * DOLLAR),
    )  # fmt: skip


def lots(shares: float) -> Size:
    return Size(round(shares * SHARE))


def wish(
    side: Side, price: float, shares: float = 25, level: int = 0, token: str = YES, held: str = "", kind: Kind = Kind.POST_ONLY
) -> Quote:
    return Quote("maker", token, side, price, lots(shares), level, kind, held)


def rows(quotes: list[Quote]) -> list[Row]:
    return [(quote.token, quote.side, round(float(quote.price), 9), quote.size / SHARE, quote.held) for quote in quotes]


def shaped(quotes: list[Quote], view: View, knobs: ShapeKnobs = DEFAULT) -> list[Quote]:
    for shape in SHAPE:
        quotes = shape(quotes, view, knobs)
    return quotes


class TestSkew:
    def test_it_is_off_unless_asked_for(self) -> None:
        quotes = [wish(BUY, 0.48)]
        assert skew(quotes, seen(yes=300), DEFAULT) is quotes
        assert skew(quotes, seen(), ShapeKnobs(skew_eta=1.5)) is quotes

    def test_the_product_rule_moves_all_quotes_against_the_inventory(self) -> None:
        view = structs.replace(seen(yes=300), sigma=0.005 / sqrt(60))
        quotes = skew([wish(BUY, 0.48), wish(SELL, 0.52), wish(BUY, 0.48, token=NO)], view, ShapeKnobs(skew_eta=1.5))
        assert [quote[2] for quote in rows(quotes)] == [0.4755, 0.5155, 0.4845]


class TestWiden:
    def test_only_the_end_of_the_market_widens(self) -> None:
        quotes = [wish(BUY, 0.48)]
        assert widen(quotes, seen(left_s=60), DEFAULT) is quotes
        assert widen(quotes, seen(left_s=5), ShapeKnobs(widen_last_ticks=0)) is quotes

    @pytest.mark.parametrize(("left_s", "ticks"), [(30, 1), (0, 2), (-10, 2)])
    def test_it_grows_evenly_to_the_end(self, left_s: float, ticks: float) -> None:
        quotes = widen([wish(BUY, 0.48), wish(SELL, 0.52, held="no")], seen(left_s=left_s), DEFAULT)
        assert isclose(quotes[0].price, 0.48 - 0.01 * ticks)
        assert quotes[1].price == 0.52, "a held wish is left alone"


class TestSize:
    def test_levels_come_out_best_first_in_lots(self) -> None:
        quotes = size([wish(BUY, 0.47, 10.129, 1), wish(BUY, 0.48, 20)], seen(), DEFAULT)
        assert [(quote.level, quote.size) for quote in quotes] == [(0, lots(20)), (1, lots(10.12))]

    def test_one_order_costs_at_most_its_fraction_of_the_equity(self) -> None:
        quotes = size([wish(BUY, 0.8, 100), wish(SELL, 0.8, 100)], seen(), DEFAULT)
        assert [quote.size / SHARE for quote in quotes] == [31.25, 100]
        quotes = size([wish(SELL, 0.2, 100)], seen(), DEFAULT)
        assert quotes[0].size == lots(31.25), "an ask without shares is paid for at 1 - p"

    def test_shares_that_are_held_cost_nothing_to_sell(self) -> None:
        assert size([wish(SELL, 0.2, 100)], seen(yes=60), DEFAULT)[0].size == lots(91.25)
        assert size([wish(BUY, 0.8, 100)], seen(no=60), DEFAULT)[0].size == lots(91.25)
        assert size([wish(BUY, 0.8, 100)], seen(no=60), ALONE)[0].size == lots(31.25)
        assert size([wish(SELL, 0.2, 100)], seen(yes=4), DEFAULT)[0].size == lots(31.25), "too few to sell are not counted"

    def test_the_venues_minimum_is_worth_a_little_more_than_the_fraction(self) -> None:
        assert size([wish(BUY, 0.5)], seen(equity=30), DEFAULT)[0].size == lots(5), "1.50 dollars pay 3 shares; 5 cost 2.50"
        assert size([wish(BUY, 0.5)], seen(equity=20), DEFAULT)[0].held == "below minimum size: balance fraction per order"
        assert size([wish(BUY, 0.5)], seen(equity=-20), DEFAULT)[0].held == "balance fraction per order"

    def test_what_is_too_small_is_held_as_it_was_wished(self) -> None:
        quotes = size([wish(BUY, 0.48, 4.99), wish(BUY, 0.48, 0)], seen(), DEFAULT)
        assert rows(quotes) == [(YES, BUY, 0.48, 4.99, "below minimum size"), (YES, BUY, 0.48, 0, "below minimum size")]

    def test_the_position_limit_is_shared_by_the_levels(self) -> None:
        knobs = ShapeKnobs(max_position_size=100)
        quotes = size([wish(BUY, 0.48), wish(BUY, 0.47, level=1), wish(BUY, 0.46, level=2)], seen(yes=62), knobs)
        assert [(quote.size / SHARE, quote.held) for quote in quotes] == [(25, ""), (13, ""), (25, "position limit")]
        quotes = size([wish(SELL, 0.52), wish(SELL, 0.53, level=1)], seen(no=71), knobs)
        assert [(quote.size / SHARE, quote.held) for quote in quotes] == [(25, ""), (25, "below minimum size: position limit")]

    def test_a_saturated_side_is_suppressed(self) -> None:
        both = [wish(BUY, 0.48), wish(SELL, 0.52)]
        assert [quote.held for quote in size(both, seen(yes=500), DEFAULT)] == ["position is at its limit", ""]
        assert [quote.held for quote in size(both, seen(no=500), DEFAULT)] == ["", "position is at its limit"]

    def test_each_filter_can_be_switched_off(self) -> None:
        shrinks = ShapeKnobs(bid_suppress_when_saturated=False)
        assert size([wish(BUY, 0.48)], seen(yes=500), shrinks)[0].held == "position limit"
        free = ShapeKnobs(bid_suppress_when_saturated=False, shrink_to_position_limit=False)
        assert size([wish(BUY, 0.48)], seen(yes=500), free)[0].held == ""

    def test_asks_only_against_inventory(self) -> None:
        knobs = ShapeKnobs(asks_only_against_inventory=True)
        quotes = [wish(SELL, 0.52), wish(SELL, 0.53, level=1), wish(SELL, 0.54, level=2)]
        held = [(quote.size / SHARE, quote.held) for quote in size(quotes, seen(yes=32), knobs)]
        assert held == [(25, ""), (7, ""), (25, "no inventory to sell")]
        assert (
            size([wish(SELL, 0.52), wish(SELL, 0.53, level=1)], seen(yes=27), knobs)[1].held == "below minimum size: no inventory to sell"
        )

    def test_what_is_held_or_not_a_price_passes_through(self) -> None:
        quotes = [wish(BUY, 0.48, 1, held="paused"), wish(BUY, nan, 1)]
        assert [quote.held for quote in size(quotes, seen(), DEFAULT)] == ["paused", ""]


class TestRoute:
    def test_an_ask_without_shares_buys_the_complement(self) -> None:
        assert rows(route([wish(SELL, 0.52)], seen(), DEFAULT)) == [(NO, BUY, 0.48, 25, "")]
        assert rows(route([wish(SELL, 0.52)], seen(), ALONE)) == [(YES, SELL, 0.52, 25, "no inventory to sell")]

    def test_an_ask_beyond_the_shares_is_two_legs_of_one_wish(self) -> None:
        assert rows(route([wish(SELL, 0.52)], seen(yes=10), DEFAULT)) == [(YES, SELL, 0.52, 10, ""), (NO, BUY, 0.48, 15, "")]
        assert rows(route([wish(SELL, 0.52)], seen(yes=10), ALONE)) == [(YES, SELL, 0.52, 10, "")]

    def test_levels_share_the_shares_best_first(self) -> None:
        quotes = [wish(SELL, 0.52), wish(SELL, 0.53, level=1), wish(SELL, 0.54, level=2)]
        assert rows(route(quotes, seen(yes=40), DEFAULT)) == [
            (YES, SELL, 0.52, 25, ""),
            (YES, SELL, 0.53, 15, ""),
            (NO, BUY, 0.47, 10, ""),
            (NO, BUY, 0.46, 25, ""),
        ]
        assert [row[4] for row in rows(route(quotes, seen(yes=40), ALONE))] == ["", "", "no inventory to sell"]

    def test_shares_that_are_not_free_are_not_sold(self) -> None:
        assert rows(route([wish(SELL, 0.52)], seen(yes=40, free_yes=0), DEFAULT)) == [(NO, BUY, 0.48, 25, "")]

    def test_a_bid_sells_the_complement_first(self) -> None:
        assert rows(route([wish(BUY, 0.48)], seen(no=10), DEFAULT)) == [(NO, SELL, 0.52, 10, ""), (YES, BUY, 0.48, 15, "")]
        assert rows(route([wish(BUY, 0.48)], seen(no=30), DEFAULT)) == [(NO, SELL, 0.52, 25, "")]
        assert rows(route([wish(BUY, 0.48)], seen(no=30), ALONE)) == [(YES, BUY, 0.48, 25, "")]

    def test_a_wish_on_the_complement_is_routed_alike(self) -> None:
        assert rows(route([wish(SELL, 0.52, token=NO)], seen(no=10), DEFAULT)) == [(NO, SELL, 0.52, 10, ""), (YES, BUY, 0.48, 15, "")]
        assert rows(route([wish(BUY, 0.48, token=NO)], seen(yes=25), DEFAULT)) == [(YES, SELL, 0.52, 25, "")]

    def test_a_leg_below_the_minimum_goes_into_the_other_or_is_held(self) -> None:
        assert rows(route([wish(SELL, 0.52)], seen(yes=3), DEFAULT)) == [(NO, BUY, 0.48, 25, "")]
        assert rows(route([wish(SELL, 0.52)], seen(yes=3), ALONE)) == [(YES, SELL, 0.52, 25, "below minimum size: no inventory to sell")]
        assert rows(route([wish(SELL, 0.52)], seen(yes=22), DEFAULT)) == [
            (YES, SELL, 0.52, 22, ""),
            (NO, BUY, 0.48, 3, "below minimum size"),
        ]

    def test_buys_share_the_cash(self) -> None:
        quotes = [wish(BUY, 0.5), wish(SELL, 0.5), wish(BUY, 0.4, level=1)]
        assert rows(route(quotes, seen(cash=20), DEFAULT)) == [
            (YES, BUY, 0.5, 25, ""),
            (NO, BUY, 0.5, 15, ""),
            (YES, BUY, 0.4, 25, "not enough cash"),
        ]
        assert route([wish(BUY, 0.5)], seen(cash=-1), DEFAULT)[0].held == "not enough cash"

    def test_what_is_held_or_not_a_price_passes_through(self) -> None:
        quotes = [wish(SELL, 0.52, held="paused"), wish(BUY, inf)]
        assert route(quotes, seen(), DEFAULT) == quotes


class TestPlace:
    @pytest.mark.parametrize(
        ("tick", "bid", "ask"), [(100, 4800, 5200), (10, 4850, 5110), (1000, 4000, 6000), (50, 4850, 5150), (1, 4853, 5102)]
    )
    def test_a_buy_goes_down_and_a_sell_up_to_the_grid(self, tick: int, bid: int, ask: int) -> None:
        quotes = place([wish(BUY, 0.4853), wish(SELL, 0.5102)], seen(3000, 7000, tick=tick), DEFAULT)
        assert [quote.price for quote in quotes] == [bid, ask]
        assert all(type(quote.price) is int for quote in quotes)

    @pytest.mark.parametrize("cents", [7, 29, 57, 58])
    def test_a_price_on_the_grid_stays_there_whatever_a_float_makes_of_it(self, cents: int) -> None:
        by_adding = sum([0.01] * cents)
        for side in (BUY, SELL):
            assert place([wish(side, by_adding)], seen(100, 9900), DEFAULT)[0].price == 100 * cents
            assert place([wish(side, 1.0 - by_adding, token=NO)], seen(100, 9900), DEFAULT)[0].price == 10_000 - 100 * cents

    def test_never_at_or_through_the_others_touch(self) -> None:
        view = seen(4800, 5200)
        quotes = place([wish(BUY, 0.52), wish(BUY, 0.60, token=NO, level=1)], view, DEFAULT)
        assert [quote.price for quote in quotes] == [5100, 5100]
        quotes = place([wish(SELL, 0.48), wish(SELL, 0.3, token=NO)], view, DEFAULT)
        assert [quote.price for quote in quotes] == [4900, 4900]

    def test_a_taker_may_cross(self) -> None:
        assert place([wish(BUY, 0.55, kind=Kind.IOC)], seen(), DEFAULT)[0].price == 5500

    def test_where_there_is_no_opposite_the_grid_ends_it(self) -> None:
        empty = seen(0, 10_000)
        quotes = place([wish(BUY, 1.5), wish(SELL, 1.2)], empty, DEFAULT)
        assert [(quote.price, quote.held) for quote in quotes] == [(9900, ""), (10_000, "price is off the grid's end")]
        quotes = place([wish(SELL, -0.5), wish(BUY, 0.009)], empty, DEFAULT)
        assert [(quote.price, quote.held) for quote in quotes] == [(100, ""), (0, "price is off the grid's end")]

    @pytest.mark.parametrize("price", [nan, inf, -inf])
    def test_what_is_not_finite_stops_here(self, price: float) -> None:
        quotes = place([wish(BUY, price), wish(SELL, price, held="paused")], seen(), DEFAULT)
        assert [(quote.price, quote.held) for quote in quotes] == [(0, "price is not finite"), (0, "paused")]

    def test_a_huge_price_is_only_a_price_off_the_grid(self) -> None:
        quotes = place([wish(BUY, -1e308), wish(SELL, 1e308)], seen(), DEFAULT)
        assert {quote.held for quote in quotes} == {"price is off the grid's end"}

    def test_two_wishes_at_one_price_are_one_order(self) -> None:
        quotes = place([wish(BUY, 0.481, 10), wish(BUY, 0.489, 15, level=1), wish(BUY, 0.48, 7, level=2, held="paused")], seen(), DEFAULT)
        assert rows(quotes) == [(YES, BUY, 4800, 25, ""), (YES, BUY, 4800, 7, "paused")]
        assert quotes[0].level == 0

    def test_our_own_bids_on_both_tokens_stay_below_a_dollar(self) -> None:
        wide = seen(3000, 7000)
        quotes = place([wish(BUY, 0.5), wish(BUY, 0.5, token=NO)], wide, DEFAULT)
        assert [quote.held for quote in quotes] == ["would cross our own quote", ""]
        quotes = place([wish(SELL, 0.5, token=NO), wish(SELL, 0.49), wish(BUY, 0.45)], wide, DEFAULT)
        assert [quote.held for quote in quotes] == ["would cross our own quote", "", ""]
        assert [quote.held for quote in place([wish(BUY, 0.5), wish(BUY, 0.49, token=NO)], wide, DEFAULT)] == ["", ""]

    def test_a_new_grid_is_kept_by_prices_placed_before(self) -> None:
        placed = place([wish(BUY, 0.485), wish(SELL, 0.515)], seen(tick=10), DEFAULT)
        assert [quote.price for quote in place(placed, seen(), DEFAULT)] == [4800, 5200]


def test_a_whole_ladder() -> None:
    quotes = [wish(BUY, 0.487), wish(SELL, 0.513), wish(BUY, 0.477, level=1), wish(SELL, 0.523, level=1)]
    assert rows(shaped(quotes, seen(yes=30))) == [
        (YES, BUY, 4800, 25, ""),
        (YES, SELL, 5200, 25, ""),
        (YES, BUY, 4700, 25, ""),
        (YES, SELL, 5300, 5, ""),
        (NO, BUY, 4700, 20, ""),
    ]


def test_lots_are_a_hundredth_of_a_share() -> None:
    assert all(
        quote.size % LOT == 0 for quote in shaped([wish(BUY, 0.777, 999.999), wish(SELL, 0.9, 77.777)], seen(7000, 8500, yes=11.119))
    )
