"""The WebSocket channels: who subscribed to what, and the frames that the exchange's facts become."""

import heapq
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from pmm_tui.core.market import Market
from pmm_tui.core.units import Nanos
from pmm_tui.exchange import shapes
from pmm_tui.exchange.auth import Keys
from pmm_tui.exchange.boards import Boards, Line, opening
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.rtds import Rtds
from pmm_tui.exchange.terms import Fact, Frame, OrderTold, TradeTold

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching

NEVER = Nanos(2**63 - 1)
_PENDING_MAX = 1_000_000
_DUMPED_MAX = 500
"""A socket that follows more tokens than this gets no initial books (venue's client library, notes on subscriptions)."""


class Session(Struct):
    """One open socket. `keys`: token ids (market) or condition ids (user; empty: all)."""

    channel: str
    keys: set[str] = field(default_factory=set)
    owner: str = ""
    custom: bool = False
    ready: bool = False


class Channels:
    """Subscriptions, and the frames on their way out in the order of their times."""

    def __init__(self, matching: "Matching", keys: Keys, faults: Faults, rtds: Rtds) -> None:
        self.boards = Boards(matching, self._listens, self._tx_of)
        self.rtds = rtds
        self._matching = matching
        self._keys = keys
        self._faults = faults
        self._sessions: dict[int, Session] = {}
        self._count = 0
        self._pending: list[tuple[Nanos, int, int, Frame]] = []

    def open(self, channel: str) -> int:
        """A new socket's number."""
        self._count += 1
        self._sessions[self._count] = Session(channel)
        if channel == "rtds":
            self.rtds.open(self._count)
        return self._count

    def shut(self, session: int) -> None:
        """The socket is gone; what was on its way to it is dropped."""
        self._sessions.pop(session, None)
        self.rtds.shut(session)

    def due(self) -> Nanos:
        """When the next frame leaves."""
        return min(self._pending[0][0] if self._pending else NEVER, self.rtds.due())

    def frames(self, at: Nanos) -> list[tuple[int, Frame]]:
        """The frames that leave by now, in order."""
        out = []
        while self._pending and self._pending[0][0] <= at:
            _, _, session, frame = heapq.heappop(self._pending)
            if session in self._sessions:
                out.append((session, frame))
        return out

    def hear(self, number: int, raw: str, at: Nanos) -> None:
        """A text frame from a client: PING, a first subscription or a later operation; anything else is ignored, as the venue does."""
        session = self._sessions.get(number)
        if session is None:
            return
        if raw == "PING":
            if session.channel != "rtds":
                self._put(number, Frame(session.channel, "", "PONG", at))
            return
        try:
            said = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            said = None
        if session.channel == "rtds":
            for topic, text in self.rtds.hear(number, said, at):
                self._push(number, topic, text, at)
        elif not isinstance(said, dict):
            return
        elif session.channel == "market":
            self._subscribe_market(number, session, said, at)
        elif session.channel == "user":
            self._subscribe_user(session, said)

    def _subscribe_market(self, number: int, session: Session, said: dict[str, Any], at: Nanos) -> None:
        tokens = [token for token in said.get("assets_ids") or () if isinstance(token, str)]
        session.custom = bool(said.get("custom_feature_enabled", session.custom))
        if said.get("operation") == "unsubscribe":
            session.keys.difference_update(tokens)
            return
        fresh = [token for token in dict.fromkeys(tokens) if token not in session.keys]
        session.keys.update(fresh)
        session.ready = True
        listed = [(market, token) for token in fresh if (market := self._matching.market_of(token)) is not None]
        if said.get("initial_dump", True) and listed and len(session.keys) <= _DUMPED_MAX:
            books = [self._opening(market, token, at) for market, token in listed]
            self._push(number, "", f"[{','.join(books)}]\n", at)  # the line break is the venue's

    def _opening(self, market: Market, token: str, at: Nanos) -> str:
        board = self.boards.of(market.id)
        return "" if board is None else opening(board, token, self.boards.stamp(market.id, at))

    def _subscribe_user(self, session: Session, said: dict[str, Any]) -> None:
        told = said.get("auth")
        if isinstance(told, dict):
            known = self._keys.holder(*(str(told.get(name, "")) for name in ("apiKey", "secret", "passphrase")))
            session.owner, session.ready = ("", False) if known is None else (known.api_key, True)
        markets = {market for market in said.get("markets") or () if isinstance(market, str)}
        if said.get("operation") == "unsubscribe":
            session.keys -= markets
        else:
            session.keys |= markets

    def tell(self, facts: list[Fact], at: Nanos) -> None:
        """Render facts in their order, each with the book as it was right after it."""
        for fact in facts:
            match fact:
                case OrderTold():
                    market = self._matching.market_of(fact.order.token)
                    if market is not None and fact.order.owner:
                        told = shapes.order_told(fact.kind, fact.order, market, fact.at)
                        self._to_owner(fact.order.owner, market.id, shapes.text(told), at)
                case TradeTold():
                    self._traded(fact, at)
        for line in self.boards.tell(facts):
            self._to_market(line, at)

    def tell_prices(self, at: Nanos) -> None:
        """The newest reference prices, to those who follow them."""
        for number, topic, text in self.rtds.tick(at):
            self._push(number, topic, text, at)

    def _traded(self, fact: TradeTold, at: Nanos) -> None:
        market = self._matching.market_of(fact.trade.token)
        if market is None:
            return
        owners = dict.fromkeys((fact.trade.owner, *(part.owner for part in fact.trade.parts)))
        for owner in owners:
            if owner:
                self._to_owner(owner, market.id, shapes.text(shapes.trade_told(fact.trade, market, owner, fact.at)), at)

    def _listens(self, market: Market) -> bool:
        """Whether any socket follows a token of a market."""
        tokens = (market.yes, market.no)
        return any(one.channel == "market" and not one.keys.isdisjoint(tokens) for one in self._sessions.values())

    def _tx_of(self, trade: str) -> str:
        """The hash of a trade's transaction; empty while there is none."""
        known = self._matching.trades.get(trade)
        return known.tx if known is not None else ""

    def _to_market(self, line: Line, at: Nanos) -> None:
        pit = self._matching.markets.get(line.market)
        about = {line.token} if line.token else {pit.market.yes, pit.market.no} if pit is not None else set()
        for number, session in self._sessions.items():
            if session.channel != "market" or (line.custom and not session.custom):
                continue
            if (line.everyone and session.ready) or not session.keys.isdisjoint(about):
                self._push(number, line.token or (pit.market.yes if pit is not None else ""), line.raw, at)

    def _to_owner(self, owner: str, market: str, raw: str, at: Nanos) -> None:
        for number, session in self._sessions.items():
            if session.channel == "user" and session.ready and session.owner == owner and (not session.keys or market in session.keys):
                self._push(number, owner, raw, at)

    def _push(self, number: int, key: str, raw: str, at: Nanos) -> None:
        frame = Frame(self._sessions[number].channel, key, raw, at)
        for bent in self._faults.bend(frame, at):
            self._put(number, bent)

    def _put(self, number: int, frame: Frame) -> None:
        if len(self._pending) >= _PENDING_MAX:
            raise OverflowError("a million frames wait for their sockets")
        self._count += 1
        heapq.heappush(self._pending, (frame.at, self._count, number, frame))
