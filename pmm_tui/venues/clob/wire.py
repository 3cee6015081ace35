"""The CLOB's private shapes into the desk's terms: orders, trades, and frames of the user channel.

Sizes come in two spellings, in the same fields: decimal shares ("10": the venue's guide, and all that was ever observed) and six-decimal
integers ("10000000": its OpenAPI). One answer has one spelling, and the rule is: a point anywhere, or no whole number of a million or more
among our own sizes, means shares. No account that trades here has an order of a million shares, and the venue takes none below one share;
a stranger in the same trade may have any.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from pmm_tui.core.commands import Place
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import LOT, ONE, TICKS, Nanos, Price, Size, mirror, price_of, price_text, size_of, size_text
from pmm_tui.venues.clob.port import Cancelled, Leg, Piece, Standing
from pmm_tui.venues.clob.troubles import clean

LAST_PAGE = "LTE="
_FIXED_FROM = 1_000_000
_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
_MILLISECONDS_FROM = 10**11
"""Seconds since the epoch reach this in the year 5138."""


class OrderNews(Struct, frozen=True):
    """An `order` frame of the user channel."""

    kind: str
    """PLACEMENT, UPDATE or CANCELLATION."""
    id: str
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    matched: Size | None
    """None where the frame leaves it empty, which is not the same as nothing."""
    status: str
    maker: str
    """The address whose order it is, in lower case."""
    at: Nanos
    """The venue's time; 0 where the frame names none."""


def fits(place: Place, market: Market) -> None:
    """ValueError where the market takes no such order: another's token, a price off its grid, a size of none or with part of a cent."""
    price, size, tick = place.price, place.size, market.tick
    if place.token not in (market.yes, market.no):
        raise ValueError("the token is none of this market")
    if tick not in TICKS or price % tick or not tick <= price <= ONE - tick:
        raise ValueError(f"price {price_text(price)} is off the grid: allowed: the tick {price_text(tick)} to 1 less it, in ticks")
    if size <= 0 or size % LOT:
        raise ValueError(f"size {size_text(size)}: allowed: multiples of 0.01 share, above 0")


def is_fixed(sizes: Iterable[object], beside: Iterable[object] = ()) -> bool:
    """Whether the sizes of one answer are six-decimal integers (see above). `beside`: sizes in it that are not ours."""
    texts = [str(size) for size in sizes if size not in (None, "")]
    if any("." in text for text in (*texts, *map(str, beside))):
        return False
    return any(text.isascii() and text.isdigit() and int(text[:20]) >= _FIXED_FROM for text in texts)


def _size(value: object, fixed: bool) -> Size:
    text = _number(value)
    if not fixed:
        return size_of(text)
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise ValueError(f"size {text[:40]!r}: expected base units")
    return Size(int(text))


def _number(value: object) -> str:
    """A number's decimal text; the venue sends strings, its documents show numbers too."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    raise ValueError(f"expected a number, found {type(value).__name__}")


def text_of(row: Mapping[str, Any], key: str) -> str:
    """A field that is a text and not empty; ValueError otherwise."""
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key}: expected a text, found {type(value).__name__}")
    return value


def flag_of(row: Mapping[str, Any], key: str) -> bool:
    """A field that is true or false; ValueError otherwise."""
    value = row.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"{key}: expected true or false, found {type(value).__name__}")  # noqa: TRY004  # what the venue sent
    return value


def _side(row: Mapping[str, Any]) -> Side:
    side = _SIDES.get(str(row.get("side", "")).upper())
    if side is None:
        raise ValueError(f"side: expected BUY or SELL, found {str(row.get('side'))[:20]!r}")
    return side


def _price(value: object, side: Side) -> Price:
    """A price; an average with more than four decimals is rounded against the side that pays or gets it."""
    whole, _, part = _number(value).partition(".")
    price = price_of(f"{whole}.{part[:4]}" if part else whole)
    finer = bool(part[4:].strip("0"))
    if finer and not (part[4:].isascii() and part[4:].isdigit()):
        raise ValueError("price: expected an unsigned decimal")
    return Price(min(ONE, price + (finer and side is Side.BUY)))


def status_of(value: object) -> str:
    """An order's or a trade's status without the prefix of the REST constants, in upper case."""
    said = str(value or "").upper().removeprefix("ORDER_STATUS_").removeprefix("TRADE_STATUS_")
    return "MATCHED" if said == "MATCHED_NOT_BROADCASTED" else said[:80]


def seconds_of(value: object) -> int:
    """Seconds since the epoch, from seconds, milliseconds or ISO 8601."""
    text = _number(value)
    if text.isascii() and text.isdigit() and len(text) <= 15:
        return int(text) // 1000 if int(text) >= _MILLISECONDS_FROM else int(text)
    return int(datetime.fromisoformat(text[:40]).timestamp())


def row_of(value: object) -> dict[str, Any]:
    """A JSON object; ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")  # noqa: TRY004  # what the venue sent, not what a caller did
    return value


def rows_of(value: object) -> list[dict[str, Any]]:
    """A JSON array of objects; ValueError for anything else."""
    if not isinstance(value, list):
        raise ValueError(f"expected an array, found {type(value).__name__}")  # noqa: TRY004  # what the venue sent, not what a caller did
    return [row_of(one) for one in value]


def page_of(value: object) -> tuple[list[dict[str, Any]], str]:
    """The rows of one page and the cursor of the next, empty after the last; ValueError where that is not said."""
    page = row_of(value)
    following = text_of(page, "next_cursor")
    return rows_of(page.get("data")), "" if following == LAST_PAGE else following


def standings(rows: list[dict[str, Any]]) -> list[Standing]:
    """Orders as GET /data/orders tells them, all of one answer, each once: a list that moves while it is paged repeats some."""
    fixed = is_fixed(size for row in rows for size in (row.get("original_size"), row.get("size_matched")))
    return list({order.id: order for order in (_standing(row, fixed) for row in rows)}.values())


def _standing(row: Mapping[str, Any], fixed: bool) -> Standing:
    side = _side(row)
    return Standing(
        id=text_of(row, "id").lower(),
        market=text_of(row, "market"),
        token=text_of(row, "asset_id"),
        side=side,
        price=_price(row.get("price"), side),
        size=_size(row.get("original_size"), fixed),
        matched=_size(row.get("size_matched"), fixed),
        status=status_of(row.get("status")),
    )


def pieces(trade: Mapping[str, Any], owner: str, wallet: str, fixed: bool | None = None) -> list[Piece]:
    """What one trade means to a wallet: a piece for each of its maker orders in it, and one for its own taking.

    `fixed` is the spelling of the answer that the trade came in; None: a trade that came alone. ValueError where it is no trade.
    """
    ours = _own_parts(trade, owner, wallet)
    if fixed is None:
        fixed = is_fixed(_own_sizes(ours), _trade_sizes(trade))
    at_s, status = seconds_of(trade.get("match_time")), status_of(trade.get("status"))
    found = []
    for part, is_maker in ours:
        order = str(part.get("order_id" if is_maker else "taker_order_id", ""))
        if not order:
            raise ValueError("a piece without the id of its order")
        side = _part_side(part, trade)
        size = _size(part.get("matched_amount" if is_maker else "size"), fixed)
        found.append(
            Piece(
                trade=text_of(trade, "id"),
                order=order.lower(),
                market=text_of(trade, "market"),
                token=text_of(part, "asset_id"),
                side=side,
                price=_price(part.get("price"), side),
                size=size,
                maker=is_maker,
                status=status,
                at_s=at_s,
                legs=() if is_maker else _legs(trade, size, fixed),
            )
        )
    return found


def own_pieces(trades: list[dict[str, Any]], owner: str, wallet: str, after_s: int) -> list[Piece]:
    """Every piece of a wallet in one answer to GET /data/trades matched at or after a time, each once."""
    own = [size for trade in trades for size in _own_sizes(_own_parts(trade, owner, wallet))]
    fixed = is_fixed(own, (size for trade in trades for size in _trade_sizes(trade)))
    found = [piece for trade in trades for piece in pieces(trade, owner, wallet, fixed)]
    return list({(piece.trade, piece.order): piece for piece in found if piece.at_s >= after_s}.values())


Part = tuple[Mapping[str, Any], bool]
"""What names an order of ours in a trade, and whether it was a maker there: its entry, or the trade itself."""


def _own_parts(trade: Mapping[str, Any], owner: str, wallet: str) -> list[Part]:
    ours: list[Part] = [(maker, True) for maker in rows_of(trade.get("maker_orders") or []) if _is_ours(maker, owner, wallet)]
    # Whom the top-level maker_address names differs between REST and the channel: trader_side decides, where it is said.
    said = str(trade.get("trader_side", "")).upper()
    if said == "TAKER" or (said != "MAKER" and not ours and _is_ours(trade, owner, wallet)):
        ours.append((trade, False))
    return ours


def _own_sizes(ours: Iterable[Part]) -> list[object]:
    return [part.get("matched_amount" if is_maker else "size") for part, is_maker in ours]


def _trade_sizes(trade: Mapping[str, Any]) -> list[object]:
    return [trade.get("size"), *(maker.get("matched_amount") for maker in rows_of(trade.get("maker_orders") or []))]


def _legs(trade: Mapping[str, Any], size: Size, fixed: bool) -> tuple[tuple[Price, Size], ...]:
    """What a taker traded with each maker, in the taker's own terms; none where one price says it all, or not all makers are told."""
    side, legs = _side(trade), list[tuple[Price, Size]]()
    for maker in rows_of(trade.get("maker_orders") or []):
        try:
            price = _price(maker.get("price"), side)
            ours = price if maker.get("asset_id") == trade.get("asset_id") else mirror(price)
            legs.append((ours, _size(maker.get("matched_amount"), fixed)))
        except ValueError:
            return ()
    whole = sum(part for _, part in legs) == size
    return tuple(legs) if whole and len({price for price, _ in legs}) > 1 else ()


def _is_ours(part: Mapping[str, Any], owner: str, wallet: str) -> bool:
    address = str(part.get("maker_address") or "")
    return address.lower() == wallet.lower() if address else part.get("owner") == owner


def _part_side(part: Mapping[str, Any], trade: Mapping[str, Any]) -> Side:
    """A maker's own side. Old trades leave it out: on the taker's token it is the opposite, on the complement the same (mint and merge)."""
    if part.get("side"):
        return _side(part)
    taker = _side(trade)
    return taker.other if part.get("asset_id") == trade.get("asset_id") else taker


def user_news(raw: str | bytes, owner: str, wallet: str) -> list[OrderNews | Piece]:
    """What one frame of the user channel tells; nothing for PONG and unknown kinds, ValueError where any part of it is broken."""
    if raw in ("PONG", b"PONG"):
        return []
    news: list[OrderNews | Piece] = []
    try:
        frame = msgspec.json.decode(raw)
        for event in rows_of(frame if isinstance(frame, list) else [frame]):
            kind = event.get("event_type")
            if kind == "trade":
                news += pieces(event, owner, wallet)
            elif kind == "order":
                news.append(_order_news(event))
    except (msgspec.MsgspecError, RecursionError, OverflowError) as broken:
        raise ValueError(f"{type(broken).__name__} in a frame of the user channel") from None
    return news


def _order_news(event: Mapping[str, Any]) -> OrderNews:
    sizes = [event.get("original_size"), event.get("size_matched")]
    fixed, side = is_fixed(sizes), _side(event)
    stamp = str(event.get("timestamp") or "")
    return OrderNews(
        kind=text_of(event, "type").upper(),
        id=text_of(event, "id").lower(),
        market=text_of(event, "market"),
        token=text_of(event, "asset_id"),
        side=side,
        price=_price(event.get("price"), side),
        size=_size(sizes[0], fixed) if sizes[0] not in (None, "") else Size(0),
        matched=_size(sizes[1], fixed) if sizes[1] not in (None, "") else None,
        status=status_of(event.get("status")),
        maker=str(event.get("maker_address") or "").lower(),
        at=Nanos(int(stamp) * 1_000_000 if stamp.isascii() and stamp.isdigit() and len(stamp) <= 15 else 0),
    )


def leg_of(value: object) -> Leg:
    """What became of one order, by its id and error and never by `success`; ValueError where that proves nothing."""
    row = row_of(value)
    id_, error = str(row.get("orderID") or "").lower(), clean(str(row.get("errorMsg") or ""))
    if "order match delayed" in error:
        raise ValueError(error)
    if bool(id_) == bool(error):
        raise ValueError("a leg with both an order id and an error" if id_ else "a leg with neither an order id nor an error")
    return Leg(id=id_, status=str(row.get("status") or "").lower() if id_ else "", error=error)


def legs_of(value: object, count: int) -> list[Leg]:
    """What became of each order of a batch; ValueError where one of them is not told."""
    rows = rows_of(value)
    if len(rows) != count:
        raise ValueError(f"{len(rows)} answers to {count} orders")
    return [leg_of(row) for row in rows]


def cancelled_of(value: object) -> Cancelled:
    """The answer to a cancel; ValueError where it is none."""
    row = row_of(value)
    gone, kept = row.get("canceled"), row.get("not_canceled")
    if gone is None and kept is None:
        raise ValueError("a cancel's answer with neither canceled nor not_canceled")
    if gone is not None and not isinstance(gone, list):
        raise ValueError("canceled: expected an array")
    reasons = {str(id_).lower(): clean(str(why)) for id_, why in row_of({} if kept is None else kept).items()}
    return Cancelled(gone=tuple(str(id_).lower() for id_ in gone or []), kept=reasons)


def base_units(value: object) -> int:
    """A balance: base units, a whole number of at most 30 digits in a string or bare."""
    text = _number(row_of(value).get("balance"))
    if not (text.isascii() and text.isdigit()) or len(text) > 30:
        raise ValueError("balance: expected base units")
    return int(text)
