"""The two ways to the venue: orders in batches, and cancels, which go first and never wait for an order."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from pmm_tui.core.events import Event
from pmm_tui.core.market import Kind
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.venues.clob.account import Account
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.ledger import Entry, Ledger, Stage
from pmm_tui.venues.clob.limits import Limits
from pmm_tui.venues.clob.port import Cancelled, Clob, Closed, Leg, Limited, Refused, Trouble, Unauthorized
from pmm_tui.venues.clob.rejects import is_gone, reject_of

RETRY_FIRST_S = 1.0
RETRY_MOST_S = 5.0
SWEEP_S = 1.0
"""From one cancel-all that came to nothing to the next."""
MARKET_AFTER = 3
"""After so many cancels in a row that came to nothing, the whole market is cancelled; after twice as many, everything; then it goes by the
id again, for only that proves an order absent."""
CANCELS_MAX = 500
PENDING_MAX = 10_000


class Door(Protocol):
    """What the lanes need to know of the rest of the venue, and whom they tell."""

    def stands(self, entry: Entry) -> str | None:
        """Empty: the order may leave. Text: why it is refused. None: it has to wait."""
        ...

    def shut(self, why: str, wait_s: float) -> None:
        """The venue takes no orders now."""
        ...

    def took(self, kind: Kind) -> None:
        """The venue took an order of this kind."""
        ...

    def barred(self) -> None:
        """The key is refused."""
        ...

    def want(self, numbers: Iterable[int], told: bool) -> object:
        """The account is to be read soon."""
        ...


class Lanes:
    """Sends what was asked for, in the right order and at the right pace. `start` runs a task whose failure ends the venue."""

    def __init__(
        self,
        clob: Clob,
        ledger: Ledger,
        account: Account,
        limits: Limits,
        knobs: ClobKnobs,
        clock: Callable[[], Nanos],
        tell: Callable[[Iterable[Event]], None],
        door: Door,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._clob = clob
        self._ledger = ledger
        self._account = account
        self._limits = limits
        self._knobs = knobs
        self._clock = clock
        self._tell = tell
        self._door = door
        self._start = start
        self._posts: deque[Entry] = deque(maxlen=PENDING_MAX)
        self._cancels: dict[int, Nanos] = {}
        """Orders to cancel, with the time from which it may be done without an answer to their POST."""
        self._asking: dict[int, None] = {}
        self._under_way = 0
        self._woken = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._sweeping = False
        self._sweep_again = False
        self._swept = asyncio.Event()
        self._swept.set()

    def place(self, entry: Entry) -> None:
        """Have an order leave soon, once."""
        if entry.queued:
            return
        entry.queued = True
        if len(self._posts) >= min(PENDING_MAX, self._knobs.clob_queue_max):
            self._tell(self._ledger.refused(entry, self._clock(), "too many orders wait to leave", "limit"))
            return
        self._posts.append(entry)
        self._woken.set()

    def cancel(self, entry: Entry) -> None:
        """Have an order cancelled. While one cancel of it is under way, or waits to be tried again, no second one leaves."""
        entry.unwanted = True
        if entry.number in self._asking:
            return
        patience = round(self._knobs.clob_cancel_waits_s * SECOND) if entry.stage is Stage.POSTING else 0
        self._cancels.setdefault(entry.number, Nanos(self._clock() + patience))
        self._woken.set()

    def sweep(self) -> None:
        """Have everything cancelled; asked again while it is done, it is done again."""
        self._sweep_again = True
        if not self._sweeping:
            self._sweeping = True
            self._swept.clear()
            self._start(self._sweep())

    async def swept(self) -> None:
        """Wait until no cancel-all is under way."""
        await self._swept.wait()

    def wake(self) -> None:
        """Look again at what may leave."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._woken.wait()
            if self._woken.is_set():  # otherwise somebody else was quicker
                self.go()

    def go(self) -> None:
        """Send what may leave."""
        self._woken.clear()
        now = self._clock()
        self._send_cancels(now)
        self._send_posts(now)

    def _later(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.001, wait_s)
        if self._timer is not None and not self._timer.cancelled() and loop.time() < self._timer.when() <= when:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(when, self._woken.set)

    def _send_posts(self, now: Nanos) -> None:
        ledger, knobs = self._ledger, self._knobs
        waiting: list[Entry] = []
        ready: list[Entry] = []
        while self._posts:
            entry = self._posts.popleft()
            if entry.stage is not Stage.HELD:
                continue
            why = self._door.stands(entry)
            if why:
                self._tell(ledger.refused(entry, now, why, "closed"))
            elif now - entry.began > knobs.clob_order_wait_s * SECOND:
                self._tell(ledger.refused(entry, now, "it could not leave in time", "limit"))
            else:
                (waiting if why is None else ready).append(entry)
        while ready and self._under_way < knobs.clob_posts_at_once:
            batch = ready[: knobs.clob_batch_max]
            if (wait_s := self._limits.post(len(batch), now)) > 0:
                self._later(wait_s)
                break
            del ready[: len(batch)]
            for entry in batch:
                self._ledger.posting(entry, now)
            self._under_way += 1
            self._start(self._post(batch))
        self._posts.extend(sorted(waiting + ready, key=lambda entry: entry.began))
        if self._posts:
            self._later(knobs.clob_order_wait_s)

    async def _post(self, batch: list[Entry]) -> None:
        began = self._clock()
        legs: list[Leg] | None = None
        why, code = "", ""
        try:
            async with asyncio.timeout(self._knobs.clob_post_timeout_s):
                legs = await self._clob.post([entry.signed for entry in batch if entry.signed is not None])
            if len(legs) != len(batch):
                legs, why = None, "an answer with the wrong number of orders"
        except Refused as no:
            legs = [Leg("", "", no.text or "refused")] * len(batch)
        except Limited as slow:
            self._limits.limited("orders", slow.retry_after_s, self._clock())
            self._door.shut("limited", slow.retry_after_s)
            why, code = slow.text or "too many requests", "limit"
        except Closed as closed:
            self._door.shut(closed.mode, closed.retry_after_s)
            why, code = closed.text or closed.mode, "closed"
        except Unauthorized as no:
            self._door.barred()
            why, code = no.text or "not authorised", "other"
        except (Trouble, TimeoutError) as silent:
            why = silent.text if isinstance(silent, Trouble) else f"no answer within {self._knobs.clob_post_timeout_s:g} s"
        finally:
            self._under_way -= 1
            self._woken.set()
        now = self._clock()
        self._limits.answered(Nanos(now - began), now)
        if legs is not None:
            await self._legs(batch, legs)
            return
        for entry in batch:
            self._tell(self._ledger.refused(entry, now, why, code) if code else self._ledger.gave_up(entry, now, why))
        if not code:
            self._door.want([], False)

    async def _legs(self, batch: Sequence[Entry], legs: Sequence[Leg]) -> None:
        """One outcome for each order of a POST."""
        now, look = self._clock(), []
        for entry, leg in zip(batch, legs, strict=True):
            if not leg.error:
                self._door.took(entry.place.kind)
                self._tell(self._ledger.booked(entry, now, leg.id))
                if entry.place.kind in (Kind.IOC, Kind.FOK):
                    look.append(entry)
                elif entry.unwanted:
                    self.cancel(entry)
                continue
            meaning = reject_of(leg.error)
            if meaning.code == "duplicate":
                look.append(entry)  # it is booked: these very bytes were
            else:
                if meaning.refresh:
                    self._account.doubted |= {"": None, entry.place.token: None}
                self._tell(self._ledger.refused(entry, now, leg.error, meaning.code))
        if look:
            await self._look(look, ())
            for entry in look:
                if entry.stage is Stage.POSTING:
                    self._tell(self._ledger.gave_up(entry, self._clock(), "the venue calls it a duplicate, and does not show it"))

    async def _look(self, entries: Sequence[Entry], gone: Sequence[Entry]) -> None:
        try:
            await self._account.look(entries, gone)
        except Trouble:
            # What could not be asked now is asked with the next reading.
            pass
        if entries:
            self._door.want([], False)

    def _send_cancels(self, now: Nanos) -> None:
        ready: list[Entry] = []
        for number, due in list(self._cancels.items()):
            entry = self._ledger.entries[number]
            if entry.stage is Stage.HELD:
                self._tell(self._ledger.never(entry, now, "withdrawn before it was sent"))
            if not entry.open:
                del self._cancels[number]
            elif entry.stage is Stage.POSTING and due > now:
                self._later((due - now) / SECOND)
            elif len(ready) < CANCELS_MAX:
                ready.append(entry)
        if not ready:
            return
        if (wait_s := self._limits.cancel(len(ready), now)) > 0:
            room = int(self._limits.cancels.level - self._knobs.clob_cancels_burst * self._knobs.clob_cancel_reserve_pct / 100)
            ready = ready[: max(0, room)]
            self._later(wait_s)
            if not ready or self._limits.cancel(len(ready), now) > 0:
                return
        for entry in ready:
            del self._cancels[entry.number]
            self._asking[entry.number] = None
        self._start(self._cancel(ready))

    async def _cancel(self, entries: list[Entry]) -> None:
        failed: str = ""
        wait_s = 0.0
        said = Cancelled((), {})
        try:
            async with asyncio.timeout(self._knobs.clob_cancel_timeout_s):
                tries = max(entry.tries for entry in entries)
                if tries // MARKET_AFTER % 2:
                    said = await self._by_market(entries)
                else:
                    said = await self._clob.cancel([entry.id for entry in entries])
        except Unauthorized:
            self._door.barred()
            failed = "not authorised"
        except Limited as slow:
            failed = slow.text or "too many requests"
            self._limits.limited("cancels", slow.retry_after_s, self._clock())
        except Closed as closed:
            failed, wait_s = closed.text or "not now", min(closed.retry_after_s, RETRY_MOST_S)
            self._door.shut(closed.mode, closed.retry_after_s)
        except (Trouble, TimeoutError) as silent:
            failed = silent.text if isinstance(silent, Trouble) else "no answer"
        await self._cancelled(entries, said, failed, wait_s)

    async def _by_market(self, entries: Sequence[Entry]) -> Cancelled:
        gone: tuple[str, ...] = ()
        kept: dict[str, str] = {}
        for market in dict.fromkeys(entry.place.market for entry in entries):
            said = await self._clob.cancel_market(market)
            gone, kept = gone + said.gone, kept | said.kept
        return Cancelled(gone, kept)

    async def _cancelled(self, entries: Sequence[Entry], said: Cancelled, failed: str, wait_s: float) -> None:
        now, gone, unsure = self._clock(), [], []
        ids = {id_.lower() for id_ in said.gone}
        kept = {id_.lower(): why for id_, why in said.kept.items()}
        for entry in entries:
            if entry.id in ids:
                gone.append(entry)
                self._asking.pop(entry.number, None)
            elif not failed and is_gone(kept.get(entry.id, "")):
                self._asking.pop(entry.number, None)
                entry.denied, entry.tries = now, 0
                unsure.append(entry)
            else:
                entry.tries += 1
                pause_s = max(wait_s, min(RETRY_MOST_S, RETRY_FIRST_S * 1.5 ** (entry.tries - 1)))
                asyncio.get_running_loop().call_later(pause_s, self._retry, entry)
        for id_ in sorted(ids):
            other = self._ledger.find(id_)
            if other is not None and other not in gone:
                gone.append(other)
        if gone or unsure:
            await self._look(unsure, gone)
        if any(entry.tries and not entry.tries % (2 * MARKET_AFTER) for entry in entries):
            self.sweep()

    def _retry(self, entry: Entry) -> None:
        self._asking.pop(entry.number, None)
        if entry.open:
            self.cancel(entry)

    async def _sweep(self) -> None:
        """Cancel all until it is done, once a second: by one call, or by ids, or market by market, whichever the venue answers."""
        turn = 0
        while self._sweep_again:
            live = [entry for entry in self._ledger.live() if entry.stage is not Stage.POSTING]
            if (wait_s := self._limits.urgent(1 + len(live), self._clock())) > 0:
                await asyncio.sleep(min(wait_s, SWEEP_S))
                continue
            self._sweep_again = False
            for entry in list(self._ledger.entries.values()):
                if entry.stage in (Stage.HELD, Stage.POSTING):
                    self.cancel(entry)
            began, done = self._clock(), False
            try:
                async with asyncio.timeout(self._knobs.clob_cancel_timeout_s):
                    said = await self._one_way(turn, live)
                await self._ended(said, live)
                done = turn % 3 == 0 or not self._ledger.live()
            except Unauthorized:
                self._door.barred()
            except Limited as slow:
                self._limits.limited("cancels", slow.retry_after_s, self._clock())
            except Closed as closed:
                self._door.shut(closed.mode, closed.retry_after_s)
            except (Trouble, TimeoutError):
                # Silence: it may have been done. The next try, and then a reading, will show.
                pass
            if not done:
                self._sweep_again = True
                turn += 1
                await asyncio.sleep(max(0.0, SWEEP_S - (self._clock() - began) / SECOND))
        self._sweeping = False
        self._swept.set()
        self._door.want([entry.number for entry in self._ledger.live()], True)

    async def _one_way(self, turn: int, live: Sequence[Entry]) -> Cancelled:
        if turn % 3 == 1 and live:
            return await self._clob.cancel([entry.id for entry in live])
        if turn % 3 == 2 and live:
            return await self._by_market(live)
        return await self._clob.cancel_all()

    async def _ended(self, said: Cancelled, live: Sequence[Entry]) -> None:
        gone = [entry for id_ in said.gone if (entry := self._ledger.find(id_)) is not None]
        kept = {id_.lower() for id_, why in said.kept.items() if is_gone(why)}
        await self._look([entry for entry in live if entry.id in kept], gone)
