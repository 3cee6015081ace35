"""The desk's integer units and every rounding between them.

A price is counted in 1/10,000 dollar, a size in 1/1,000,000 share, cash in 1/1,000,000 dollar and time in nanoseconds since the epoch.
Nothing outside this module multiplies a price by a size.
"""

from functools import lru_cache
from typing import NewType

Price = NewType("Price", int)
Size = NewType("Size", int)
Cash = NewType("Cash", int)
Nanos = NewType("Nanos", int)

ONE = Price(10_000)
"""One dollar as a price: what a winning share pays."""
SHARE = Size(1_000_000)
DOLLAR = Cash(1_000_000)
SECOND = Nanos(1_000_000_000)
MILLI = Nanos(1_000_000)
LOT = Size(10_000)
"""The venue takes sizes of two decimals: 0.01 share."""

TICKS = (Price(1_000), Price(100), Price(50), Price(25), Price(10), Price(1))
"""Every tick size the venue uses: 0.1, 0.01, 0.005, 0.0025, 0.001, 0.0001 dollar."""

_PRICE_DIGITS = 4
_SIZE_DIGITS = 6


def _fixed(text: str, digits: int, what: str) -> int:
    """An ASCII decimal without sign or exponent, as an integer of `digits` decimals; anything else, or anything finer, is a ValueError."""
    whole, _, part = text.partition(".")
    if not (text.isascii() and (whole or "0").isdigit() and (part or "0").isdigit() and (whole or part)) or len(text) > 40:
        raise ValueError(f"{what} {text[:60]!r}: expected an unsigned decimal such as 0.53")
    if len(part) > digits and part[digits:].strip("0"):
        raise ValueError(f"{what} {text[:60]!r}: at most {digits} decimals are allowed")
    return int((whole or "0") + part[:digits].ljust(digits, "0"))


def price_of(text: str) -> Price:
    """The price a venue's decimal string says, in [0, ONE]; a ValueError otherwise."""
    value = _fixed(text, _PRICE_DIGITS, "price")
    if value > ONE:
        raise ValueError(f"price {text[:60]!r}: must be between 0 and 1")
    return Price(value)


def size_of(text: str) -> Size:
    """The size a venue's decimal string says, in shares; a ValueError otherwise."""
    return Size(_fixed(text, _SIZE_DIGITS, "size"))


def cash_of(text: str) -> Cash:
    """The cash an unsigned decimal string says, in dollars; a ValueError otherwise."""
    return Cash(_fixed(text, _SIZE_DIGITS, "cash"))


@lru_cache(maxsize=16_384)  # a book's levels are spelled again with every hash: those of a hundred books
def _plain(value: int, digits: int) -> str:
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}".rstrip("0").rstrip(".")


def price_text(price: int) -> str:
    """The venue's spelling of a price: no trailing zeros ("0.5", "0.07", "1")."""
    return _plain(price, _PRICE_DIGITS)


def size_text(size: int) -> str:
    """The venue's spelling of a size: no trailing zeros ("362.17", "100")."""
    return _plain(size, _SIZE_DIGITS)


def cash_text(cash: int) -> str:
    """Dollars with six decimals at most, no trailing zeros, signed."""
    return _plain(cash, _SIZE_DIGITS)


def cents_text(price: int) -> str:
    """A price as people read it here, in cents without the sign: 52.0; two decimals where it lies between tenths of a cent: 52.25."""
    return f"{price / 100:.{2 if price % 10 else 1}f}"


def dollars(price: int) -> float:
    """A price as a float dollar, for formulas."""
    return price / 10_000


def shares(size: int) -> float:
    """A size as float shares, for formulas."""
    return size / 1_000_000


def usd(cash: int) -> float:
    """Cash as float dollars, for formulas and ratios."""
    return cash / 1_000_000


def to_cash(amount: float) -> Cash:
    """Float dollars to the nearest micro-dollar; the amount must be finite."""
    return Cash(round(amount * 1_000_000))


def to_size(amount: float) -> Size:
    """Float shares to the nearest micro-share; the amount must be finite."""
    return Size(round(amount * 1_000_000))


def pays(price: int, size: int) -> Cash:
    """What a buyer of `size` at `price` pays: rounded up to the micro-dollar, against us."""
    return Cash(-(-price * size // 10_000))


def gets(price: int, size: int) -> Cash:
    """What a seller of `size` at `price` receives: rounded down to the micro-dollar, against us."""
    return Cash(price * size // 10_000)


def mirror(price: int) -> Price:
    """The complement's price: a YES bid at p is a NO ask at 1 - p."""
    return Price(10_000 - price)


def floor_tick(price: int, tick: int) -> Price:
    """Down to the grid."""
    return Price(price - price % tick)


def ceil_tick(price: int, tick: int) -> Price:
    """Up to the grid."""
    return Price(price + -price % tick)


def floor_lot(size: int) -> Size:
    """Down to 0.01 share, the venue's size grid."""
    return Size(size - size % 10_000)


def bps_of(cash: int, bps: float) -> Cash:
    """`bps` basis points of an amount, to the nearest micro-dollar; signed as bps is."""
    return Cash(round(cash * bps / 10_000))
