"""What a fault does to one WebSocket frame: lost, twice, late, broken, or followed by nothing more."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from pmm_tui.core.units import MILLI, ONE, Nanos, Price, price_of, price_text
from pmm_tui.exchange.fault_terms import Fault
from pmm_tui.exchange.terms import Frame

if TYPE_CHECKING:
    from random import Random

CUT = "\x00"
"""At the end of a frame's text: the connection breaks there, and the message is never finished. No JSON text has it."""

_HASH = re.compile(r'("hash":")([0-9a-f])')
_PRICE = re.compile(r'("(?:price|best_bid|best_ask)":)"[^"]*"')
_VALUE = re.compile(r'("value":)(\d+(?:\.\d+)?)')
_EXACT = re.compile(r'("full_accuracy_value":")(\d+)(\.\d+)?(")')
_STATUS = re.compile(r'("status":)"[^"]*"')


def _late(frame: Frame, ms: float) -> Frame:
    return structs.replace(frame, at=Nanos(frame.at + round(ms * MILLI)))


def _lost(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    return []


def _twice(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    return [frame, *(_late(frame, fault.number("ms") * chance.random()) for _ in range(int(fault.number("copies"))))]


def _delayed(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    return [_late(frame, fault.number("ms"))]


def _overtaken(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    return [_late(frame, fault.number("ms") * chance.random())]


def _array(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    return [structs.replace(frame, raw=f"[{frame.raw}]") if frame.raw.startswith("{") else frame]


def _wrong_hash(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    return [structs.replace(frame, raw=_HASH.sub(lambda found: found[1] + format(int(found[2], 16) ^ 1, "x"), frame.raw))]


def _bad_numbers(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    text = fault.text("text")
    return [structs.replace(frame, raw=_PRICE.sub(lambda found: f'{found[1]}"{text}"', frame.raw))]


def _unknown_status(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    status = fault.text("status")
    return [structs.replace(frame, raw=_STATUS.sub(lambda found: f'{found[1]}"{status}"', frame.raw))]


def _outlier(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    """A price is told twice, as a number and exactly, and both are off."""
    factor = 1 + fault.number("percent") / 100
    raw = _VALUE.sub(lambda found: f"{found[1]}{float(found[2]) * factor:.8g}", frame.raw)
    return [structs.replace(frame, raw=_EXACT.sub(lambda found: _exactly(found, factor), raw))]


def _exactly(found: re.Match[str], factor: float) -> str:
    """Binance's spelling has eight decimals, Chainlink's is a whole number."""
    value = Decimal(found[2] + (found[3] or "")) * Decimal(str(factor))
    return f"{found[1]}{value:.{8 if found[3] else 0}f}{found[4]}"


def _giant(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    form, length = fault.text("form"), int(fault.number("bytes"))
    if form == "deep":
        raw = "[" * (length // 2) + "]" * (length // 2)
    else:
        opening, mark, end = (
            ('{"event_type":"book","market":"', "x", '"}') if form == "long" else ('{"event_type":"book","timestamp":', "9", "}")
        )
        raw = opening + mark * max(1, length - len(opening) - len(end)) + end
    return [structs.replace(frame, raw=raw), frame]


def _crossed(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    """After a change of levels a bid two cents beyond the best ask, said for both tokens, and its end."""
    if '"event_type":"price_change"' not in frame.raw:
        return [frame]
    said = msgspec.json.decode(frame.raw)
    if not isinstance(said, dict):  # wrapped as an array by another fault
        return [frame]
    yes, *others = {entry["asset_id"]: entry for entry in said["price_changes"]}.values()
    try:
        price = min(ONE - 100, price_of(yes["best_ask"]) + 200)
    except ValueError:  # made a number that is none by another fault
        return [frame]
    bid = yes | {"price": price_text(Price(price)), "side": "BUY", "size": "7"}
    mirrored = [no | {"price": price_text(Price(ONE - price)), "side": "SELL", "size": "7"} for no in others]
    crossed = [bid | {"best_bid": bid["price"]}, *(ask | {"best_ask": ask["price"]} for ask in mirrored)]
    over = [entry | {"size": "0"} for entry in (bid, *mirrored)]
    both = [structs.replace(frame, raw=msgspec.json.encode(said | {"price_changes": entries}).decode()) for entries in (crossed, over)]
    return [frame, both[0], _late(both[1], fault.number("ms"))]


def _cut(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    return [structs.replace(frame, raw=frame.raw[: len(frame.raw) // 2] + CUT)]


EFFECTS: dict[str, Callable[[Fault, Frame, "Random"], list[Frame]]] = {
    "market_freeze": _lost,
    "user_mute": _lost,
    "drop_frames": _lost,
    "duplicate_frames": _twice,
    "late_frames": _delayed,
    "reorder_frames": _overtaken,
    "array_frames": _array,
    "reference_outlier": _outlier,
    "wrong_hash": _wrong_hash,
    "bad_numbers": _bad_numbers,
    "unknown_status": _unknown_status,
    "crossed_frames": _crossed,
    "giant_message": _giant,
    "drop_connection": _cut,
}
"""For each fault that strikes frames, what it does to one."""


def strike(fault: Fault, frame: Frame, chance: "Random") -> list[Frame]:
    """What is sent in place of the frame: it, where the fault is not about it or misses."""
    channel, event = fault.text("channel"), fault.told.get("event", "")
    topic = fault.told.get("topic", "")
    about = channel in ("", frame.channel) and (not event or f'"event_type":"{event}"' in frame.raw) and topic in ("", frame.key)
    return EFFECTS[fault.what](fault, frame, chance) if about and fault.strikes(chance) else [frame]
