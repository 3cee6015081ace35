"""The endpoints behind a key: orders, cancels, own orders and trades, balances, scoring, rewards."""

import re
from typing import Any

import msgspec

from pmm_tui.core.market import Side
from pmm_tui.core.units import ONE, SECOND, Nanos, Price, Size, size_text
from pmm_tui.exchange import rewards, shapes
from pmm_tui.exchange.admission import crossing
from pmm_tui.exchange.auth import Account
from pmm_tui.exchange.eip712 import VerifiedOrder, signed_of, verify_order, wallets_of
from pmm_tui.exchange.fault_asks import legs, places
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.habits import Modes
from pmm_tui.exchange.ladder import in_yes
from pmm_tui.exchange.paging import page
from pmm_tui.exchange.terms import Answer, Ask, Lasts, Order, Trade
from pmm_tui.exchange.view import View, query
from pmm_tui.exchange.wallets import EXCHANGES

BAD_PAYLOAD = "Invalid order payload"
BATCH_MAX = 15
_ASSETS = ("COLLATERAL", "CONDITIONAL", "CONDITIONAL-V2")
_LATER = ("order 0x", "invalid amounts", "invalid expiration")
"""How the texts begin of what is checked only once the venue takes orders at all: tick, amounts, expiration."""
_ORDER_ID = re.compile(r"0x[0-9a-fA-F]{64}")
_PLACES = ("/order", "/orders")
_CANCELS = (*_PLACES, "/cancel-all", "/cancel-market-orders")
_READS = (
    *("/data/orders", "/data/trades", "/balance-allowance", "/balance-allowance/update", "/auth/ban-status/closed-only"),
    *("/notifications", "/order-scoring", *rewards.USER_PATHS),
)


def known(ask: Ask) -> bool:
    """Whether a request is one of those answered here."""
    if ask.method == "GET":
        return ask.path in _READS or ask.path.startswith("/data/order/")
    if ask.method == "POST":
        return ask.path in _PLACES or ask.path == "/orders-scoring"
    return ask.method == "DELETE" and (ask.path in _CANCELS or ask.path == "/notifications")


def wallets_of_all(owner: str) -> list[str]:
    """Every wallet that a key may trade for: its own address, and what the venue's factories make of it."""
    return [owner.lower(), *(wallet.lower() for kind in (1, 2, 3) for wallet in wallets_of(owner, kind))]


class Private:
    """What one account may ask for, once its request is authenticated."""

    def __init__(self, view: View, modes: Modes, faults: Faults, trusting: bool = False) -> None:
        self._view = view
        self._modes = modes
        self._matching = view.matching
        self._faults = faults
        self._trusting = trusting

    def answer(self, ask: Ask, account: Account, at: Nanos) -> Answer:
        """The answer to an authenticated request that is `known`."""
        if ask.method == "GET":
            return self._read(ask, account, at)
        try:
            body = msgspec.json.decode(ask.body) if ask.body else None
        except (msgspec.DecodeError, RecursionError):
            return shapes.error(BAD_PAYLOAD)
        match ask.method, ask.path:
            case "POST", "/order":
                return self._one(body, account, at)
            case "POST", "/orders":
                return self._batch(body, account, at)
            case "POST", _ if isinstance(body, list):
                return shapes.answer({str(name): self._scores(str(name), account) for name in body})
            case "DELETE", "/notifications":
                return shapes.answer("OK")
            case "DELETE", _:
                return self._modes.refuse_cancels(at) or self._cancel(ask.path, body, account, at)
        return shapes.error(BAD_PAYLOAD)

    def takes(self, ask: Ask) -> bool:
        """Whether a request posts an order that would match at once as the book is now, by its terms alone."""
        return places(ask) and any(self._crosses(leg) for leg in legs(ask))

    def _crosses(self, leg: dict[str, Any]) -> bool:
        try:
            told = signed_of(leg["order"])
            market = self._matching.market_of(str(told.token))
            money, size = (told.making, told.taking) if told.side is Side.BUY else (told.taking, told.making)
            price = Price(money * ONE // size)
        except (ValueError, KeyError, TypeError, ZeroDivisionError):
            return False
        if market is None or leg.get("postOnly") is True:
            return False
        one = Order("", told.maker, "", market.id, str(told.token), told.side, price, Size(size), Lasts.GTC, False, Nanos(0))
        return crossing(one, market, self._matching.markets[market.id].ladder)

    # --- orders ---------------------------------------------------------------------------------------------------------------------------

    def _one(self, body: Any, account: Account, at: Nanos) -> Answer:
        seen = self._verify(body, account)
        if isinstance(seen, str) and not seen.startswith(_LATER):
            return shapes.error(seen)
        leg = self._modes.refuse_orders([body], at) or (seen if isinstance(seen, str) else self._place(seen, at))
        return leg if isinstance(leg, Answer) else shapes.error(leg) if isinstance(leg, str) else shapes.answer(leg)

    def _verify(self, body: Any, account: Account) -> VerifiedOrder | str:
        order = body.get("order") if isinstance(body, dict) else None
        market = self._matching.market_of(str(order.get("tokenId"))) if isinstance(order, dict) else None
        if market is None:
            return BAD_PAYLOAD
        market = msgspec.structs.replace(market, tick=self._matching.tick(market.id))
        return verify_order(body, market, account, trusting=self._trusting)

    def _place(self, seen: VerifiedOrder, at: Nanos) -> dict[str, Any] | str:
        market = self._matching.market_of(seen.token)
        if market is None:
            return BAD_PAYLOAD
        one = Order(
            seen.id, seen.wallet, seen.owner, market.id, seen.token, seen.side, seen.price, seen.size, seen.lasts, seen.post_only, at
        )
        one.expires, one.budget = seen.expires, seen.budget
        placed = self._matching.place(one, at)
        if placed.error:
            return placed.error
        written = str if self._view.habits.base_units else size_text
        making, taking = (written(amount) if amount else "" for amount in (placed.making, placed.taking))
        said = {"errorMsg": "", "orderID": one.id, "takingAmount": taking, "makingAmount": making, "status": placed.status, "success": True}
        said |= {"transactionsHashes": []} if self._view.habits.transactions_hashes else {}
        return said | ({"tradeIDs": list(placed.trades)} if placed.trades else {})

    def _batch(self, body: Any, account: Account, at: Nanos) -> Answer:
        if not isinstance(body, list):
            return shapes.error(BAD_PAYLOAD)
        if len(body) > BATCH_MAX:
            return shapes.error(f"Too many orders in payload: {len(body)}, max allowed: {BATCH_MAX}")
        if (refused := self._modes.refuse_orders(body, at)) is not None:
            return refused
        legs = []
        for one in body:
            leg = self._faults.refuse_leg(at) or self._leg(one, account, at)
            nothing = {"errorMsg": leg, "orderID": "", "takingAmount": "", "makingAmount": "", "status": "", "success": True}
            legs.append(nothing if isinstance(leg, str) else leg)
        return shapes.answer(legs)

    def _leg(self, body: Any, account: Account, at: Nanos) -> dict[str, Any] | str:
        seen = self._verify(body, account)
        return seen if isinstance(seen, str) else self._place(seen, at)

    def _cancel(self, path: str, body: Any, account: Account, at: Nanos) -> Answer:
        most = self._view.habits.cancels_max
        match path, body:
            case "/order", {"orderID": str(oid)}:
                if not _ORDER_ID.fullmatch(oid):
                    return shapes.error("Invalid orderID")
                gone, kept = self._cancel_ids([oid], account, at)
            case "/orders", list() if all(isinstance(oid, str) for oid in body):
                if len(body) > most:
                    return shapes.error(f"Too many orders in payload, max allowed: {most}")
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

    # --- reading --------------------------------------------------------------------------------------------------------------------------

    def _read(self, ask: Ask, account: Account, at: Nanos) -> Answer:
        asked = query(ask)
        if ask.path == "/data/orders":
            mine = [one for one in self._matching.orders.values() if one.owner == account.api_key and one.status in ("LIVE", "DELAYED")]
            named = (("id", "id"), ("market", "market"), ("asset_id", "token"))
            found = [one for one in mine if all(asked.get(n, getattr(one, f)) == getattr(one, f) for n, f in named)]
            return page([self._order(one) for one in found], asked)
        if ask.path.startswith("/data/order/"):
            order = self._matching.orders.get(ask.path.removeprefix("/data/order/"))
            if order is None or order.owner != account.api_key:
                return shapes.error("order not found", 404)
            return shapes.answer(self._order(order))
        if ask.path == "/data/trades":
            return self._trades(asked, account)
        if ask.path == "/balance-allowance":
            return self._balance(asked, account)
        if ask.path in rewards.USER_PATHS:
            return rewards.of_user(self._view, ask, set(wallets_of_all(account.address)), at)
        if ask.path == "/order-scoring":
            return shapes.answer({"scoring": self._scores(asked.get("order_id", ""), account)})
        fixed: dict[str, Any] = {"/balance-allowance/update": None, "/auth/ban-status/closed-only": {"closed_only": False}}
        return shapes.answer(fixed.get(ask.path, []))

    def _scores(self, name: str, account: Account) -> bool:
        """Whether an order counts for liquidity rewards: it rests, is large enough, and near enough to the mid."""
        order = self._matching.orders.get(name)
        if order is None or order.owner != account.api_key or order.status != "LIVE":
            return False
        pit = self._matching.markets[order.market]
        terms, (bid, ask) = pit.market.rewards, (pit.ladder.best(Side.BUY), pit.ladder.best(Side.SELL))
        if bid is None or ask is None or order.rest < terms.min_size:
            return False
        price = in_yes(pit.market, order.token, order.side, order.price)[1]
        return abs(price - (bid + ask) / 2) / 100 < terms.max_spread_cents

    def _balance(self, asked: dict[str, str], account: Account) -> Answer:
        """The balance of the wallet that the signature type names; of several that it may be, the one that holds something."""
        kind, token = asked.get("signature_type", "0"), asked.get("token_id", "")
        if kind not in ("0", "1", "2", "3"):
            return shapes.error("invalid signature type")
        asset = asked.get("asset_type", "CONDITIONAL" if token else "COLLATERAL")
        if asset not in _ASSETS or (asset != "COLLATERAL" and not token):
            return shapes.error("invalid params")
        token = "" if asset == "COLLATERAL" else token
        wallets = [account.address] if kind == "0" else wallets_of(account.address, int(kind))
        found = [self._matching.wallet(one.lower()) for one in wallets]
        held, wallet = max(((int(one.shares.get(token, 0) if token else one.cash), one) for one in found), key=lambda pair: pair[0])
        return shapes.answer({"balance": str(held), "allowances": {one: str(wallet.may_move(asset, one)) for one in EXCHANGES}})

    def _order(self, one: Order) -> dict[str, Any]:
        said = shapes.order(one, self._matching.markets[one.market].market)
        return said | {"status": f"ORDER_STATUS_{said['status']}"} if self._view.habits.long_statuses else said

    def _trades(self, asked: dict[str, str], account: Account) -> Answer:
        try:
            after, before = int(asked.get("after", "0")), int(asked.get("before", "0"))
        except ValueError:
            return shapes.error("Invalid trade params payload")
        said = []
        for one in self._matching.trades.values():
            mine = account.api_key == one.owner or any(part.owner == account.api_key for part in one.parts)
            market = self._matching.market_of(one.token)
            in_time = one.at >= after * SECOND and (not before or one.at < before * SECOND)
            if mine and in_time and market is not None and _about(one, asked):
                row = shapes.trade(one, market, one.owner == account.api_key)
                said.append(row | {"status": f"TRADE_STATUS_{one.status}"} if self._view.habits.long_statuses else row)
        return page(said, asked)


def _about(one: Trade, asked: dict[str, str]) -> bool:
    """Whether a trade is one of those asked for: by id, market, token (of anyone in it) and wallet (of anyone in it)."""
    tokens, wallets = {one.token, *(part.token for part in one.parts)}, {one.wallet, *(part.wallet for part in one.parts)}
    fits = asked.get("id", one.id) == one.id and asked.get("market", one.market) == one.market
    fits = fits and ("asset_id" not in asked or asked["asset_id"] in tokens)
    return fits and ("maker_address" not in asked or asked["maker_address"].lower() in wallets)
