"""What the venue was asked, what it said, and what the desk was told of it: orders by count and by hash, trades by trade and order."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct, structs

from pmm_tui.core.commands import Place
from pmm_tui.core.events import (
    Event,
    ExternalFilled,
    ExternalOrder,
    FillSettled,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUncertain,
)
from pmm_tui.core.fees import taker_fee
from pmm_tui.core.market import Market, Side
from pmm_tui.core.portfolio import REMEMBER_NS
from pmm_tui.core.units import LOT, SECOND, Cash, Nanos, Price, Size, gets, pays
from pmm_tui.venues.clob.port import Piece, Signed, Standing
from pmm_tui.venues.clob.wire import OrderNews

MARGIN_S = 60
"""Trades are asked for from this long before the oldest that matters: the venue's clock is not ours, and its seconds are whole."""
_ENDS = {"CONFIRMED": True, "FAILED": False}


class Stage(StrEnum):
    """How far an order came. HELD: not sent yet. SILENT: sent, and nothing proven. ENDED: it rests no more. NEVER: it was never booked."""

    HELD = "HELD"
    POSTING = "POSTING"
    SILENT = "SILENT"
    BOOKED = "BOOKED"
    ENDED = "ENDED"
    NEVER = "NEVER"


class Entry(Struct):
    """One order of the desk."""

    place: Place
    signed: Signed | None
    """None where it could not be signed."""
    began: Nanos
    changed: Nanos
    stage: Stage = Stage.HELD
    why: str = ""
    traded: Size = Size(0)
    """The sum of its pieces, failed ones included: what the desk was told was filled."""
    matched: Size = Size(0)
    """What the venue said was matched in all."""
    queued: bool = False
    """It waits to leave, or has left: the same command again is the same order."""
    unwanted: bool = False
    """Its end was asked for."""
    denied: Nanos = Nanos(0)
    """When the venue said that it does not know the order it was asked to cancel."""
    missed: Nanos = Nanos(0)
    """The first reading that showed neither the order nor a trade of it, and no later one did."""
    tries: int = 0
    """Cancels in a row that came to nothing."""

    @property
    def number(self) -> int:
        """The desk's own count."""
        return self.place.order

    @property
    def id(self) -> str:
        """The venue's id in lower case; empty where it could not be signed."""
        return self.signed.id.lower() if self.signed is not None else ""

    @property
    def open(self) -> bool:
        """Whether it rests, or may."""
        return self.stage in (Stage.POSTING, Stage.SILENT, Stage.BOOKED)

    @property
    def whole(self) -> bool:
        """Whether all of it traded, less what the venue truncates."""
        return self.traded > self.place.size - LOT

    def final(self, said: Size) -> Size:
        """What was matched of it in all: the venue's figure, or the sum of the pieces where both are the same but for dust."""
        return self.traded if said <= self.traded + LOT else said


class Told(Struct):
    """One piece of a trade."""

    piece: Piece
    number: int
    """The desk's count, a negative one for an order that is not the desk's, 0 for a trade of before the run."""
    seen: Nanos
    """When a reading showed it first; 0: the user channel was first."""
    heard: bool
    """The user channel told of it."""
    ended: bool = False


class Ledger:
    """The venue's side of the desk's memory. Every method that learns something answers with the facts that are news to the desk."""

    def __init__(self, earlier: frozenset[str] = frozenset()) -> None:
        """`earlier`: ids, in lower case, of orders that earlier runs signed. The venue may book one of them at any time; none is wanted."""
        self.markets: dict[str, Market] = {}
        self.entries: dict[int, Entry] = {}
        self.numbers: dict[str, int] = {}
        self.trades: dict[tuple[str, str], Told] = {}
        self.foreign: dict[str, int] = {}
        """Ids of orders that are not the desk's, with their negative counts."""
        self.settled = 0
        """How many trades ended."""
        self.read_at = Nanos(0)
        """When the last whole reading of the account began."""
        self._first_s = 0
        """Trades matched before this that are not known are of no interest: of before the run, or long over."""
        self._newest_forgotten = 0
        self._live: dict[int, Entry] = {}
        self._earlier = earlier

    def market_of(self, token: str) -> Market | None:
        """The listed market that a token is of."""
        return next((market for market in self.markets.values() if token in (market.yes, market.no)), None)

    def retick(self, market: str, tick: Price) -> None:
        """A market's grid as a feed says it; 0 where it does not."""
        known = self.markets.get(market)
        if known is not None and tick and known.tick != tick:
            self.markets[market] = structs.replace(known, tick=tick)

    def add(self, place: Place, signed: Signed | None, why: str, at: Nanos) -> Entry:
        """An order that is about to be sent."""
        entry = Entry(place, signed, at, at, why=why)
        self.entries[place.order] = entry
        if signed is not None:
            self.numbers[signed.id.lower()] = place.order
        return entry

    def find(self, id_: str) -> Entry | None:
        """An order of the desk by the venue's id."""
        return self.entries.get(self.numbers.get(id_.lower(), 0))

    def live(self) -> list[Entry]:
        """Every order that rests, or may."""
        return list(self._live.values())

    def is_absent(self, number: int) -> bool:
        """Whether an order that is not in the ledger was never sent: it is neither one of ours nor one that was forgotten."""
        return number not in self.entries and number > self._newest_forgotten

    def posting(self, entry: Entry, at: Nanos) -> None:
        """It leaves now."""
        self._move(entry, Stage.POSTING, at)

    def revive(self, entry: Entry, at: Nanos) -> None:
        """A reading shows an order open that was believed over: it rests again, unwanted."""
        self._move(entry, Stage.BOOKED, at, entry.why)
        entry.unwanted = True

    def surfaced(self, orders: Iterable[Standing | OrderNews], at: Nanos) -> list[Entry]:
        """Those of the orders that an earlier run signed and that are not known yet: they rest from now on, unwanted, to be cancelled."""
        found = []
        for one in orders:
            id_ = one.id.lower()
            if id_ in self._earlier and id_ not in self.numbers:
                number = self._number(id_)
                place = Place(number, one.market, one.token, one.side, one.price, one.size)
                self.numbers[id_] = number
                entry = self.entries[number] = Entry(place, Signed(number, id_, None), at, at, queued=True, unwanted=True)
                self._move(entry, Stage.BOOKED, at, "of an earlier run")
                found.append(entry)
        return found

    def booked(self, entry: Entry, at: Nanos, id_: str = "") -> list[Event]:
        """The venue has the order."""
        entry.missed = Nanos(0)
        if entry.stage in (Stage.BOOKED, Stage.ENDED):
            return []
        self._move(entry, Stage.BOOKED, at)
        if id_:
            self.numbers[id_.lower()] = entry.number
        return [OrderAccepted(at, entry.number, id_ or entry.id)]

    def refused(self, entry: Entry, at: Nanos, why: str, code: str) -> list[Event]:
        """The venue did not book it, or it never left. What proved before that it is booked proves the venue wrong."""
        if entry.traded:
            return self.booked(entry, at)
        if entry.stage not in (Stage.HELD, Stage.POSTING, Stage.SILENT):
            return []
        self._move(entry, Stage.NEVER, at, why)
        return [OrderRejected(at, entry.number, why, code)]

    def gave_up(self, entry: Entry, at: Nanos, why: str) -> list[Event]:
        """The answer to its POST did not come, or proved nothing."""
        if entry.traded:
            return self.booked(entry, at)
        if entry.stage is not Stage.POSTING:
            return []
        self._move(entry, Stage.SILENT, at, why)
        return [OrderUncertain(at, entry.number, why)]

    def over(self, entry: Entry, at: Nanos, said: Size | None, why: str) -> list[Event]:
        """It rests no more; `said` is what the venue says was matched, where it does."""
        if entry.stage in (Stage.ENDED, Stage.NEVER):
            return []
        entry.matched = entry.final(said if said is not None else Size(0))
        self._move(entry, Stage.ENDED, at, why)
        return [self.ending(entry, at)]

    def never(self, entry: Entry, at: Nanos, why: str) -> list[Event]:
        """It is proven that it was never booked."""
        if entry.stage in (Stage.ENDED, Stage.NEVER):
            return []
        self._move(entry, Stage.NEVER, at, why)
        return [self.ending(entry, at)]

    def ending(self, entry: Entry, at: Nanos) -> Event:
        """Its end, as told once and again where it is asked for again."""
        return OrderCancelled(at, entry.number, max(entry.matched, entry.traded), entry.why)

    def hear(self, pieces: Iterable[Piece], at: Nanos, channel: bool) -> list[Event]:
        """Pieces of trades, from the user channel or from a reading: what of them is new."""
        facts: list[Event] = []
        for piece in pieces:
            key = (piece.trade, piece.order.lower())
            told = self.trades.get(key)
            if told is None:
                if piece.at_s < self._first_s:
                    continue
                told = self.trades[key] = Told(piece, self._number(piece.order), Nanos(0) if channel else at, channel)
                facts += self._first(told, at)
            told.heard = told.heard or channel
            told.piece = piece if not told.ended else told.piece
            facts += self._settle(told, at)
        return facts

    def news(self, news: OrderNews, at: Nanos) -> list[Event]:
        """An order's frame from the user channel."""
        entry = self.find(news.id)
        if entry is None:
            return []
        if news.kind == "CANCELLATION" or news.status.startswith(("CANCELED", "INVALID")):
            reason = news.status.lower().replace("_", " ") or "cancelled"
            return self.over(entry, at, news.matched, reason)
        return self.booked(entry, at) if entry.stage in (Stage.POSTING, Stage.SILENT) else []

    def again(self, numbers: Sequence[int], at: Nanos) -> list[Event]:
        """Every piece of these orders once more, each with its end where it has one."""
        wanted = frozenset(numbers)
        facts: list[Event] = []
        for told in self.trades.values():
            if told.number in wanted:
                facts.append(self._fill(told, at))
                if told.ended:
                    facts.append(FillSettled(at, told.piece.trade, told.number, _ENDS[told.piece.status]))
        return facts

    def opened(self, pieces: Iterable[Piece], at: Nanos) -> int:
        """The trades of before the run: they are never told. How many of them are not settled yet."""
        unsettled = 0
        for piece in pieces:
            ended = piece.status in _ENDS
            unsettled += not ended
            self.trades[(piece.trade, piece.order.lower())] = Told(piece, 0, at, True, ended)
        return unsettled

    def external(self, standings: Iterable[Standing]) -> tuple[ExternalOrder, ...]:
        """The open orders that are not this run's."""
        return tuple(
            ExternalOrder(
                self._number(one.id), one.id, one.market, one.token, one.side, one.price, Size(one.size - one.matched), entry is not None
            )
            for one in standings
            if (entry := self.find(one.id)) is None or entry.number < 0
        )

    def since_s(self, at: Nanos) -> int:
        """From when on trades must be read: nothing that may still change, or that nobody read yet, is older."""
        times = [told.piece.at_s for told in self.trades.values() if not told.ended]
        times += [entry.began // SECOND for entry in self.live()]
        times.append((self.read_at or at) // SECOND)
        return max(0, min(times) - MARGIN_S)

    def stale(self, since: Nanos, at: Nanos, after_s: float) -> str:
        """A trade of the desk's that a reading showed after `since` and the user channel did not tell for `after_s`: its id, or nothing."""
        for told in self.trades.values():
            if not told.heard and told.number > 0 and told.seen >= since and at - told.seen >= after_s * SECOND:
                return told.piece.trade
        return ""

    def forget(self, at: Nanos) -> None:
        """Let go of what is long over. Never of what a reading could still show anew."""
        before = min(at - REMEMBER_NS, self.read_at - MARGIN_S * SECOND)
        before_s = before // SECOND
        for key in [key for key, told in self.trades.items() if told.ended and told.piece.at_s < before_s]:
            del self.trades[key]
        self._first_s = max(self._first_s, before_s)
        owed = {told.number for told in self.trades.values()}
        for entry in list(self.entries.values()):
            if not entry.open and entry.stage is not Stage.HELD and entry.changed < before and entry.number not in owed:
                self._newest_forgotten = max(self._newest_forgotten, entry.number)
                del self.entries[entry.number]
        if len(self.numbers) > 2 * len(self.entries):
            self.numbers = {id_: number for id_, number in self.numbers.items() if number in self.entries}

    def begin(self, at: Nanos) -> int:
        """The run begins: what was traded before is not of it. From when on (seconds) the trades of before must be read to be known."""
        self._first_s = max(0, (at - REMEMBER_NS) // SECOND)
        return max(0, self._first_s - MARGIN_S)

    def _number(self, id_: str) -> int:
        number = self.numbers.get(id_.lower())
        return number if number is not None else self.foreign.setdefault(id_.lower(), -1 - len(self.foreign))

    def _first(self, told: Told, at: Nanos) -> list[Event]:
        entry = self.entries.get(told.number)
        facts: list[Event] = []
        if entry is not None:
            if entry.stage is Stage.SILENT:
                facts = self.booked(entry, at)
            entry.traded = Size(entry.traded + told.piece.size)
        return [*facts, self._fill(told, at)]

    def _fill(self, told: Told, at: Nanos) -> Event:
        piece = told.piece
        market = self.markets.get(piece.market)
        legs = piece.legs or ((piece.price, piece.size),)
        fee = Cash(0) if piece.maker or market is None else Cash(sum(taker_fee(market.fees, *leg) for leg in legs))
        cost = pays if piece.side is Side.BUY else gets
        worth = Cash(sum(cost(*leg) for leg in piece.legs))
        if told.number > 0:
            return OrderFilled(at, told.number, piece.trade, piece.price, piece.size, fee, piece.maker, worth=worth)
        return ExternalFilled(at, told.number, piece.trade, piece.market, piece.token, piece.side, piece.price, piece.size, fee, worth)

    def _settle(self, told: Told, at: Nanos) -> list[Event]:
        ok = _ENDS.get(told.piece.status)
        if ok is None or told.ended:
            return []
        told.ended = True
        self.settled += 1
        return [FillSettled(at, told.piece.trade, told.number, ok)] if told.number else []

    def _move(self, entry: Entry, stage: Stage, at: Nanos, why: str = "") -> None:
        entry.stage, entry.changed, entry.why = stage, at, why
        if entry.open:
            self._live[entry.number] = entry
        else:
            self._live.pop(entry.number, None)
