"""Market discovery on Gamma: which markets there are, that they closed, and how they resolved."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from random import Random
from typing import Annotated, TypeVar

import httpx
import msgspec
from msgspec import Meta, Struct

from pmm_tui.core.events import Event, LinkDown, LinkUp, MarketClosed, MarketListed, MarketResolved
from pmm_tui.core.market import Market
from pmm_tui.core.selection import Candidate, TargetingKnobs, choose
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.feeds.fetch import Patience, Unanswered, fetch
from pmm_tui.feeds.gamma import GammaMarket, accepting, candidate_of, market_of, payout_of, read

LINK = "gamma"
AUTO = "auto"
_PAGE = 100
"""The venue's largest page of /markets/keyset."""
_ASK_MAX = 20
"""Ids in one request: a URL stays below 2 kB."""
_KEPT_MAX = 1_000
"""Markets that resolved, or could not be listed, of which it is remembered."""
_RESTART = {"restart": True}
_SERIES = re.compile(r"[a-z0-9-]+-(\d{1,3})([mh])-\*")
_SPAN_S = {"m": 60, "h": 3600}
_Word = TypeVar("_Word")


class GammaKnobs(Struct, frozen=True):
    """How often Gamma is asked."""

    gamma_poll_s: Annotated[
        float, Meta(ge=0.01, le=3600, description="ask for the terms and results of the chosen markets this often, seconds", extra=_RESTART)
    ] = 15.0
    gamma_discovery_s: Annotated[
        float, Meta(ge=0.01, le=86_400, description="search this often while fewer markets than wanted are open, seconds", extra=_RESTART)
    ] = 300.0
    gamma_pages_max: Annotated[
        int, Meta(ge=1, le=100, description="search this many pages of 100 markets, most traded first", extra=_RESTART)
    ] = 5
    gamma_backoff_first_s: Annotated[
        float, Meta(gt=0, le=60, description="wait after the first failed request, seconds", extra=_RESTART)
    ] = 0.5
    gamma_backoff_max_s: Annotated[
        float, Meta(gt=0, le=3600, description="longest wait between failed requests, seconds", extra=_RESTART)
    ] = 60.0
    gamma_timeout_s: Annotated[float, Meta(gt=0, le=120, description="give up on one request after this, seconds", extra=_RESTART)] = 10.0
    gamma_grace_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="with markets listed, failing for this long counts as a lost link, seconds", extra=_RESTART),
    ] = 120.0
    series_lead_s: Annotated[
        float, Meta(ge=0, le=3600, description="list the next market of a series this long before it starts, seconds", extra=_RESTART)
    ] = 60.0


def series_slugs(pattern: str, now: Nanos, lead_s: float) -> tuple[str, ...]:
    """The slugs that a series like `btc-updown-15m-*` has now: the window that runs, and the next one when it starts within `lead_s`.

    A window's slug carries its start, epoch seconds, on a grid of its own length. ValueError where the pattern names no length.
    """
    span = _span_s(pattern)
    start = now // SECOND // span * span
    starts = [start] if start + span - now / SECOND > lead_s else [start, start + span]
    return tuple(pattern[:-1] + str(one) for one in starts)


def _span_s(pattern: str) -> int:
    said = _SERIES.fullmatch(pattern)
    if said is None or int(said[1]) == 0:
        raise ValueError(f"series {pattern[:80]!r}: expected a slug such as btc-updown-15m-* with its length in m or h")
    return int(said[1]) * _SPAN_S[said[2]]


def query_of(name: str) -> tuple[str, str]:
    """The Gamma filter that finds a market by what a profile names: a condition id, a token id or a slug."""
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", name):
        return "condition_ids", name
    if re.fullmatch(r"[0-9]{12,80}", name, re.ASCII):
        return "clob_token_ids", name
    return "slug", name


class _Page(Struct):
    markets: list[msgspec.Raw]
    next_cursor: str | None = None


class _Tracked(Struct):
    market: Market
    stage: str = "open"
    """open | closed"""


class GammaFeed:
    """Listings, closings and results of the chosen markets.

    `markets` are slugs, series patterns (`btc-updown-15m-*`), condition ids and token ids, or ("auto",) for the targeting criteria. A
    market once chosen stays until it resolves. Every failure is waited out; `LinkDown("gamma")` tells of it at once while nothing is
    listed yet, else after `gamma_grace_s`, because Gamma being slow is no reason to pull quotes. `tape` gets each raw market object
    before it is read.
    """

    def __init__(
        self,
        knobs: GammaKnobs,
        targeting: TargetingKnobs,
        markets: Sequence[str],
        base_url: str,
        clock: Callable[[], Nanos],
        chance: Random,
        tape: Callable[[Nanos, str, str], None] | None = None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        for name in markets:
            if name.endswith("*"):
                series_slugs(name, Nanos(0), 0.0)
        self.knobs = knobs
        self.targeting = targeting
        self.refused: dict[str, str] = {}
        """Slug or id of each object that could not be listed, and why."""
        self._names = tuple(markets)
        self._url = base_url.rstrip("/") + "/markets/keyset"
        self._clock = clock
        self._tape = tape
        self._patience = Patience(knobs.gamma_backoff_first_s, knobs.gamma_backoff_max_s, chance)
        self._client = httpx.AsyncClient(
            timeout=knobs.gamma_timeout_s, headers={"accept": "application/json", "user-agent": "pmm-tui"}, transport=transport
        )
        self._closing = asyncio.Event()
        self._tracked: dict[str, _Tracked] = {}
        self._done: dict[str, None] = {}
        """Resolved lately: the venue may still name them as open."""
        self._found: dict[str, str] = {}
        """Condition id by the name that found it: a name that was found is not asked for again."""
        self._searched_at = Nanos(0)
        self._link = ""
        self._failing_since = Nanos(0)

    async def events(self) -> AsyncIterator[Event]:
        """Facts as they come, until closed."""
        while not self._closing.is_set():
            try:
                facts = await self._poll()
            except Unanswered as lost:
                if self._closing.is_set():
                    return
                for fact in self._lost(lost.reason):
                    yield fact
                await self._wait(self._patience.next(lost.wait_s))
                continue
            self._patience.reset()
            self._failing_since = Nanos(0)
            if self._link != "up":
                self._link = "up"
                yield LinkUp(at=self._clock(), link=LINK)
            for fact in facts:
                yield fact
            await self._wait(self._pause_s())

    async def close(self) -> None:
        """Let go of the connection; `events` ends."""
        self._closing.set()
        await self._client.aclose()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _pause_s(self) -> float:
        """Until the next poll; sooner where a series rolls before it."""
        now = self._clock()
        rolls = (_until_roll_s(_span_s(name), now, self.knobs.series_lead_s) for name in self._names if name.endswith("*"))
        return max(0.01, min(self.knobs.gamma_poll_s, *rolls, self.knobs.gamma_poll_s))

    def _lost(self, reason: str) -> Iterator[Event]:
        now = self._clock()
        self._failing_since = self._failing_since or now
        patient = self._tracked and now - self._failing_since < self.knobs.gamma_grace_s * SECOND
        if not patient and self._link != reason:
            self._link = reason
            yield LinkDown(at=now, link=LINK, reason=reason)

    async def _poll(self) -> list[Event]:
        """One round: the named and the searched markets that are not known yet, then the state of the known."""
        facts: list[Event] = []
        now = self._clock()
        wanted = self._wanted(now)
        self._found = {name: self._found[name] for name in wanted if name in self._found}  # a series asks for no window that is over
        for closed in ("false", "true"):
            missing = [name for name in wanted if name not in self._found]
            for one in await self._ask([query_of(name) for name in missing], closed):
                facts += self._heard(one, missing)
        if AUTO in self._names and self._search_due(now):
            facts += await self._search(now)
        open_ids = list(self._tracked)
        seen: set[str] = set()
        for closed in ("false", "true"):
            still = [id_ for id_ in open_ids if id_ not in seen]
            for one in await self._ask([("condition_ids", id_) for id_ in still], closed):
                seen.add(one.condition_id.lower())
                facts += self._heard(one, ())
        return facts

    def _wanted(self, now: Nanos) -> list[str]:
        names: list[str] = []
        for name in self._names:
            names += series_slugs(name, now, self.knobs.series_lead_s) if name.endswith("*") else [name] if name != AUTO else []
        return names

    def _search_due(self, now: Nanos) -> bool:
        room = sum(one.stage == "open" for one in self._tracked.values()) < self.targeting.target_markets_max
        return room and (not self._searched_at or now - self._searched_at >= self.knobs.gamma_discovery_s * SECOND)

    async def _search(self, now: Nanos) -> list[Event]:
        found: list[Candidate] = []
        cursor = ""
        for _ in range(self.knobs.gamma_pages_max):
            page = await self._page([("closed", "false"), ("order", "volume24hr"), ("ascending", "false")], cursor)
            for one in self._read(page.markets):
                try:
                    found.append(candidate_of(one))
                except ValueError as wrong:
                    remember(self.refused, one.slug[:200], str(wrong))
            cursor = page.next_cursor or ""
            if not cursor:
                break
        self._searched_at = now
        taken = [one.market for one in self._tracked.values() if one.stage == "open"]
        fresh = (candidate for candidate in found if candidate.market.id not in self._done)
        return [self._list(market) for market in choose(fresh, now, self.targeting, taken)]

    async def _ask(self, queries: list[tuple[str, str]], closed: str) -> list[GammaMarket]:
        """Every object that the filters find, in batches of one kind of filter: the venue joins different filters with AND."""
        found: list[GammaMarket] = []
        for kind in ("slug", "condition_ids", "clob_token_ids"):
            same = [query for query in queries if query[0] == kind]
            for at in range(0, len(same), _ASK_MAX):
                page = await self._page([*same[at : at + _ASK_MAX], ("closed", closed)], "")
                found += self._read(page.markets, tape=True)
        return found

    async def _page(self, params: list[tuple[str, str]], cursor: str) -> _Page:
        asked = [*params, ("limit", str(_PAGE)), *([("after_cursor", cursor)] if cursor else [])]
        body = await fetch(self._client, self._url, asked, self._clock() / SECOND)
        try:
            return msgspec.json.decode(body, type=_Page)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise Unanswered(f"not a page of markets: {str(wrong)[:120]}") from None

    def _read(self, raws: list[msgspec.Raw], tape: bool = False) -> Iterator[GammaMarket]:
        for raw in raws:
            if tape and self._tape is not None:
                self._tape(self._clock(), LINK, bytes(raw).decode("utf-8", "replace"))
            try:
                yield read(raw)
            except ValueError as wrong:
                self.refused[f"unreadable {len(self.refused)}" if len(self.refused) < _PAGE else "unreadable"] = str(wrong)

    def _list(self, market: Market) -> Event:
        self._tracked[market.id] = _Tracked(market)
        return MarketListed(at=self._clock(), market=market)

    def _heard(self, one: GammaMarket, asked: Sequence[str]) -> list[Event]:
        """What an object says that is news."""
        id_ = one.condition_id.lower()
        try:
            market = market_of(one)
            payout = payout_of(one)
        except ValueError as wrong:
            remember(self.refused, one.slug[:200], str(wrong))
            return []
        for name in asked:
            if name in (one.slug, market.yes, market.no) or name.lower() == id_:
                self._found[name] = id_
        if id_ in self._done:
            return []
        facts: list[Event] = []
        known = self._tracked.get(id_)
        if known is None or (known.stage == "closed" and accepting(one)) or known.market != market:
            stage = known.stage if known is not None and not accepting(one) else "open"
            facts.append(self._list(market))
            known = self._tracked[id_]
            known.stage = stage
        if not accepting(one) and known.stage == "open":
            known.stage = "closed"
            facts.append(MarketClosed(at=self._clock(), market=id_))
        if payout is not None:
            del self._tracked[id_]
            remember(self._done, id_, None)
            facts.append(MarketResolved(at=self._clock(), market=id_, payout_yes=payout))
        return facts


def remember(known: dict[str, _Word], name: str, word: _Word) -> None:
    """Note one more; of too many the oldest goes."""
    known[name] = word
    if len(known) > _KEPT_MAX:
        del known[next(iter(known))]


def _until_roll_s(span_s: int, now: Nanos, lead_s: float) -> float:
    """Seconds until a series has a window to list that it did not have before."""
    into = (now / SECOND + lead_s) % span_s
    return math.ceil((span_s - into) * 1000) / 1000
