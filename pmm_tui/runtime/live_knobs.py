"""What a production desk needs to be told beside its knobs: whose money, which endpoints, and what a lost terminal means."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

_RESTART = {"restart": True}
_HTTP = r"^https?://[^\s@/]+(/[^\s@]*)?$"
_WS = r"^wss?://[^\s@/]+(/[^\s@]*)?$"
_HTTP_TITLE = "an http:// or https:// URL without a user name"


class LiveSettings(Struct, frozen=True):
    """Settings of mode live; a paper desk looks at none of them."""

    wallet: Annotated[
        str,
        Meta(
            pattern=r"^(0x[0-9a-fA-F]{40})?$",
            title="a 0x address with 40 hex digits, or nothing",
            description="whose money is traded; empty: the address of the key itself",
            extra=_RESTART,
        ),
    ] = ""
    wallet_kind: Annotated[
        Literal["auto", "eoa", "proxy", "safe", "deposit"],
        Meta(description="what the wallet is; auto: as its address follows from the key", extra=_RESTART),
    ] = "auto"
    keystore: Annotated[
        str,
        Meta(
            max_length=4096,
            description="the encrypted key; empty: key.json in the configuration folder, or on loopback a throw-away key",
            extra=_RESTART,
        ),
    ] = ""
    chain_id: Annotated[int, Meta(ge=1, le=2**53, description="chain that orders are signed for: 137 is Polygon", extra=_RESTART)] = 137
    user_ws_url: Annotated[
        str, Meta(pattern=_WS, title="a ws:// or wss:// URL without a user name", description="URL of the user channel", extra=_RESTART)
    ] = "wss://ws-subscriptions-clob.polymarket.com/ws/user"
    geoblock_url: Annotated[str, Meta(pattern=_HTTP, title=_HTTP_TITLE, description="tells who may trade", extra=_RESTART)] = (
        "https://polymarket.com/api/geoblock"
    )
    rpc_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s@/]+(/[^\s@]*)?)?$",
            title=f"{_HTTP_TITLE}, or nothing",
            description="a node of the chain; empty: POLYGON_RPC_URL of the environment. Real money does not start without one",
            extra=_RESTART,
        ),
    ] = ""
    wallet_check_s: Annotated[
        float, Meta(ge=1, le=3600, description="compare our books with the chain this often, seconds", extra=_RESTART)
    ] = 30.0
    on_hangup: Annotated[
        Literal["stop", "keep"],
        Meta(description="when the terminal of a desk without a console is lost: cancel all and stop, or go on", extra=_RESTART),
    ] = "stop"
    safe_mode_crashes: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="start paused after so many crashes of this profile within ten minutes; 0: never",
            extra=_RESTART,
        ),
    ] = 3
