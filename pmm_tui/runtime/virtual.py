"""Virtual time without sockets: an event loop whose clock jumps to what is next, and an exchange's HTTP in process.

    async def trade() -> None:
        network = Network(Random(7))
        sockets = Sockets(exchange, network, faults.judge)
        http = httpx.AsyncClient(transport=InProcess(exchange.answer, network, faults.judge, sockets.pump), timeout=5)
        socket = await sockets.connect("ws://exchange/ws/market")
        ...

    run(trade(), start_ns)

`asyncio.sleep`, timeouts and `loop.call_later` are all virtual; what reads another clock (`time.time`) is not.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from functools import partial
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

import httpx

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.faults import UNTOUCHED, Verdict
from pmm_tui.exchange.terms import Answer, Ask

Result = TypeVar("Result")
Given = TypeVarTuple("Given")
Judge = Callable[[Ask, Nanos], Verdict]

_TASKS_SHOWN = 20


class Deadlock(RuntimeError):
    """Time stands still: every task waits for another, or some never wait at all."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at `start` and moves only when nothing is ready, to the next timer at once.

    Everything runs in one thread, work given to an executor too, so that the same work in gives the same order out. An exception in a plain
    callback ends the run: nothing is merely logged.
    """

    def __init__(self, start: Nanos) -> None:
        self._leap = _Leap(self)
        self.now = self._zero = start
        self.broken: BaseException | None = None
        self.turns_max = 2_000_000
        """This many turns at one instant are one too many."""
        super().__init__(self._leap)
        self.set_exception_handler(self._unexpected)

    def time(self) -> float:
        """Seconds since the start."""
        return (self.now - self._zero) / SECOND

    def pass_time(self, wait_s: float) -> None:
        """Let the clock move on; at least a nanosecond, so that rounding never stops it."""
        self.now = Nanos(self.now + max(1, round(wait_s * SECOND)))

    def run_in_executor(self, executor: Executor | None, func: Callable[[Unpack[Given]], Result], *args: *Given) -> asyncio.Future[Result]:
        """The work is done in this thread at the loop's next turn, whatever thread it was meant for."""

        async def work() -> Result:
            return func(*args)

        return self.create_task(work())

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what a callback raised for the next turn of the loop; all else is reported as usual."""
        if "handle" in context and self.broken is None:
            self.broken = context.get("exception")
        else:
            self.default_exception_handler(context)


class _Leap(selectors.DefaultSelector):
    """Waits for nothing: where the loop would sleep, its clock is moved instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._loop.broken is not None:
            broken, self._loop.broken = self._loop.broken, None
            raise broken
        if timeout == 0:
            self._turns += 1
            if self._turns > self._loop.turns_max:
                self._turns = 0  # the tasks must still be cancelled
                raise Deadlock(f"at {self._loop.time():.9f} s time stands still: {self._loop.turns_max} turns at one instant")
            return []
        self._turns = 0
        if ready := super().select(0):  # a signal, or another thread
            return ready
        if timeout is None:
            waiting = sorted(task.get_name() for task in asyncio.all_tasks(self._loop))
            names = ", ".join(waiting[:_TASKS_SHOWN]) + (" ..." if len(waiting) > _TASKS_SHOWN else "")
            raise Deadlock(f"at {self._loop.time():.9f} s nothing is ready and no timer is set; waiting: {names}")
        self._loop.pass_time(timeout)
        return []


def run(work: Coroutine[Any, Any, Result], start: Nanos) -> Result:
    """Run a coroutine to its end in virtual time that starts at `start`; Deadlock where it cannot end."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(work)


def clock() -> Nanos:
    """Now, in the virtual loop that runs this; RuntimeError outside one."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError("no virtual time here")  # noqa: TRY004 - no argument has a wrong type: the call is out of place
    return loop.now


class Network:
    """The way between the desk and the exchange: latencies drawn from a seed for each direction, and whether it is cut.

    cut: "" works; "refused" lets no connection be made; "silent" swallows every request.
    """

    def __init__(self, chance: Random, out_ms: float = 20.0, back_ms: float = 20.0, jitter_ms: float = 10.0) -> None:
        self.cut = ""
        self._chance = chance
        self._out_ms = out_ms
        self._back_ms = back_ms
        self._jitter_ms = jitter_ms

    def out_s(self) -> float:
        """How long this request, or message, takes to the exchange, seconds."""
        return (self._out_ms + self._jitter_ms * self._chance.random()) / 1_000

    def back_s(self) -> float:
        """How long this answer, or frame, takes to the desk, seconds."""
        return (self._back_ms + self._jitter_ms * self._chance.random()) / 1_000


def untouched(ask: Ask, at: Nanos) -> Verdict:
    """The verdict of an exchange without faults."""
    return UNTOUCHED


def _nothing_follows() -> None:
    """The exchange has no sockets to tell."""


class InProcess(httpx.AsyncBaseTransport):
    """An exchange as httpx sees it. A request that left arrives, also where its client no longer waits.

    answer: the exchange. judge: what goes wrong. after: called once the exchange has carried something out. Of the client's timeouts,
    `read` runs from the sending to the answer, and `connect` while the network is silent; a pool has no limit here.
    """

    def __init__(
        self,
        answer: Callable[[Ask, Nanos], Answer],
        network: Network,
        judge: Judge = untouched,
        after: Callable[[], None] = _nothing_follows,
    ) -> None:
        self._answer = answer
        self._network = network
        self._judge = judge
        self._after = after
        self._afoot: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As httpx asks its transports: ConnectError, ConnectTimeout, ReadTimeout and RemoteProtocolError as over sockets."""
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        ask = Ask(request.method, path, query, dict(request.headers.items()), await request.aread())
        if self._network.cut == "refused":
            await asyncio.sleep(self._network.out_s())
            raise httpx.ConnectError("All connection attempts failed", request=request)
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Answer | None] = loop.create_future()
        if self._network.cut:
            limit = limits.get("connect")
            failure: type[httpx.TimeoutException] = httpx.ConnectTimeout
        else:
            limit, failure = limits.get("read"), httpx.ReadTimeout
            errand = loop.create_task(self._carry(ask, reply))
            self._afoot.add(errand)
            errand.add_done_callback(partial(self._ended, reply))
        try:
            async with asyncio.timeout(limit):
                answer = await reply
        except TimeoutError:
            raise failure("", request=request) from None
        if answer is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
        headers = {"content-type": answer.kind, **answer.headers}
        return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)

    async def _carry(self, ask: Ask, reply: "asyncio.Future[Answer | None]") -> None:
        """Take a request there and its answer back, whatever becomes of the one who waits."""
        network = self._network
        await asyncio.sleep(network.out_s())
        if network.cut:
            return
        verdict = self._judge(ask, clock())
        if verdict.late_ms:
            self._after()
            await asyncio.sleep(verdict.late_ms / 1_000)
        answer = verdict.carry(ask, clock(), self._answer)
        self._after()
        if verdict.hang:
            return
        await asyncio.sleep(verdict.delay_ms / 1_000 + network.back_s())
        if not reply.done() and not network.cut:
            reply.set_result(answer)

    def _ended(self, reply: "asyncio.Future[Answer | None]", errand: asyncio.Task[None]) -> None:
        """A defect of the exchange itself is raised where someone waits for its answer, and else ends the run."""
        self._afoot.discard(errand)
        if errand.cancelled() or (defect := errand.exception()) is None:
            return
        if reply.done():
            raise defect
        reply.set_exception(defect)
