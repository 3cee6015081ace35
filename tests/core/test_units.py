"""The venue's decimals and our integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.units import (
    ONE,
    Price,
    bps_of,
    cash_of,
    cash_text,
    ceil_tick,
    floor_lot,
    floor_tick,
    mirror,
    price_of,
    price_text,
    size_of,
    size_text,
    to_cash,
)


@pytest.mark.parametrize(("text", "price"), [("0.5", 5_000), ("1", 10_000), ("0", 0), (".07", 700), ("0.0025", 25), ("0.50000", 5_000)])
def test_prices_are_read_exactly(text: str, price: int) -> None:
    assert price_of(text) == price


@pytest.mark.parametrize(
    "text", ["", ".", "-0.5", "+0.5", "1e-1", "nan", "inf", "٠.٥", "0.00005", "1.1", " 0.5", "0.5 ", "0x1", "1_0", "0" * 50]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="price"):
        price_of(text)


def test_sizes_have_six_decimals_at_most() -> None:
    assert size_of("13.7931") == 13_793_100
    assert cash_of("500") == 500_000_000
    with pytest.raises(ValueError, match="at most 6 decimals"):
        size_of("0.0000001")


@given(st.integers(0, 10_000))
def test_a_price_survives_the_wire(price: int) -> None:
    assert price_of(price_text(price)) == price
    assert mirror(mirror(price)) == price


@given(st.integers(0, 10**15))
def test_a_size_survives_the_wire(size: int) -> None:
    assert size_of(size_text(size)) == size


def test_texts_have_no_trailing_zeros_and_keep_their_sign() -> None:
    assert [price_text(p) for p in (5_000, 700, 10_000, 25)] == ["0.5", "0.07", "1", "0.0025"]
    assert cash_text(-1_500_000) == "-1.5"


@given(st.integers(0, 10_000), st.sampled_from([1_000, 100, 50, 25, 10, 1]))
def test_the_grid_is_below_and_above(price: int, tick: int) -> None:
    low, high = floor_tick(price, tick), ceil_tick(price, tick)
    assert low <= price <= high
    assert low % tick == high % tick == 0
    assert high - low in (0, tick)


def test_lots_and_basis_points() -> None:
    assert floor_lot(1_019_999) == 1_010_000
    assert bps_of(1_000_000, -20) == -2_000
    assert to_cash(0.1) == 100_000
    assert Price(ONE) == 10_000
