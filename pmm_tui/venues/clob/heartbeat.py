"""The dead man's switch of the venue, fed by a live desk only: where it cannot be fed, the desk stops before the venue cancels."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.port import Refused, Trouble

SOON_S = 1.0
"""After a miss the next try comes soon."""
ANOTHER = "another session beats"


class Phase(StrEnum):
    """ARMED: the last heartbeat was answered. DEGRADED: one was missed. TRIPPED: the deadline passed, no order may leave."""

    TRIPPED = "TRIPPED"
    ARMED = "ARMED"
    DEGRADED = "DEGRADED"


class Heartbeat:
    """Beats on its own task. Starts TRIPPED: the first answered heartbeat arms it.

    beat: send one, chained to the last id; the next id. alive: whether the desk itself is. tripped(reason): told at once, as often as there
    is a new reason. armed(): told when a heartbeat was answered after a trip; what reopens is the receiver's business.
    """

    def __init__(
        self,
        beat: Callable[[str], Awaitable[str]],
        alive: Callable[[], bool],
        clock: Callable[[], Nanos],
        knobs: ClobKnobs,
        tripped: Callable[[str], None],
        armed: Callable[[], None],
    ) -> None:
        self.phase = Phase.TRIPPED
        self.acked = Nanos(0)
        """When the last answered heartbeat was sent."""
        self._beat = beat
        self._alive = alive
        self._clock = clock
        self._knobs = knobs
        self._tripped = tripped
        self._armed = armed
        self._last = ""
        self._why = ""

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._check()  # before anything leaves: after a stall the deadline may have passed unseen
            answered = self._alive() and await self._try()
            if not answered and self.phase is Phase.ARMED:
                self.phase = Phase.DEGRADED
            self._check()
            every_s = self._knobs.clob_heartbeat_s if answered else min(SOON_S, self._knobs.clob_heartbeat_s)
            await asyncio.sleep(min(every_s, max(0.01, self._left_s())) if self.phase is not Phase.TRIPPED else every_s)

    def _left_s(self) -> float:
        return self._knobs.clob_heartbeat_deadline_s - (self._clock() - self.acked) / SECOND

    def _check(self) -> None:
        if self.phase is not Phase.TRIPPED and self._left_s() <= 0:
            self._trip(f"no heartbeat was answered for {self._knobs.clob_heartbeat_deadline_s:g} s: {self._why or 'the desk stood still'}")

    def _trip(self, why: str) -> None:
        self.phase = Phase.TRIPPED
        self._tripped(why)

    async def _try(self) -> bool:
        """One heartbeat; whether it was answered."""
        began = self._clock()
        limit_s = self._knobs.clob_heartbeat_timeout_s
        if self.phase is not Phase.TRIPPED:
            limit_s = max(0.01, min(limit_s, self._left_s()))
        try:
            async with asyncio.timeout(limit_s):
                self._last = await self._beat(self._last)
        except Refused as refused:
            # The text is the id that the venue expects: adopted, for whoever beats now must be told apart by a person.
            mine, self._last, self._why = self._last, refused.text, ANOTHER
            if mine:
                self._trip(ANOTHER)
            return False
        except Trouble as trouble:
            self._why = f"{type(trouble).__name__}: {trouble.text}"[:120]
            return False
        except TimeoutError:
            self._why = "no answer"
            return False
        self.acked, self._why = began, ""
        if self.phase is Phase.TRIPPED:
            self.phase = Phase.ARMED
            self._armed()
        self.phase = Phase.ARMED
        return True
