"""The WebSocket channels: who subscribed to what, and the frames that the exchange's facts become."""

import heapq
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, Nanos, Price, mirror, price_text, size_text
from pmm_tui.exchange import shapes
from pmm_tui.exchange.auth import Keys
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.terms import Fact, Frame, LevelsMoved, OrderTold, Printed, Resolved, TickMoved, TradeTold

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching

NEVER = Nanos(2**63 - 1)
_FEE_CAP_BPS = "1000"
_PENDING_MAX = 1_000_000


class Session(Struct):
    """One open socket. `keys`: token ids (market) or condition ids (user; empty: all)."""

    channel: str
    keys: set[str] = field(default_factory=set)
    owner: str = ""
    custom: bool = False
    ready: bool = False


class Channels:
    """Subscriptions, and the frames on their way out in the order of their times."""

    def __init__(self, matching: "Matching", keys: Keys, faults: Faults) -> None:
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
        return self._count

    def shut(self, session: int) -> None:
        """The socket is gone; what was on its way to it is dropped."""
        self._sessions.pop(session, None)

    def due(self) -> Nanos:
        """When the next frame leaves."""
        return self._pending[0][0] if self._pending else NEVER

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
            self._put(number, Frame(session.channel, "", "PONG", at))
            return
        try:
            said = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if session.channel == "market":
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
        books = [self._initial(market, token, at) for token in fresh if (market := self._matching.market_of(token)) is not None]
        if said.get("initial_dump", True) and books:
            self._push(number, "", shapes.text(books), at)

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

    def _initial(self, market: Market, token: str, at: Nanos) -> dict[str, Any]:
        whole = shapes.book(self._matching, market, token, at)
        names = ("market", "asset_id", "timestamp", "hash", "bids", "asks", "tick_size")
        return {**{name: whole[name] for name in names}, "event_type": "book", "last_trade_price": whole["last_trade_price"]}

    def tell(self, facts: list[Fact], at: Nanos) -> None:
        """Render facts with the book as it is now."""
        for fact in facts:
            match fact:
                case LevelsMoved():
                    self._moved(fact, at)
                case Printed():
                    self._printed(fact, at)
                case TickMoved():
                    self._ticked(fact, at)
                case Resolved():
                    self._resolved(fact, at)
                case OrderTold():
                    market = self._matching.market_of(fact.order.token)
                    if market is not None and fact.order.owner:
                        self._to_owner(fact.order.owner, market.id, shapes.text(shapes.order_told(fact.kind, fact.order, market, at)), at)
                case TradeTold():
                    self._traded(fact, at)

    def _best(self, token: str) -> tuple[Price, Price]:
        bids, asks = self._matching.levels(token, Side.BUY), self._matching.levels(token, Side.SELL)
        return (bids[0][0] if bids else Price(0)), (asks[0][0] if asks else ONE)

    def _moved(self, fact: LevelsMoved, at: Nanos) -> None:
        market = self._market(fact.market)
        if market is None:
            return
        sides = []
        for token in (market.yes, market.no):
            bid, ask = self._best(token)
            sides.append((token, shapes.book(self._matching, market, token, at)["hash"], price_text(bid), price_text(ask)))
        entries = []
        for side, price, size in fact.changes:
            for token, digest, bid_text, ask_text in sides:
                own = token == market.yes
                entries.append(
                    {
                        "asset_id": token,
                        "price": price_text(price if own else mirror(price)),
                        "size": size_text(size),
                        "side": (side if own else side.other).value,
                        "hash": digest,
                        "best_bid": bid_text,
                        "best_ask": ask_text,
                    }
                )
        said = {"market": market.id, "price_changes": entries, "timestamp": shapes.milli(at), "event_type": "price_change"}
        self._to_market(market, shapes.text(said), at)
        for token, _, bid_text, ask_text in sides:
            bid, ask = self._best(token)
            best: dict[str, Any] = {"market": market.id, "asset_id": token, "best_bid": bid_text, "best_ask": ask_text}
            best |= {"spread": price_text(ask - bid), "timestamp": shapes.milli(at), "event_type": "best_bid_ask"}
            self._to_token(token, shapes.text(best), at, custom=True)

    def _printed(self, fact: Printed, at: Nanos) -> None:
        market = self._market(fact.market)
        if market is None:
            return
        said: dict[str, Any] = {"market": market.id, "asset_id": fact.token, "price": price_text(fact.price), "size": size_text(fact.size)}
        said |= {"fee_rate_bps": _FEE_CAP_BPS if market.fees.rate else "0", "side": fact.side.value, "timestamp": shapes.milli(at)}
        trade = self._matching.trades.get(fact.trade)
        said |= {"event_type": "last_trade_price", "transaction_hash": trade.tx if trade else ""}
        self._to_token(fact.token, shapes.text(said), at)
        for token in (market.yes, market.no):
            whole = shapes.book(self._matching, market, token, at)
            names = ("market", "asset_id", "bids", "asks", "hash", "timestamp")
            self._to_token(token, shapes.text({**{name: whole[name] for name in names}, "event_type": "book"}), at)

    def _ticked(self, fact: TickMoved, at: Nanos) -> None:
        market = self._market(fact.market)
        for token in (market.yes, market.no) if market else ():
            said = {"event_type": "tick_size_change", "asset_id": token, "market": fact.market, "old_tick_size": price_text(fact.old)}
            self._to_token(token, shapes.text({**said, "new_tick_size": price_text(fact.new), "timestamp": shapes.milli(at)}), at)

    def _resolved(self, fact: Resolved, at: Nanos) -> None:
        market = self._market(fact.market)
        if market is None:
            return
        won = market.yes if fact.payout_yes * 2 >= ONE else market.no
        said = {"event_type": "market_resolved", "id": market.id, "market": market.id, "assets_ids": [market.yes, market.no]}
        said |= {"winning_asset_id": won, "winning_outcome": shapes.outcome(market, won), "timestamp": shapes.milli(at), "tags": []}
        self._to_market(market, shapes.text(said), at, custom=True)

    def _traded(self, fact: TradeTold, at: Nanos) -> None:
        market = self._matching.market_of(fact.trade.token)
        if market is None:
            return
        owners = dict.fromkeys((fact.trade.owner, *(part.owner for part in fact.trade.parts)))
        for owner in owners:
            if owner:
                self._to_owner(owner, market.id, shapes.text(shapes.trade_told(fact.trade, market, owner, at)), at)

    def _market(self, condition: str) -> Market | None:
        state = self._matching.markets.get(condition)
        return None if state is None else state.market

    def _to_market(self, market: Market, raw: str, at: Nanos, *, custom: bool = False) -> None:
        for number, session in self._sessions.items():
            if session.channel == "market" and (session.custom or not custom) and not session.keys.isdisjoint((market.yes, market.no)):
                self._push(number, market.yes, raw, at)

    def _to_token(self, token: str, raw: str, at: Nanos, *, custom: bool = False) -> None:
        for number, session in self._sessions.items():
            if session.channel == "market" and token in session.keys and (session.custom or not custom):
                self._push(number, token, raw, at)

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
