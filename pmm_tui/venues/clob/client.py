"""The one room that knows the Polymarket SDK: its signing, its request builders and its transport, behind the port."""

import json
import re
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from msgspec.json import encode
from polymarket._internal import wallet as wallets
from polymarket._internal.actions import account as reads
from polymarket._internal.actions import auth as keys_api
from polymarket._internal.actions import order_heartbeats as heartbeats
from polymarket._internal.actions.orders import cancel as removals
from polymarket._internal.actions.orders import market as taking
from polymarket._internal.actions.orders import post, typed_data
from polymarket._internal.actions.orders.orders import create_signed_order
from polymarket._internal.actions.orders.types import BYTES32_ZERO, UnsignedOrder
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket.clients import _transport
from polymarket.clients._transport import AsyncTransport
from polymarket.errors import OrderHeartbeatMismatchError, PolymarketError, RateLimitError, RequestRejectedError
from polymarket.models.clob import ApiKeyCreds, AssetType
from polymarket.models.clob.orders import OrderType
from polymarket.models.types import OrderSide, TokenId
from polymarket.types import EvmAddress, HexString

from pmm_tui.core.commands import Place
from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.units import ONE, SECOND, Cash, Nanos, Size
from pmm_tui.venues.clob import sockets, troubles, wire
from pmm_tui.venues.clob.keys import ApiCreds, Keys, KeyUnfit, Secret
from pmm_tui.venues.clob.port import Cancelled, Leg, Piece, Refused, Signed, Silent, Standing, Trouble
from pmm_tui.venues.clob.signing import CHAIN, DOMAINS, Domain, Envelope, Pen, Terms, stamped

CLOB_URL = PRODUCTION_CONFIG.clob_url
ORDERS_MAX, CANCELS_MAX, PAGES_MAX = 15, 1_000, 1_000
CONNECTIONS_MAX, QUICK_CONNECTIONS_MAX = 32, 8
_ID = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_Read = TypeVar("_Read")
_Sign = Callable[[str, str, bytes], dict[str, str]]
_TYPES: dict[Kind, OrderType] = {Kind.POST_ONLY: "GTC", Kind.GTC: "GTC", Kind.IOC: "FAK", Kind.FOK: "FOK"}
_AT = PRODUCTION_CONFIG.standard_exchange, PRODUCTION_CONFIG.neg_risk_exchange, PRODUCTION_CONFIG.exchange_v3
_EXCHANGES = dict(zip(DOMAINS, map(EvmAddress, _AT), strict=True))


class _Lane:
    """One connection pool to the CLOB: the SDK's transport over a client of ours, with its failures turned into troubles."""

    def __init__(self, client: httpx.AsyncClient, clock: Callable[[], Nanos], sign: _Sign | None = None) -> None:
        self._clock, self._client, self._sign = clock, client, sign

        async def headers(method: str, path: str, body: str | None) -> dict[str, str]:
            return sign(method, path, (body or "").encode()) if sign else {}

        self.transport = AsyncTransport(base_url=str(client.base_url), client=client, header_resolver=headers)

    async def send(self, method: str, path: str, body: bytes) -> Any:
        """One signed request on which time is short: what the SDK's transport comes to, by fewer steps."""
        headers = {"Content-Type": "application/json"} | (self._sign(method, path, body) if self._sign else {})
        response = await self._client.request(method, path, content=body, headers=headers)
        _transport._raise_for_response_status(response, path=path)
        return _transport._read_json(response)

    async def ask(self, work: Awaitable[Any], read: Callable[[Any], _Read]) -> _Read:
        """What one request was answered, read; a Trouble for every way in which it was not."""
        try:
            return read(await work)
        except OrderHeartbeatMismatchError as wrong:
            raise Refused(troubles.clean(wrong.heartbeat_id), wrong.status) from None
        except RateLimitError as wrong:
            raise troubles.trouble(429, str(wrong), self._wait_s(wrong)) from None
        except RequestRejectedError as wrong:
            raise troubles.trouble(wrong.status, str(wrong), wrong.retry_after, wrong.restriction) from None
        except (PolymarketError, httpx.HTTPError, httpx.InvalidURL) as lost:
            cause = lost.__cause__ or lost  # httpx's name of it; below that one is what really happened
            raise Silent(troubles.clean(f"{type(cause.__cause__ or cause).__name__}: {lost}")) from None
        except (ValueError, TypeError, RecursionError, OverflowError) as odd:
            raise Silent(troubles.clean(f"an answer that proves nothing: {odd}")) from None
        except (RuntimeError, OSError) as lost:  # RuntimeError: the client was closed under the request
            raise Silent(type(lost).__name__) from None

    def _wait_s(self, limited: RateLimitError) -> float | None:
        if limited.retry_after is not None or limited.rate_limit is None or limited.rate_limit.reset is None:
            return limited.retry_after
        return limited.rate_limit.reset - int(self._clock()) / SECOND


class SdkClob:
    """port.Clob over polymarket-client 0.14 for one wallet. Cancels, heartbeats and the clock have connections of their own."""

    def __init__(self, keys: Keys, wallet: str, signature_type: int | None, chance: Random, clock: Callable[[], Nanos]) -> None:
        """As `make`, but without connections: it signs, and nothing else."""
        self._keys = keys
        self._chance = chance
        self._clock = clock
        self._owned: list[httpx.AsyncClient] = []
        self.wallet = str(to_checksum_address(wallet or keys.account.address))
        """The address whose money this is, with checksum."""
        factories = PRODUCTION_CONFIG.wallet_derivation
        found = wallets.try_classify_wallet_type(signer=keys.account.address, wallet=self.wallet, config=factories)
        derived = wallets.signature_type_for(found) if found is not None else signature_type
        if derived is None or signature_type not in (None, derived):
            raise KeyUnfit(f"the key of {keys.account.address} does not sign for {self.wallet} with signature type {signature_type}")
        self.signature_type = derived
        """0 EOA, 1 proxy, 2 Safe, 3 deposit wallet."""
        self._pen = Pen(bytes(keys.account.key), keys.account.address, self.wallet, derived)
        self._stamp: _Sign | None = None
        for domain in DOMAINS:
            self._check(domain)

    def connect(self, main: httpx.AsyncClient, quick: httpx.AsyncClient, owned: Sequence[httpx.AsyncClient]) -> None:
        """Use these clients, and close those of them that are owned in the end."""
        self._main = _Lane(main, self._clock, self._headers)
        self._quick = _Lane(quick, self._clock, self._headers)
        self._public = _Lane(quick, self._clock)
        self._owned = list(owned)

    def sign(self, place: Place, market: Market, at: Nanos) -> Signed:
        """Sign an order; ValueError where its token, price or size is none of this market's."""
        maker, taker = amounts(place, market)
        at_ms, salt = int(at) // 1_000_000, self._chance.getrandbits(53)
        domain = market.protocol, market.neg_risk and market.protocol != 3
        made = self._pen.sign(domain, Terms(place.token, place.side is Side.SELL, maker, taker, at_ms, salt))
        return Signed(order=place.order, id=made.id, body=(made.order, _TYPES[place.kind], place.kind is Kind.POST_ONLY))

    def _check(self, domain: Domain) -> None:
        """Sign an order as the SDK does, too: a wrong domain, field or signature stops here, not at the venue."""
        account, terms = self._keys.account.address, Terms("1", True, 2, 3, 4, 5)
        made, at = self._pen.sign(domain, terms), _EXCHANGES[domain]
        unsigned = UnsignedOrder(
            chain_id=CHAIN, exchange_address=at, protocol_version="3" if domain[0] == 3 else "2", token_id=TokenId(terms.token), salt=5,
            maker=EvmAddress(self.wallet), signer=EvmAddress(self.wallet if self.signature_type == 3 else account), side="SELL",
            signature_type=self.signature_type, maker_amount=2, taker_amount=3, timestamp=4, expiration=0, order_type="GTC",
            builder=BYTES32_ZERO, metadata=BYTES32_ZERO,
        )  # fmt: skip
        short, general = made.order.signature[:132], encode_typed_data(full_message=typed_data.build_order_typed_data(unsigned))
        signer = Account.recover_message(general, signature=bytes.fromhex(short[2:]))
        signed = create_signed_order(unsigned, typed_data.build_order_signature(unsigned, HexString(short)), post_only=True)
        _, theirs = post.build_post_order_request(signed, owner_api_key="x")
        ours = encode(Envelope(False, made.order, "GTC", "x", True)).decode()
        if signer != account or general.header.hex() != DOMAINS[domain] or ours != json.dumps(theirs, separators=(",", ":")):
            which = f"protocol {domain[0]}, neg-risk {domain[1]}"
            raise KeyUnfit(f"orders for {which}, would not carry the signature that the venue checks")

    def _headers(self, method: str, path: str, body: bytes) -> dict[str, str]:
        if self._stamp is None:
            self._stamp = stamped(self._creds(), self._keys.account.address, self._clock)
        return self._stamp(method, path, body)

    @property
    def api_key(self) -> str:
        """The API key's uuid."""
        return self._creds().key.reveal()

    def channel_auth(self) -> dict[str, str]:
        """What the user channel's subscription carries. Never to be logged."""
        creds = self._creds()
        return {"apiKey": creds.key.reveal(), "secret": creds.secret.reveal(), "passphrase": creds.passphrase.reveal()}

    def _creds(self) -> ApiCreds:
        if self._keys.api is None:
            raise KeyUnfit("there is no API key yet")
        return self._keys.api

    async def enrol(self) -> None:
        """Where the keys hold no API key, derive the account's own; only where the venue says that there is none is one created."""
        if self._keys.api is not None:
            return
        proof = sign_api_key_auth(self._keys.account, chain_id=CHAIN, timestamp=int(self._clock()) // SECOND)

        async def work() -> ApiKeyCreds:
            try:
                return await keys_api.derive_api_key(self._public.transport, proof)
            except RequestRejectedError as none:
                if none.status not in (400, 404):
                    raise
            return await keys_api.create_api_key(self._public.transport, proof)

        found = await self._public.ask(work(), lambda creds: creds)
        self._keys.api, self._stamp = ApiCreds(Secret(found.key), Secret(found.secret), Secret(found.passphrase)), None

    async def post(self, orders: Sequence[Signed]) -> list[Leg]:
        """POST one to fifteen orders, one leg each in the same order; Silent where one leg proves nothing."""
        if not 1 <= len(orders) <= ORDERS_MAX:
            raise ValueError(f"a POST carries 1 to {ORDERS_MAX} orders, not {len(orders)}")
        owner, lane = self.api_key, self._main
        all_ = [Envelope(False, body, kind, owner, post_only) for body, kind, post_only in (order.body for order in orders)]
        if len(all_) == 1:
            return [await lane.ask(lane.send("POST", "/order", encode(all_[0])), wire.leg_of)]
        return await lane.ask(lane.send("POST", "/orders", encode(all_)), lambda answer: wire.legs_of(answer, len(all_)))

    async def cancel(self, ids: Sequence[str]) -> Cancelled:
        """DELETE these orders, a thousand at a time."""
        gone: list[str] = []
        kept: dict[str, str] = {}
        for first in range(0, len(ids), CANCELS_MAX):
            some = ids[first : first + CANCELS_MAX]
            path, body = ("/orders", encode(some)) if len(some) > 1 else ("/order", encode({"orderID": some[0]}))
            told = await self._quick.ask(self._quick.send("DELETE", path, body), wire.cancelled_of)
            gone += told.gone
            kept |= told.kept
        return Cancelled(gone=tuple(gone), kept=kept)

    async def cancel_all(self) -> Cancelled:
        """DELETE every order of the key."""
        return await self._remove(*removals.build_cancel_all_request())

    async def cancel_market(self, market: str) -> Cancelled:
        """DELETE every order in one market."""
        return await self._remove(*removals.build_cancel_market_orders_request(market=market))

    async def _remove(self, path: str, body: object) -> Cancelled:
        return await self._quick.ask(self._quick.transport.delete_json(path, json=body), wire.cancelled_of)

    async def open_orders(self) -> list[Standing]:
        """Every open order of the wallet, all pages."""
        rows = self._rows(lambda cursor: reads.build_list_open_orders_request(cursor=cursor))
        return await self._main.ask(rows, wire.standings)

    async def order(self, order_id: str) -> Standing | None:
        """One order; None where the venue knows none of this id (which proves nothing by itself)."""
        if not _ID.fullmatch(order_id):
            raise ValueError("an order id is 0x and 64 hex digits")
        path, _ = reads.build_get_order_request(order_id=order_id)
        try:
            return await self._main.ask(
                self._main.transport.get_json(path), lambda row: wire.standings([wire.row_of(row)])[0] if row else None
            )
        except Refused as none:
            if none.status == 404:
                return None
            raise

    async def trades(self, after_s: int) -> list[Piece]:
        """Our pieces of every trade of the wallet matched at or after a time, all pages."""
        # Asked from a second earlier, since "after" may or may not mean "at".
        rows = self._rows(lambda cursor: reads.build_list_account_trades_request(after=str(max(0, after_s - 1)), cursor=cursor))
        return await self._main.ask(rows, lambda every: wire.own_pieces(every, self.api_key, self.wallet, after_s))

    async def _rows(self, request: Callable[[str | None], tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Every row of every page; a list that does not come to its end is no list."""
        rows: list[dict[str, Any]] = []
        seen: set[str] = set()
        cursor: str | None = None
        while len(seen) < PAGES_MAX:
            path, params = request(cursor)
            more, cursor = await self._main.ask(self._main.transport.get_json(path, params=params), wire.page_of)
            rows += more
            if not cursor:
                return rows
            if cursor in seen:
                raise Silent("the pages of a list go round in a circle")
            seen.add(cursor)
        raise Silent(f"a list of more than {PAGES_MAX} pages")

    async def cash(self) -> Cash:
        """pUSD of the wallet as the venue's cache says."""
        return Cash(await self._balance(None, None))

    async def shares(self, token: str, market: Market) -> Size:
        """Shares of one token as the venue's cache says."""
        return Size(await self._balance(token, market))

    async def _balance(self, token: str | None, market: Market | None) -> int:
        path, params = reads.build_balance_allowance_request(**self._asset(token, market))
        return await self._main.ask(self._main.transport.get_json(path, params=params), wire.base_units)

    def _asset(self, token: str | None, market: Market | None) -> dict[str, Any]:
        kind: AssetType = "COLLATERAL" if token is None else "CONDITIONAL-V2" if market and market.protocol == 3 else "CONDITIONAL"
        return {"asset_type": kind, "asset_id": token, "signature_type": self.signature_type}

    async def refresh(self, token: str | None, market: Market | None) -> None:
        """Ask the venue to renew its cache of one balance; None: the collateral."""
        path, params = reads.build_update_balance_allowance_request(**self._asset(token, market))
        await self._main.ask(self._main.transport.get_bytes(path, params=params), len)

    async def beat(self, last: str) -> str:
        """Send a heartbeat chained to the last id; the next id. A Refused whose text is the expected id means another session beats."""
        path, body = heartbeats.build_send_order_heartbeat_request(heartbeat_id=last)
        beat = self._quick.transport.post_json(path, json=body)
        return await self._quick.ask(beat, lambda row: wire.text_of(wire.row_of(row), "heartbeat_id"))

    async def neg_risk(self, token: str) -> bool:
        """A market's neg-risk flag as the CLOB has it: which contract its orders are signed for."""
        flag = self._public.transport.get_json("/neg-risk", params={"token_id": token})
        return await self._public.ask(flag, lambda row: wire.flag_of(wire.row_of(row), "neg_risk"))

    async def server_time_s(self) -> int:
        """The venue's clock, seconds. It goes over the connections of the cancels, and so opens one."""
        return await self._public.ask(self._public.transport.get_json("/time"), wire.seconds_of)

    async def close(self) -> None:
        """Let go of the connections that were opened here."""
        for client in self._owned:
            await client.aclose()


async def make(
    keys: Keys,
    url: str = CLOB_URL,
    http: httpx.AsyncClient | None = None,
    *,
    chance: Random,
    clock: Callable[[], Nanos],
    wallet: str = "",
    signature_type: int | None = None,
    quick: httpx.AsyncClient | None = None,
    connect_timeout_s: float = 3.0,
    read_timeout_s: float = 5.0,
) -> SdkClob:
    """A checked client with its API key, which is put into `keys` where it was derived; a KeyUnfit or a Trouble otherwise.

    `wallet` is whose money it is (empty: the key's own address); its signature type follows from it, and need be named only for a wallet
    that the venue's factories did not make. `chance` draws the salts. `http` stands in for sockets of its own; its base_url is the CLOB's.
    `quick` carries cancels, heartbeats and the clock, so that a POST that hangs never holds up a cancel; where only `http` is given it
    carries those too. Clients that were handed in are not closed.
    """
    clob, timeout = SdkClob(keys, wallet, signature_type, chance, clock), httpx.Timeout(read_timeout_s, connect=connect_timeout_s)
    main = http or sockets.client(url, timeout, CONNECTIONS_MAX)
    fast = quick or http or sockets.client(url, timeout, QUICK_CONNECTIONS_MAX)
    clob.connect(main, fast, [client for client in (main, fast) if client not in (http, quick)])
    try:
        await clob.enrol()
    except (Trouble, CancelledError):
        await clob.close()
        raise
    return clob


def amounts(place: Place, market: Market) -> tuple[int, int]:
    """What the order offers and asks, in base units; ValueError off the grid.

    A resting order counts shares. One that takes at once counts, as a buy, the dollars that it may spend, in whole cents rounded down: the
    venue takes no other.
    """
    wire.fits(place, market)
    if _TYPES[place.kind] == "GTC":
        dollars = place.price * place.size // ONE  # four decimals of a price by two of a size: exact in base units
        return (dollars, place.size) if place.side is Side.BUY else (place.size, dollars)
    price, size, tick = Decimal(place.price).scaleb(-4), Decimal(place.size).scaleb(-6), Decimal(market.tick).scaleb(-4)
    side: OrderSide = place.side.value
    spent = price * size if place.side is Side.BUY else size
    maker, taker = taking._compute_market_order_amounts(amount=spent, price=price, side=side, tick_size=tick)
    if not (maker and taker):
        raise ValueError(f"{size} shares at {price} are less than a cent")
    return maker, taker
