"""Laws of the shapers: whatever is wished and whatever is held, shaping never widens risk."""

from collections import Counter
from math import isfinite

from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.quoting.shape import SHAPE, ShapeKnobs, place, size
from pmm_tui.core.units import DOLLAR, LOT, ONE, SHARE, TICKS, Cash, Nanos, Price, Size, to_size
from pmm_tui.core.view import View

NOW = Nanos(1_790_000_000_000_000_000)
YES, NO = "yes", "no"

amounts = st.integers(0, 700 * SHARE).map(Size)
prices = st.one_of(
    st.floats(-0.2, 1.2),
    st.integers(0, 100).map(lambda cents: cents / 100),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 1e308]),
)
wishes = st.lists(
    st.builds(
        Quote,
        st.just("maker"),
        st.sampled_from([YES, YES, NO]),
        st.sampled_from(Side),
        prices,
        amounts,
        st.integers(0, 3),
        st.just(Kind.POST_ONLY),
        st.sampled_from(["", "", "", "paused"]),
    ),
    max_size=8,
)


@st.composite
def views(draw: st.DrawFn) -> View:
    tick = draw(st.sampled_from(TICKS))
    steps = ONE // tick
    bid, ask = (Price(tick * step) for step in sorted(draw(st.lists(st.integers(0, steps), min_size=2, max_size=2, unique=True))))
    yes, no = draw(amounts), draw(amounts)
    min_size, closes = Size(draw(st.integers(0, 20)) * SHARE), Nanos(NOW + draw(st.integers(-10, 900)) * 10**9)
    market = Market(id="m", slug="m", question="?", yes=YES, no=NO, tick=tick, min_size=min_size, closes=closes)
    cash = Cash(draw(st.integers(-10, 1000)) * DOLLAR)
    return View(
        at=NOW, market=market, tick=tick, bid=bid, bid_size=draw(amounts), ask=ask, ask_size=draw(amounts), sigma=draw(st.floats(0, 0.1)),
        yes=yes, no=no, free_yes=Size(draw(st.integers(0, yes))), free_no=Size(draw(st.integers(0, no))), cash=cash, equity=cash,
        initial=Cash(500 * DOLLAR),
    )  # fmt: skip


knobs_any = st.builds(
    ShapeKnobs,
    skew_eta=st.sampled_from([0.0, 1.5]),
    max_position_size=st.sampled_from([20.0, 500.0]),
    max_balance_fraction_per_order=st.sampled_from([0.05, 0.5]),
    bid_suppress_when_saturated=st.booleans(),
    shrink_to_position_limit=st.booleans(),
    asks_only_against_inventory=st.booleans(),
    complement_routing=st.booleans(),
)


def exposure(quotes: list[Quote]) -> Counter[bool]:
    """Shares that would go long YES (True) and short it (False) should every wish that is not held fill."""
    total: Counter[bool] = Counter()
    for quote in quotes:
        if not quote.held:
            total[(quote.side is Side.BUY) is (quote.token == YES)] += quote.size
    return total


def shaped(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> list[Quote]:
    for shape in SHAPE:
        quotes = shape(quotes, view, knobs)
    return quotes


@given(wishes, views(), knobs_any)
def test_no_shaper_adds_exposure_or_frees_what_is_held(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> None:
    for shape in SHAPE:
        after = shape(quotes, view, knobs)
        before_total, after_total = exposure(quotes), exposure(after)
        assert all(after_total[long] <= before_total[long] for long in (True, False)), shape.__name__
        kept = Counter((quote.token, quote.side, quote.size, quote.level, quote.held) for quote in after if quote.held)
        was = Counter((quote.token, quote.side, quote.size, quote.level, quote.held) for quote in quotes if quote.held)
        assert not was - kept, f"{shape.__name__} lost or changed a held wish"
        assert {quote.level for quote in quotes} >= {quote.level for quote in after}
        assert bool(after) == bool(quotes), f"{shape.__name__} dropped every wish without a word"
        quotes = after


@given(wishes, views(), knobs_any)
def test_what_leaves_is_an_order_the_venue_can_take(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> None:
    seen: set[tuple[str, Side, int]] = set()
    for quote in shaped(quotes, view, knobs):
        assert type(quote.price) is int
        if quote.held:
            continue
        assert quote.price % view.tick == 0
        assert view.tick <= quote.price <= ONE - view.tick
        assert quote.size >= max(1, view.market.min_size)
        assert quote.size % LOT == 0
        yes = quote.token == YES
        opposite = {True: view.ask if yes else ONE - view.bid, False: view.bid if yes else ONE - view.ask}[quote.side is Side.BUY]
        assert quote.price < opposite if quote.side is Side.BUY else quote.price > opposite
        seen.add((quote.token, quote.side, int(quote.price)))
    assert len(seen) == sum(not quote.held for quote in shaped(quotes, view, knobs)), "one order a price"


@given(wishes, views(), knobs_any)
def test_sells_fit_the_free_shares_and_buys_the_cash(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> None:
    sold: Counter[str] = Counter()
    paid = 0
    for quote in shaped(quotes, view, knobs):
        if quote.held:
            continue
        if quote.side is Side.SELL:
            sold[quote.token] += quote.size
        else:
            paid += quote.size * int(quote.price)
    assert sold[YES] <= view.free_yes
    assert sold[NO] <= view.free_no
    assert paid <= max(0, view.cash) * ONE


@given(wishes, views(), knobs_any)
def test_our_own_quotes_never_cross(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> None:
    bids, asks = [0], [int(ONE)]
    for quote in shaped(quotes, view, knobs):
        if not quote.held:
            price = int(quote.price) if quote.token == YES else ONE - int(quote.price)
            (bids if (quote.side is Side.BUY) is (quote.token == YES) else asks).append(price)
    assert max(bids) < min(asks)


@given(wishes, views(), knobs_any)
def test_the_position_stays_within_its_limit(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> None:
    sized = [quote for quote in size(quotes, view, knobs) if not quote.held and isfinite(quote.price)]
    total, limit = exposure(sized), to_size(knobs.max_position_size)
    if knobs.shrink_to_position_limit:
        assert view.net + total[True] <= max(limit, view.net)
        assert view.net - total[False] >= min(-limit, view.net)
    if knobs.bid_suppress_when_saturated:
        assert view.net < limit or not total[True]
        assert view.net > -limit or not total[False]
    if knobs.asks_only_against_inventory:
        assert sum(quote.size for quote in sized if quote.token == YES and quote.side is Side.SELL) <= view.yes


@given(wishes, views(), knobs_any)
def test_placing_twice_is_placing_once(quotes: list[Quote], view: View, knobs: ShapeKnobs) -> None:
    once = shaped(quotes, view, knobs)
    assert place(once, view, knobs) == once
