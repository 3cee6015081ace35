"""What a fault does to one HTTP request: answered instead, booked but answered otherwise, late, held back, or never answered."""

import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import structs

from pmm_tui.core.units import SECOND
from pmm_tui.exchange.fault_terms import NOTHING, Blow, Verdict
from pmm_tui.exchange.terms import Answer, Ask

ORDERS = ("/order", "/orders")
CANCELS = ("/order", "/orders", "/cancel-all", "/cancel-market-orders")
HEARTBEATS = "/v1/heartbeats"
BALANCE = "/balance-allowance"
_BOOKS = ("/book", "/books")
_BY_TOKEN = (*_BOOKS, "/price", "/midpoint", "/spread", "/tick-size", "/neg-risk", "/last-trade-price")
_NEG_RISK = re.compile(rb'("(?:neg_risk|negRisk)":)(true|false)')
_NOT_EXECUTED = "could not run the execution"


def places(ask: Ask) -> bool:
    """It posts one order or more."""
    return ask.method == "POST" and ask.path in ORDERS


def cancels(ask: Ask) -> bool:
    """It cancels."""
    return ask.method == "DELETE" and ask.path in CANCELS


def upgrades(ask: Ask) -> bool:
    """It asks for a socket."""
    return ask.path.startswith("/ws/") or ask.path == "/rtds"


def legs(ask: Ask) -> list[dict[str, Any]]:
    """The orders in the body of a POST; none where it cannot be read."""
    try:
        said = msgspec.json.decode(ask.body)
    except msgspec.DecodeError:
        return []
    return [leg for leg in (said if isinstance(said, list) else [said]) if isinstance(leg, dict)]


def _json(status: int, said: object, **headers: str) -> Answer:
    return Answer(status, msgspec.json.encode(said), {name.replace("_", "-"): text for name, text in headers.items()})


def _error(status: int, text: str, **headers: str) -> Answer:
    return _json(status, {"error": text}, **headers)


def _page(status: int, title: str, **headers: str) -> Answer:
    """A page of the network in front of the venue."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1><hr><center>cloudflare</center></body></html>"
    return Answer(
        status, page.encode(), {"server": "cloudflare"} | {name.replace("_", "-"): text for name, text in headers.items()}, "text/html"
    )


def _refused(ask: Ask, texts: list[str]) -> Answer:
    """Every order of a POST refused, each with its text: a 400, or a 200 whose legs say so."""
    if ask.path == "/order":
        return _error(400, texts[0])
    return _json(
        200, [{"errorMsg": text, "orderID": "", "takingAmount": "", "makingAmount": "", "status": "", "success": True} for text in texts]
    )


# --- the order path -----------------------------------------------------------------------------------------------------------------------


def _books_but_times_out(blow: Blow) -> Verdict:
    return Verdict(hang=True)


def _lost(blow: Blow) -> Verdict:
    return Verdict(before=NOTHING, hang=True)


def _error_booked(blow: Blow) -> Verdict:
    return Verdict(then=_error(int(blow.fault.number("status")), _NOT_EXECUTED))


def _error_unbooked(blow: Blow) -> Verdict:
    return Verdict(before=_error(int(blow.fault.number("status")), blow.fault.text("error")))


def _held_back(blow: Blow) -> Verdict:
    return Verdict(delay_ms=blow.fault.number("ms"))


def _races_fill(blow: Blow) -> Verdict:
    """The fill is the exchange's to make: it happens at once, and the cancel comes after it."""
    try:
        said = msgspec.json.decode(blow.ask.body) if blow.ask.body else []
    except msgspec.DecodeError:
        said = []
    ids = [said.get("orderID")] if isinstance(said, dict) and "orderID" in said else said
    blow.acts.append(("cancel_races_fill", {"orders": ids if isinstance(ids, list) else [], "part": blow.fault.number("part")}))
    return Verdict(late_ms=blow.fault.number("ms"))


def _cancel_lost(blow: Blow) -> Verdict:
    applied = blow.chance.random() < blow.fault.number("applied")
    return Verdict(hang=True) if applied else Verdict(before=NOTHING, hang=True)


def _leaked(blow: Blow) -> Verdict | None:
    """Refused where the leak leaves too little for any one leg; a sale needs no dollars."""
    balance, leak = (round(blow.fault.number(name) * 1_000_000) for name in ("balance", "leak"))
    amounts = []
    for leg in legs(blow.ask):
        order = leg.get("order")
        if isinstance(order, dict) and order.get("side") == "BUY" and str(order.get("makerAmount")).isdigit():
            amounts.append(int(order["makerAmount"]))
    if not any(amount > balance - leak for amount in amounts):
        return None
    text = "not enough balance / allowance: the balance is not enough -> balance: {}, sum of active orders: 0, order amount (inc. fees): {}"
    said = [text.format(balance, amount) + f", sum of matched orders: {leak}" for amount in amounts]
    return Verdict(before=_refused(blow.ask, said))


def _refuses(blow: Blow) -> Verdict:
    return Verdict(before=_refused(blow.ask, [blow.fault.text("error")] * max(1, len(legs(blow.ask)))))


def _stale_balance(blow: Blow) -> Verdict | None:
    known, owner = blow.fault.known, blow.ask.headers.get("poly_address", "")
    if blow.ask.path.endswith("/update"):
        if blow.fault.told["heeds_update"]:
            for key in [key for key in known if key.startswith(owner)]:
                del known[key]
        return None
    return _repeat(blow, f"{owner} {blow.ask.query}", math.inf)


def _stale_page(blow: Blow) -> Verdict:
    return _repeat(blow, f"{blow.ask.path}?{blow.ask.query}", blow.fault.number("age_s"))


def _repeat(blow: Blow, key: str, age_s: float) -> Verdict:
    """The answer given before to the same question, unless it is too old."""
    known = blow.fault.known

    def mend(true: Answer) -> Answer:
        before = known.get(key)
        if before is not None and blow.at - before[0] < age_s * SECOND:
            return before[1]
        if true.status == 200:
            known[key] = (blow.at, true)
        return true

    return Verdict(mend=mend)


# --- the doors ----------------------------------------------------------------------------------------------------------------------------


def _restart(blow: Blow) -> Verdict | None:
    post_only_at = blow.fault.end - round(blow.fault.number("post_only_s") * SECOND)
    if blow.at < post_only_at:
        return Verdict(before=_error(425, "service not ready"))
    orders = legs(blow.ask)
    if cancels(blow.ask) or (orders and all(leg.get("postOnly") is True for leg in orders)):
        return None
    wait_s = math.ceil((blow.fault.end - blow.at) / SECOND)
    said = {
        "error": "post-only mode: only post-only orders and cancels are allowed",
        "code": "post_only_mode",
        "retry_after_seconds": wait_s,
    }
    return Verdict(before=_json(503, said, retry_after=str(wait_s)))


def _cancel_only(blow: Blow) -> Verdict:
    return Verdict(before=_error(503, "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."))


def _disabled(blow: Blow) -> Verdict:
    return Verdict(before=_error(503, "Trading is currently disabled. Check polymarket.com for updates"))


def _limited_in_front(blow: Blow) -> Verdict:
    return Verdict(before=_page(429, "Error 1015: You are being rate limited", retry_after=f"{blow.fault.number('retry_after_s'):g}"))


def _limited(blow: Blow) -> Verdict | None:
    of = blow.fault.text("of")
    if not ((of != "cancels" and places(blow.ask)) or (of != "orders" and cancels(blow.ask))):
        return None
    wait_s = math.ceil(blow.fault.number("retry_after_s"))
    headers = {"poly_ratelimit_remaining": "0", "poly_ratelimit_reset": str(blow.at // SECOND + wait_s), "poly_ratelimit_tier": "Standard"}
    return Verdict(before=_error(429, "Too Many Requests", retry_after=str(wait_s), **headers))


def _html(blow: Blow) -> Verdict:
    status = int(blow.fault.number("status"))
    return Verdict(before=_page(status, f"{status}: Bad gateway"))


def _slow(blow: Blow) -> Verdict:
    least, most = blow.fault.number("ms_min"), blow.fault.number("ms")
    return Verdict(late_ms=least + max(0.0, most - least) * blow.chance.random())


def _refuse_upgrade(blow: Blow) -> Verdict:
    return Verdict(before=_error(int(blow.fault.number("status")), "refused", retry_after="1"))


def _unauthorized(blow: Blow) -> Verdict | None:
    key, revoked = blow.ask.headers.get("poly_api_key", ""), blow.fault.text("key")
    return Verdict(before=_error(401, "Unauthorized/Invalid api key")) if key and revoked in ("", key) else None


def _heartbeat(blow: Blow) -> Verdict:
    how = blow.fault.text("how")
    if how == "silence":
        return Verdict(before=NOTHING, hang=True)
    if how == "mismatch":
        other = f"{blow.chance.getrandbits(128):032x}"
        expected = "-".join((other[:8], other[8:12], other[12:16], other[16:20], other[20:]))
        return Verdict(before=_json(400, {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": expected}))
    return Verdict(before=_error(int(how), "Unauthorized/Invalid api key" if how == "401" else "Internal server error"))


def _skewed(blow: Blow) -> Verdict | None:
    now_s = blow.at / SECOND + blow.fault.number("skew_s")
    if blow.ask.path == "/time":
        return Verdict(before=_json(200, int(now_s)))
    stamp = blow.ask.headers.get("poly_timestamp", "")
    if not stamp.isdigit() or abs(int(stamp) - now_s) <= blow.fault.number("tolerance_s"):
        return None
    return Verdict(before=_error(401, "Unauthorized/Invalid api key"))


def _ghost_book(blow: Blow) -> Verdict:
    return Verdict(mend=_ghost)


def _ghost(true: Answer) -> Answer:
    """The book of a market that nobody quotes, with the right hash of it."""
    if true.status != 200:
        return true
    said = msgspec.json.decode(true.body)
    for book in said if isinstance(said, list) else [said]:
        book |= {"hash": "", "bids": [{"price": "0.01", "size": "2151131.59"}], "asks": [{"price": "0.99", "size": "218442.27"}]}
        book["hash"] = hashlib.sha1(msgspec.json.encode(book), usedforsecurity=False).hexdigest()
    return structs.replace(true, body=msgspec.json.encode(said))


def _wrong_neg_risk(blow: Blow) -> Verdict:
    def flip(true: Answer) -> Answer:
        return structs.replace(true, body=_NEG_RISK.sub(lambda found: found[1] + (b"false" if found[2] == b"true" else b"true"), true.body))

    return Verdict(mend=flip)


def _unready(blow: Blow) -> Verdict | None:
    token, orders = blow.fault.text("token"), legs(blow.ask)
    if not places(blow.ask):
        said = blow.ask.query + blow.ask.body.decode("utf-8", "replace") + blow.ask.path
        return Verdict(before=_error(404, "No orderbook exists for the requested token id")) if token in said else None
    if not orders or (token and not any(isinstance(leg.get("order"), dict) and leg["order"].get("tokenId") == token for leg in orders)):
        return None
    return Verdict(before=_refused(blow.ask, ["the market is not yet ready to process new orders"] * len(orders)))


def _connection(blow: Blow) -> Verdict | None:
    if blow.fault.text("channel") != "rest":
        return None
    return Verdict(drop=True, before=None if blow.fault.told["booked"] else NOTHING)


def _trades(ask: Ask) -> bool:
    return places(ask) or cancels(ask)


def _plain(ask: Ask) -> bool:
    return not upgrades(ask)


def _by_token(ask: Ask) -> bool:
    return places(ask) or ask.path.startswith(_BY_TOKEN)


EFFECTS: dict[str, tuple[Callable[[Ask], bool], Callable[[Blow], Verdict | None]]] = {
    "post_books_but_times_out": (places, _books_but_times_out),
    "error_5xx_booked": (places, _error_booked),
    "error_5xx_unbooked": (places, _error_unbooked),
    "post_lost": (places, _lost),
    "fill_before_answer": (places, _held_back),
    "cancel_races_fill": (cancels, _races_fill),
    "cancel_lost": (cancels, _cancel_lost),
    "leaked_matched_sum": (places, _leaked),
    "refuse_orders": (places, _refuses),
    "late_answers": (_plain, _held_back),
    "stale_gamma": (lambda ask: ask.path.startswith("/gamma"), _stale_page),
    "wrong_neg_risk": (_by_token, _wrong_neg_risk),
    "stale_balance": (lambda ask: ask.path.startswith(BALANCE), _stale_balance),
    "restart": (_trades, _restart),
    "cancel_only": (places, _cancel_only),
    "disabled": (_trades, _disabled),
    "limited_layer1": (_plain, _limited_in_front),
    "limited_layer2": (_trades, _limited),
    "html_error": (_plain, _html),
    "slow": (_plain, _slow),
    "refuse_upgrade": (upgrades, _refuse_upgrade),
    "key_revoked": (_plain, _unauthorized),
    "heartbeat_lost": (lambda ask: ask.path == HEARTBEATS, _heartbeat),
    "clock_skew": (_plain, _skewed),
    "ghost_book": (lambda ask: ask.path in _BOOKS, _ghost_book),
    "market_unready": (_by_token, _unready),
    "drop_connection": (_plain, _connection),
}
"""For each fault that strikes requests: which ones, unless a path is given, and what it does to them."""


def strike(blow: Blow) -> Verdict | None:
    """What the fault does to the request; None, and the acts mean nothing, where it is not about it or misses."""
    about, effect = EFFECTS[blow.fault.what]
    path, query, method = (blow.fault.text(name) for name in ("path", "query", "method"))
    if not (blow.ask.path.startswith(path) if path else about(blow.ask)) or query not in blow.ask.query:
        return None
    if method not in ("", blow.ask.method):
        return None
    verdict = effect(blow)
    return verdict if verdict is not None and blow.fault.strikes(blow.chance) else None
