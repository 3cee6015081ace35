"""The production venue: commands become signed orders on Polymarket's CLOB, and what the venue says becomes facts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from math import inf
from random import Random

from pmm_tui.core.commands import Cancel, CancelAll, Command, Merge, Place, Sync
from pmm_tui.core.events import (
    OPENING,
    AccountOpened,
    BookChanged,
    BookReset,
    Event,
    MarketListed,
    OrderSigned,
    PairsMerged,
    PositionFound,
    TickSizeChanged,
)
from pmm_tui.core.market import Kind, Market
from pmm_tui.core.units import ONE, SECOND, Cash, Nanos, Price, Size, mirror
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.sockets import Connect, websockets_connect
from pmm_tui.venues.clob.account import Account
from pmm_tui.venues.clob.chores import Chores
from pmm_tui.venues.clob.flags import Flags
from pmm_tui.venues.clob.heartbeat import Heartbeat, Phase
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.lanes import Lanes
from pmm_tui.venues.clob.ledger import Entry, Ledger, Stage
from pmm_tui.venues.clob.limits import Limits
from pmm_tui.venues.clob.links import Links, Mode
from pmm_tui.venues.clob.opening import Opening
from pmm_tui.venues.clob.port import Clob, Piece, Trouble, Unauthorized
from pmm_tui.venues.clob.rejects import reject_of
from pmm_tui.venues.clob.tapped import Tapped
from pmm_tui.venues.clob.timing import Timing, VenueTime
from pmm_tui.venues.clob.user_ws import KEY_REFUSED, UserChannel
from pmm_tui.venues.clob.wire import OrderNews

PAUSE_S, SHUT_MOST_S = 1.0, 30.0
WATCH_S, FORGET_S = 0.5, 60.0
Merging = Callable[[Market, Size], Awaitable[PairsMerged]]


class ClobVenue:
    """A venue over the CLOB of one wallet. `clock` is the desk's; `alive` says whether its quotes are: no heartbeat is sent for a dead one.

    An order's id is the hash of what is signed, so `prepare` knows it before anything is sent, and the desk writes it down first. From then
    on every piece of news finds its order, in whatever order it comes: the answer to the POST, the user channel, a reading of the account.
    The ledger holds what is known and tells each fact once; a reading proves what the others left open.

    Five links say whether orders may leave: account (readings work), user (the user channel is live and reconciled), heartbeat (the venue's
    dead man's switch is fed), venue (it takes orders) and desk (it did not stand still just now). The first three are down at the start.
    The desk sees them as facts; the venue itself refuses what comes while one is down.

    capital: what the desk may use of the wallet's cash. merge: how pairs become dollars on chain, where there is a chain. stamps: the time
    that `clob` stamps requests with, kept right here. earlier: ids of orders that earlier runs signed, each to be cancelled when it shows.
    """

    def __init__(
        self,
        clob: Clob,
        knobs: ClobKnobs,
        clock: Callable[[], Nanos],
        capital: Cash,
        user_url: str,
        chance: Random,
        alive: Callable[[], bool],
        connect: Connect = websockets_connect,
        merge: Merging | None = None,
        stamps: VenueTime | None = None,
        earlier: frozenset[str] = frozenset(),
    ) -> None:
        self.ledger = Ledger(earlier)
        self.limits = Limits(knobs)
        self.links = Links(clock, self._tell)
        self.mode = Mode(clock, self._tell)
        self._clob = clob
        self._knobs = knobs
        self._clock = clock
        self._capital = capital
        self._alive = alive
        self._merge = merge
        self._out: asyncio.Queue[Event | None] = asyncio.Queue(maxsize=knobs.clob_queue_max)
        self._chores = Chores(self._wake)
        self._open, self._opened = True, False
        self.account = Account(clob, self.ledger, knobs, self.limits, clock, self._tell)
        self.opening = Opening(clob, self.ledger, self.account, self.links, knobs, clock)
        self.lanes = Lanes(clob, self.ledger, self.account, self.limits, knobs, clock, self._tell, self, self._chores.start)
        self.heartbeat = Heartbeat(clob.beat, self._beating, clock, knobs, self._tripped, self._armed)
        self.channel = UserChannel(user_url, clob, knobs, clock, chance, self._heard, self._channel_opened, self._channel_lost, connect)
        self.timing = Timing(self.links, clock, lambda: self.account.ask(clob.server_time_s), stamps or VenueTime(clock), self._tell)
        self.flags = Flags(lambda token: self.account.ask(clob.neg_risk, token), self.lanes.wake)
        self._unread: dict[str, None] = {}
        """Markets whose shares of before the run are not read yet: no order leaves for them."""
        self._mids: dict[str, Price] = {}
        self._asked, self._told = set[int](), False
        self._due = asyncio.Event()
        self._next: asyncio.Future[bool] | None = None
        self._failures, self._compared = 0, Nanos(0)
        self._shut_s = PAUSE_S
        self._maker_only_until = Nanos(0)
        self._disabled = False
        """The venue took neither orders nor cancels when it was asked last."""

    def prepare(self, commands: Sequence[Command]) -> list[Event]:
        """Sign every order among the commands. Their ids, to be written down before they are sent."""
        now, facts = self._clock(), list[Event]()
        for command in commands:
            if isinstance(command, Place) and command.order not in self.ledger.entries:
                entry = self._sign(command, now)
                if entry.signed is not None:
                    facts.append(OrderSigned(now, entry.number, entry.signed.id))
        return facts

    async def send(self, command: Command) -> None:
        """Ask; the answer is a fact, and comes through `events`. Never waits."""
        if isinstance(command, Place):
            entry = self.ledger.entries.get(command.order) or self._sign(command, self._clock())
            if entry.signed is None:
                self._tell(self.ledger.refused(entry, self._clock(), entry.why, _unsigned(entry.why)))
            elif entry.stage is Stage.HELD:
                self.lanes.place(entry)
        elif isinstance(command, Cancel):
            self._cancel(command.order)
        elif isinstance(command, CancelAll):
            self.lanes.sweep()
        elif isinstance(command, Sync):
            self.want(command.orders, True)
        elif isinstance(command, Merge):
            self._chores.start(self._merged(command))

    async def flush(self) -> None:
        """What may leave has left when this returns."""
        self.lanes.go()
        await asyncio.sleep(0)  # the requests that this started are written in this turn of the loop, before any socket is read

    async def events(self) -> AsyncIterator[Event]:
        """Facts, until closed. Raises what a task of the venue raised."""
        for link in ("account", "user", "heartbeat"):
            self.links.down(link, OPENING)
        self._chores.start(self._begin())
        self._chores.start(self.lanes.run())
        while self._open:
            event = await self._out.get()
            if self._chores.broken is not None:
                raise self._chores.broken
            if event is not None:
                yield event

    async def close(self, patience_s: float = inf) -> None:
        """End `events` and let go of the connections; a cancel-all that was asked for is given its time first, but no more than this."""
        self._open = False
        try:
            async with asyncio.timeout(min(patience_s, self._knobs.clob_cancel_timeout_s)):
                await self.lanes.swept()
        except TimeoutError:
            # The heartbeat ends with us, so the venue cancels what is left.
            pass
        await self._chores.close()
        self._wake()
        await self._clob.close()

    def tap(self, feed: Feed) -> Tapped:
        """The same feed, from which the venue learns markets, grids and mids."""
        return Tapped(feed, self.observe, self.listed)

    def observe(self, event: Event) -> None:
        """What a feed tells, before the desk has it."""
        markets = self.ledger.markets
        if isinstance(event, MarketListed):
            if event.market.id not in markets:
                self._unread[event.market.id] = None
            markets[event.market.id] = event.market
            self.flags.heard(event.market)
        elif isinstance(event, TickSizeChanged):
            self.ledger.retick(event.market, event.tick)
        elif isinstance(event, BookReset):
            self.ledger.retick(event.market, event.tick)
            if event.bids and event.asks:
                self._mids[event.market] = Price((event.bids[-1][0] + event.asks[-1][0]) // 2)
        elif isinstance(event, BookChanged) and event.best_bid and event.best_ask and event.best_ask < ONE:
            self._mids[event.market] = Price((event.best_bid + event.best_ask) // 2)

    def listed(self, event: Event) -> None:
        """What a feed told, once the desk has it: a market that it knows can be told of."""
        if not isinstance(event, MarketListed) or not self._opened:
            return
        if event.market.id in self._unread:
            self._chores.start(self._find(event.market))
        elif self.flags.stands(event.market.id) is None:
            self._chores.start(self.flags.agree(event.market))

    def stands(self, entry: Entry) -> str | None:
        """Whether an order may leave now: empty, or why not, or None where it has to wait."""
        if not self._opened:
            return "the venue is opening"
        if why := self.links.why():
            return why
        if self.timing.stands:
            return "the desk stood still"
        if entry.place.kind is not Kind.POST_ONLY and self._clock() < self._maker_only_until:
            return "the venue takes post-only orders only"
        return None if entry.place.market in self._unread else self.flags.stands(entry.place.market)

    def shut(self, why: str, wait_s: float) -> None:
        """The venue takes no orders for a while. In its post-only mode it still takes most of ours."""
        self.mode.refused(why, wait_s)
        if why == "post_only":
            self._maker_only_until = Nanos(self._clock() + round(wait_s * SECOND))
            return
        self._disabled = why == "disabled"
        first = not self.links.is_down("venue")
        self.links.down("venue", why)
        if first:
            self._shut_s = min(SHUT_MOST_S, 2 * self._shut_s)
            self._chores.start(self._reopen(max(wait_s, self._shut_s / 2)))

    def took(self, kind: Kind) -> None:
        """An order was taken: the next trouble waits little again."""
        self.mode.took(kind)
        self._shut_s, self._disabled = PAUSE_S, False

    def barred(self) -> None:
        """The key is refused: nothing will leave any more."""
        self.mode.refused(KEY_REFUSED, 0)
        self.links.bar("venue", KEY_REFUSED)

    def want(self, numbers: Iterable[int], told: bool) -> asyncio.Future[bool]:
        """Have the account read soon, together with all who want it; whether that reading worked. `told`: the desk gets the account."""
        self._asked.update(numbers)
        self._told = self._told or told
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        self._due.set()
        return self._next

    def _tell(self, facts: Iterable[Event]) -> None:
        for fact in facts:
            self._out.put_nowait(fact)  # a full queue ends the venue: no fact is ever dropped

    def _wake(self) -> None:
        if not self._out.full():
            self._out.put_nowait(None)

    def _sign(self, place: Place, now: Nanos) -> Entry:
        market = self.ledger.markets.get(place.market)
        if market is None:
            return self.ledger.add(place, None, "the market is not known", now)
        try:
            return self.ledger.add(place, self._clob.sign(place, market, now), "", now)
        except ValueError as off:
            return self.ledger.add(place, None, f"not signed: {off}", now)

    def _cancel(self, number: int) -> None:
        entry = self.ledger.entries.get(number)
        if entry is None:
            return
        if entry.stage in (Stage.ENDED, Stage.NEVER):
            self._tell([self.ledger.ending(entry, self._clock())])
        else:
            self.lanes.cancel(entry)

    async def _begin(self) -> None:
        """The start of every run, whatever ended the last: nothing rests, everything is read, then the links come up one by one."""
        capital = await self.opening.start(self._capital)
        self._tell([AccountOpened(self._clock(), capital)])
        for market in [self.ledger.markets[name] for name in self._unread]:
            await self._find(market)
        self._opened = True
        for market in [self.ledger.markets[name] for name in self._unread]:
            self._chores.start(self._find(market))
        self.links.up("account")
        for work in (self._read_on(), self.channel.run(), self.heartbeat.run(), self._watch(), self.timing.look(), self.timing.compare()):
            self._chores.start(work)

    async def _find(self, market: Market) -> None:
        """Tell of the shares that the wallet held before the run; until that is done no order leaves for the market."""
        self._chores.start(self.flags.agree(market))
        mid = self._mids.get(market.id, Price(ONE // 2))
        for token, price in ((market.yes, mid), (market.no, mirror(mid))):
            held = await self.opening.held(token, market)
            if held:
                self._tell([PositionFound(self._clock(), market.id, token, held, price)])
        self._unread.pop(market.id, None)
        self.lanes.wake()

    async def _read_on(self) -> None:
        """Read the account whenever it is wanted: one reading runs, one waits."""
        while True:
            await self._due.wait()
            self._due.clear()
            asked, told, waiting = sorted(self._asked), self._told, self._next
            self._asked, self._told, self._next = set(), False, None
            worked = True
            try:
                await self.account.read(asked, told)
                self._failures = 0
                if self.links.is_down("account"):
                    self.links.up("account")
            except Unauthorized:
                worked = False
                self.barred()
            except Trouble as trouble:
                worked, self._failures = False, self._failures + 1
                if self._failures >= 2:
                    self.links.down("account", trouble.text[:120])
            while self.account.undead:
                self.lanes.cancel(self.account.undead.pop())
            if waiting is not None:
                waiting.set_result(worked)

    async def _reconcile(self) -> None:
        """Read the account, and tell it, until that worked."""
        # Shielded: others wait for the same reading, and must not lose it with a socket that ends meanwhile.
        while not await asyncio.shield(self.want([entry.number for entry in self.ledger.live()], True)):
            await asyncio.sleep(PAUSE_S)

    async def _watch(self) -> None:
        """What time alone asks for: proofs for silent orders, the comparison with the user channel, forgetting."""
        knobs, forgot = self._knobs, self._clock()
        while True:
            await asyncio.sleep(WATCH_S)
            now = self._clock()
            self.mode.look(not self.links.is_down("venue"))
            ledger = self.ledger
            open_ended = [entry for entry in ledger.live() if entry.stage is Stage.SILENT or entry.missed]
            apart = min(knobs.clob_reads_apart_s, knobs.clob_compare_s)
            if now - self._compared >= (apart if open_ended else knobs.clob_compare_s) * SECOND:
                self._compared = now
                self.want([], False)
            for entry in open_ended:
                patience = knobs.clob_absent_after_s * SECOND
                if entry.stage is Stage.SILENT and entry.denied < entry.changed and now - entry.changed >= patience:
                    self.lanes.cancel(entry)
            if self.channel.since and (trade := ledger.stale(self.channel.since, now, knobs.clob_stale_after_s)):
                self.channel.drop(f"stale: it never told of trade {trade[:40]}")
            if now - forgot >= FORGET_S * SECOND:
                forgot = now
                ledger.forget(now)

    async def _reopen(self, wait_s: float) -> None:
        """After the venue would take no orders: wait, read the account, and try again."""
        await asyncio.sleep(wait_s)
        await self._reconcile()
        self.links.up("venue")
        self.lanes.wake()

    def _heard(self, news: Sequence[OrderNews | Piece]) -> None:
        """The user channel told something."""
        for one in news:
            if isinstance(one, Piece):
                self.account.hear([one], channel=True)
            elif self.ledger.find(one.id) is not None:
                self._tell(self.ledger.news(one, self._clock()))
                self.lanes.wake()  # a cancel may have waited to hear of it
            else:  # an order that is not this run's came or went
                for entry in self.ledger.surfaced([one], self._clock()) if one.kind != "CANCELLATION" else ():
                    self.lanes.cancel(entry)
                self.want([entry.number for entry in self.ledger.live()], True)

    async def _channel_opened(self) -> None:
        await self._reconcile()
        self.links.up("user")

    def _channel_lost(self, reason: str) -> None:
        if reason == KEY_REFUSED:
            self.links.bar("user", reason)
        else:
            self.links.down("user", reason)

    def _beating(self) -> bool:
        """A heartbeat keeps orders alive: none for a desk that stood still, and none for orders that the venue does not let us cancel."""
        barred = self.links.reason("venue") == "disabled" or (self._disabled and self.ledger.live())
        return self._alive() and not self.timing.stands and not barred

    def _tripped(self, why: str) -> None:
        self.links.down("heartbeat", why)

    def _armed(self) -> None:
        self._chores.start(self._rearm())

    async def _rearm(self) -> None:
        await self._reconcile()
        if self.heartbeat.phase is not Phase.TRIPPED:
            self.links.up("heartbeat")

    async def _merged(self, command: Merge) -> None:
        market = self.ledger.markets.get(command.market)
        if self._merge is None or market is None:
            self._tell([PairsMerged(self._clock(), command.market, Size(0), reason="no chain to merge on" if market else "unknown market")])
            return
        self._tell([await self._merge(market, command.size)])


def _unsigned(why: str) -> str:
    return "closed" if "market is not known" in why else reject_of(why).code
