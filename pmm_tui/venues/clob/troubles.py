"""What each failure of the CLOB proves, by its status and its own text."""

import re

from pmm_tui.venues.clob.port import Closed, Limited, Refused, Silent, Trouble, Unauthorized

TEXT_MAX = 300
RETRY_S_MAX = 300.0
_KNOWN = re.compile(
    "|".join(
        (
            r"invalid order payload",
            r"the order owner has to be the owner of the api key",
            r"the order signer address has to be the address of the api key",
            r"address banned",
            r"address in closed only mode",
            r"invalid post-only order",
            r"order crosses book",
            r"crosses the book",
            r"breaks minimum tick size rule",
            r"lower than the minimum",
            r"is invalid\. duplicated",
            r"not enough balance / allowance",
            r"invalid expiration",
            r"order canceled in the ctf exchange contract",
            r"order couldn't be fully filled",
            r"no orders found to match with fak order",
            r"the market is not yet ready to process new orders",
            r"too many orders in payload",
            r"invalid amount for a marketable",
            r"invalid amounts, the",
            r"maker address not allowed",
            r"order_version_mismatch",
            r"invalid order version",
            r"invalid signature",
            r"invalid orderid",
            r"invalid order params payload",
            r"invalid trade params payload",
            r"invalid token id",
            r"not found",
            r"no orderbook exists",
        )
    ),
    re.IGNORECASE,
)
"""The venue's own texts of a definitive no (error codes page of 2026-07-30, and those seen since). "order match delayed due to market
conditions" is not among them: a delayed order may still match."""

_SECRETS = re.compile(r"(?:0x)?[0-9a-fA-F]{65,}|[A-Za-z0-9_-]{43}=|POLY_[A-Z_]+\W{1,4}\S+", re.ASCII)
"""Signatures in hex, HMACs in base64, and headers with their values; ids of orders and markets (64 digits) stay readable."""


def clean(text: str) -> str:
    """A venue's text fit to be shown and kept: one line, bounded, without control characters, signatures or headers."""
    plain = "".join(one if one.isprintable() else " " for one in text[: 4 * TEXT_MAX])
    return _SECRETS.sub("***", plain).strip()[:TEXT_MAX]


def trouble(status: int, text: str, retry_s: float | None = None, restriction: str | None = None) -> Trouble:
    """What a non-2xx answer proves, by status and text. `retry_s` is what the venue asked us to wait; `restriction` as the SDK read it."""
    said, wait_s = clean(text), min(max(0.0, retry_s if retry_s is not None else 1.0), RETRY_S_MAX)
    if status == 429:
        return Limited(said, wait_s)
    if status == 425:
        return Closed(said, "restarting", wait_s)
    if status == 503 and (mode := restriction or _mode(said)):
        return Closed(said, mode, wait_s)
    if status in (401, 403):
        return Unauthorized(said)
    if 400 <= status < 500 and status != 408 and _KNOWN.search(said):
        return Refused(said, status)
    return Silent(f"HTTP {status}: {said}")


def _mode(said: str) -> str:
    low = said.lower()
    if "post-only" in low or "post_only" in low:
        return "post_only"
    if "cancel-only" in low:
        return "cancel_only"
    return "disabled" if "trading is currently disabled" in low else ""
