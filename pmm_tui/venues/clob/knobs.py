"""What can be set of the production venue: patience, pace and limits."""

from typing import Annotated

from msgspec import Meta, Struct

_RESTART = {"restart": True}


def _seconds(description: str, high: float = 600) -> Meta:
    return Meta(gt=0, le=high, description=f"{description}, seconds", extra=_RESTART)


def _rate(description: str) -> Meta:
    return Meta(gt=0, le=10_000, description=description, extra=_RESTART)


class ClobKnobs(Struct, frozen=True):
    """The production venue's knobs. The rates are those of the account's tier (standard: 40 orders and 80 cancels a second)."""

    clob_post_timeout_s: Annotated[float, _seconds("an order whose POST is not answered for this long is uncertain")] = 5.0
    clob_cancel_timeout_s: Annotated[float, _seconds("a cancel that is not answered for this long is sent again")] = 3.0
    clob_read_timeout_s: Annotated[float, _seconds("one reading request is given up after this long")] = 5.0
    clob_cancel_waits_s: Annotated[float, _seconds("a cancel waits this long for its order's POST, then goes by the id", 10)] = 1.0
    clob_order_wait_s: Annotated[float, _seconds("an order that could not leave for this long is refused by the desk itself", 60)] = 2.0
    clob_absent_after_s: Annotated[float, _seconds("a silent order may be called absent this long after its POST was given up")] = 10.0
    clob_reads_apart_s: Annotated[float, _seconds("two readings that prove something together are at least this far apart", 60)] = 1.0
    clob_compare_s: Annotated[float, _seconds("compare the user channel with the account this often")] = 10.0
    clob_stale_after_s: Annotated[float, _seconds("a trade that the user channel does not tell for this long: it is stale")] = 3.0
    clob_settle_wait_s: Annotated[float, _seconds("at the start, trades of an earlier run may settle for this long", 3600)] = 60.0
    clob_heartbeat_s: Annotated[float, _seconds("send a heartbeat this often; the venue cancels all after 10 s without one", 9)] = 5.0
    clob_heartbeat_deadline_s: Annotated[float, _seconds("without an answered heartbeat for this long no order leaves", 10)] = 8.0
    clob_heartbeat_timeout_s: Annotated[float, _seconds("a heartbeat is given up after this long", 9)] = 2.0
    clob_orders_per_s: Annotated[float, _rate("orders a second that the account's tier allows")] = 40.0
    clob_orders_burst: Annotated[float, _rate("orders at once that the account's tier allows")] = 60.0
    clob_cancels_per_s: Annotated[float, _rate("cancels a second that the account's tier allows")] = 80.0
    clob_cancels_burst: Annotated[float, _rate("cancels at once that the account's tier allows")] = 120.0
    clob_cancel_reserve_pct: Annotated[
        float, Meta(ge=0, le=90, description="this part of the cancel budget is kept for a cancel-all, percent", extra=_RESTART)
    ] = 25.0
    clob_requests_per_s: Annotated[float, _rate("requests a second of any kind that one address may send")] = 100.0
    clob_posts_at_once: Annotated[int, Meta(ge=1, le=32, description="POSTs that may be under way together", extra=_RESTART)] = 4
    clob_batch_max: Annotated[int, Meta(ge=1, le=15, description="orders in one POST; the venue takes 15", extra=_RESTART)] = 15
    clob_queue_max: Annotated[
        int, Meta(ge=16, le=1_000_000, description="orders that may wait to leave, and facts that may wait to be read", extra=_RESTART)
    ] = 10_000
    user_ping_s: Annotated[float, _seconds("send PING on the user channel this often", 60)] = 10.0
    user_deaf_s: Annotated[float, _seconds("no frame and no PONG on the user channel for this long: a new socket")] = 25.0
    user_open_timeout_s: Annotated[float, _seconds("give up on the user channel's handshake after this", 120)] = 10.0
    user_backoff_first_s: Annotated[float, _seconds("wait after the first lost socket of the user channel", 60)] = 0.25
    user_backoff_max_s: Annotated[float, _seconds("longest wait between sockets of the user channel", 3600)] = 15.0
    user_frame_bytes_max: Annotated[
        int, Meta(ge=65_536, le=67_108_864, description="a larger frame ends the user channel's socket, bytes", extra=_RESTART)
    ] = 4_194_304
