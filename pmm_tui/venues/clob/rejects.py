"""The venue's texts of a refusal, as codes that the desk has a policy for."""

from typing import NamedTuple


class Reject(NamedTuple):
    """What a refusal means."""

    code: str
    """post_only, balance, tick, size, closed, limit, duplicate or other."""
    refresh: bool = False
    """The venue's cache of the balance may be at fault: have it renewed before the account is read again."""


_TEXTS = (
    ("post-only order", Reject("post_only")),
    ("crosses the book", Reject("post_only")),
    ("crosses book", Reject("post_only")),
    ("not enough balance", Reject("balance", refresh=True)),
    ("minimum tick size", Reject("tick")),
    ("off the grid", Reject("tick")),
    ("tick", Reject("tick")),
    ("lower than the minimum", Reject("size")),
    ("invalid amounts", Reject("size")),
    ("invalid amount for a marketable", Reject("size")),
    ("size", Reject("size")),
    ("duplicated", Reject("duplicate")),
    ("closed only mode", Reject("closed")),
    ("address banned", Reject("closed")),
    ("not yet ready to process", Reject("closed")),
    ("no orderbook exists", Reject("closed")),
    ("market not found", Reject("closed")),
    ("trading is currently", Reject("closed")),
    ("post-only mode", Reject("closed")),
    ("too many requests", Reject("limit")),
    ("too many orders", Reject("limit")),
)
"""The first fragment found decides (error codes page of 2026-07-30)."""
_OTHER = Reject("other")
_GONE = ("not found", "already", "matched", "canceled")


def reject_of(text: str) -> Reject:
    """The meaning of a refusal's text."""
    low = text.lower()
    return next((meaning for fragment, meaning in _TEXTS if fragment in low), _OTHER)


def is_gone(reason: str) -> bool:
    """Whether a cancel was kept from doing anything because the order is unknown or over: which of the two, only the account says."""
    low = reason.lower()
    return any(word in low for word in _GONE)
