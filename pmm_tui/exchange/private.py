"""The endpoints behind a key: orders, cancels, own orders and trades, balances."""

from typing import TYPE_CHECKING, Any

import msgspec

from pmm_tui.core.market import Side
from pmm_tui.core.units import SECOND, Nanos, size_text
from pmm_tui.exchange import shapes
from pmm_tui.exchange.auth import Account
from pmm_tui.exchange.eip712 import verify_order, wallets_of
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.ladder import in_yes
from pmm_tui.exchange.public import query
from pmm_tui.exchange.terms import Answer, Ask, Order

if TYPE_CHECKING:
    from pmm_tui.exchange.matching import Matching

BAD_PAYLOAD = "Invalid order payload"
BATCH_MAX = 15
CANCELS_MAX = 1000
EXCHANGES = (
    "0xE111180000d2663C0091e4f400237545B87B996B",
    "0xe2222d279d744050d28e00520010520000310F59",
    "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa",
)
ALLOWED = str(2**256 - 1)


class Private:
    """What one account may ask for, once its request is authenticated."""

    def __init__(self, matching: "Matching", faults: Faults, trusting: bool = False) -> None:
        self._matching = matching
        self._faults = faults
        self._trusting = trusting

    def answer(self, ask: Ask, account: Account, at: Nanos) -> Answer:
        """The answer to an authenticated request; 404 where the path is unknown."""
        if ask.method == "GET":
            return self._read(ask, account)
        try:
            body = msgspec.json.decode(ask.body) if ask.body else None
        except (msgspec.DecodeError, RecursionError):
            return shapes.error(BAD_PAYLOAD)
        match ask.method, ask.path:
            case "POST", "/order":
                leg = self._place(body, account, at)
                return shapes.error(leg) if isinstance(leg, str) else shapes.answer(leg)
            case "POST", "/orders":
                return self._batch(body, account, at)
            case "POST", "/orders-scoring" if isinstance(body, list):
                return shapes.answer({str(name): self._scores(str(name), account) for name in body})
            case "DELETE", _:
                return self._cancel(ask.path, body, account, at)
        return shapes.error("not found", 404)

    def _place(self, body: Any, account: Account, at: Nanos) -> dict[str, Any] | str:
        order = body.get("order") if isinstance(body, dict) else None
        market = self._matching.market_of(str(order.get("tokenId"))) if isinstance(order, dict) else None
        if market is None:
            return BAD_PAYLOAD
        market = msgspec.structs.replace(market, tick=self._matching.tick(market.id))
        seen = verify_order(body, market, account, trusting=self._trusting)
        if isinstance(seen, str):
            return seen
        one = Order(
            seen.id, seen.wallet, seen.owner, market.id, seen.token, seen.side, seen.price, seen.size, seen.lasts, seen.post_only, at
        )
        one.expires, one.budget = seen.expires, seen.budget
        placed = self._matching.place(one, at)
        if placed.error:
            return placed.error
        making, taking = (size_text(amount) if amount else "" for amount in (placed.making, placed.taking))
        said = {"errorMsg": "", "orderID": one.id, "takingAmount": taking, "makingAmount": making, "status": placed.status, "success": True}
        return said | ({"tradeIDs": list(placed.trades)} if placed.trades else {})

    def _batch(self, body: Any, account: Account, at: Nanos) -> Answer:
        if not isinstance(body, list):
            return shapes.error(BAD_PAYLOAD)
        if len(body) > BATCH_MAX:
            return shapes.error(f"Too many orders in payload: {len(body)}, max allowed: {BATCH_MAX}")
        legs = []
        for one in body:
            leg = self._faults.refuse_leg(at) or self._place(one, account, at)
            refused = {"errorMsg": leg, "orderID": "", "takingAmount": "", "makingAmount": "", "status": "", "success": True}
            legs.append(refused if isinstance(leg, str) else leg)
        return shapes.answer(legs)

    def _cancel(self, path: str, body: Any, account: Account, at: Nanos) -> Answer:
        match path, body:
            case "/order", {"orderID": str(oid)}:
                gone, kept = self._cancel_ids([oid], account, at)
            case "/orders", list() if all(isinstance(oid, str) for oid in body):
                if len(body) > CANCELS_MAX:
                    return shapes.error(f"Too many orders in payload, max allowed: {CANCELS_MAX}")
                gone, kept = self._cancel_ids(list(dict.fromkeys(body)), account, at)
            case "/cancel-all", _:
                gone, kept = self._matching.cancel_where("", at, owner=account.api_key)
            case "/cancel-market-orders", {"market": str(_)} | {"asset_id": str(_)}:
                told = {"market": str(body.get("market", "")), "token": str(body.get("asset_id", ""))}
                gone, kept = self._matching.cancel_where("", at, owner=account.api_key, **told)
            case _:
                return shapes.error(BAD_PAYLOAD)
        return shapes.answer({"canceled": gone, "not_canceled": kept})

    def _cancel_ids(self, ids: list[str], account: Account, at: Nanos) -> tuple[list[str], dict[str, str]]:
        gone: list[str] = []
        kept: dict[str, str] = {}
        for oid in ids:
            one = self._matching.orders.get(oid)
            if one is None or one.owner != account.api_key:
                kept[oid] = "Order not found or already canceled"
                continue
            more, left = self._matching.cancel([oid], one.wallet, at)
            gone += more
            kept |= left
        return gone, kept

    def _read(self, ask: Ask, account: Account) -> Answer:
        asked = query(ask)
        if ask.path == "/data/orders":
            mine = [one for one in self._matching.orders.values() if one.owner == account.api_key and one.status in ("LIVE", "DELAYED")]
            named = (("id", "id"), ("market", "market"), ("asset_id", "token"))
            return _page([self._order(one) for one in mine if all(asked.get(n, getattr(one, f)) == getattr(one, f) for n, f in named)])
        if ask.path.startswith("/data/order/"):
            found = self._matching.orders.get(ask.path.removeprefix("/data/order/"))
            if found is None or found.owner != account.api_key:
                return shapes.error("order not found", 404)
            return shapes.answer(self._order(found))
        if ask.path == "/data/trades":
            return self._trades(asked, account)
        if ask.path == "/balance-allowance":
            return self._balance(asked, account)
        fixed: dict[str, Any] = {"/balance-allowance/update": None, "/auth/ban-status/closed-only": {"closed_only": False}}
        fixed["/notifications"] = []
        if ask.path == "/order-scoring":
            return shapes.answer({"scoring": self._scores(asked.get("order_id", ""), account)})
        return shapes.answer(fixed[ask.path]) if ask.path in fixed else shapes.error("not found", 404)

    def _scores(self, name: str, account: Account) -> bool:
        """Whether an order counts for liquidity rewards: it rests, is large enough, and near enough to the mid."""
        order = self._matching.orders.get(name)
        if order is None or order.owner != account.api_key or order.status != "LIVE":
            return False
        pit = self._matching.markets[order.market]
        rewards, (bid, ask) = pit.market.rewards, (pit.ladder.best(Side.BUY), pit.ladder.best(Side.SELL))
        if bid is None or ask is None or order.rest < rewards.min_size:
            return False
        price = in_yes(pit.market, order.token, order.side, order.price)[1]
        return abs(price - (bid + ask) / 2) / 100 < rewards.max_spread_cents

    def _balance(self, asked: dict[str, str], account: Account) -> Answer:
        """The balance of the wallet that the signature type names; of several that it may be, the one that holds something."""
        kind, token = asked.get("signature_type", "0"), asked.get("token_id", "")
        if kind not in ("0", "1", "2", "3"):
            return shapes.error("invalid signature type")
        wallets = [account.address] if kind == "0" else wallets_of(account.address, int(kind))
        held = max(self._matching.shares(one.lower(), token) if token else self._matching.cash(one.lower()) for one in wallets)
        return shapes.answer({"balance": str(held), "allowances": dict.fromkeys(EXCHANGES, ALLOWED)})

    def _order(self, one: Order) -> dict[str, Any]:
        return shapes.order(one, self._matching.markets[one.market].market)

    def _trades(self, asked: dict[str, str], account: Account) -> Answer:
        try:
            after = int(asked.get("after", "0"))
        except ValueError:
            return shapes.error("Invalid trade params payload")
        said = []
        for one in self._matching.trades.values():
            mine = account.api_key == one.owner or any(part.owner == account.api_key for part in one.parts)
            wanted = asked.get("id", one.id) == one.id and asked.get("market", one.market) == one.market
            market = self._matching.market_of(one.token)
            if mine and wanted and market is not None and one.at >= after * SECOND:
                said.append(shapes.trade(one, market, one.owner == account.api_key))
        return _page(said)


def _page(rows: list[dict[str, Any]]) -> Answer:
    return shapes.answer({"limit": 500, "next_cursor": "LTE=", "count": len(rows), "data": rows})
