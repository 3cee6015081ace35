"""The console: pulls the newest picture ten times a second, paints what changed, and turns keys into instructions."""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from msgspec.structs import replace
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from pmm_tui.api.client import Client
from pmm_tui.api.protocol import Args, Link
from pmm_tui.core.snapshot import Frame, MarketRow
from pmm_tui.core.units import Nanos
from pmm_tui.tui.actions import ACTIONS
from pmm_tui.tui.dialogs.question import Dialog, TypePhrase
from pmm_tui.tui.keys import KEYS
from pmm_tui.tui.rows import book, chart, desk, duo, foot, top
from pmm_tui.tui.rows.lines import Builder
from pmm_tui.tui.state import OVER, Scene
from pmm_tui.tui.widgets.pane import Pane

PULL_S = 0.1
BLURRED_EVERY = 10
"""An unfocused console looks at every tenth picture."""
STALL_S = 2.0
IDLE_S = 300.0
"""After so long without a key the keys go to the desk without real money again."""
MESSAGE_S = 12.0
"""An answer stands so long in the footer, then the newest warning again."""
WIDE = (120, 36)
SMALLEST = (80, 24)
PANES: tuple[Builder, ...] = (book.markets, book.ladder, desk.orders, desk.fills, desk.held, chart.equity, desk.log)
"""What the number keys show; the first is the dashboard itself."""


class Source(Protocol):
    """Where pictures come from and commands go: the api's client, or a test's stand-in."""

    def latest(self) -> Frame | None:
        """The newest picture."""
        ...

    def link(self) -> Link:
        """How the desk is reached."""
        ...

    async def command(self, cmd: str, args: Args) -> tuple[bool, str]:
        """Ask the desk; never raises for what it answers."""
        ...


class PmmApp(App[None]):
    """One desk on one screen."""

    CSS_PATH = "theme.tcss"
    TITLE = "pmm-tui"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(key.keys), f"do('{key.id}')", key.label, show=False, priority=key.over) for key in KEYS
    ]

    def __init__(
        self,
        source: Source,
        *more: Source,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
        pull_s: float = PULL_S,
    ) -> None:
        super().__init__()
        self.sources = (source, *more)
        self.target = 0
        """Which desk the keys go to."""
        self._chose = float("-inf")
        """When the operator last pressed a key while it was the desk with real money."""
        self.clock = clock
        self._wall = wall
        self._pull_s = pull_s
        self._pulls = 0
        self._blurred = False
        self._due = clock()
        self._chosen = ""
        self._chosen_over = False
        """Whether the operator chose a market that was over already: then it stays."""
        self._said_at = float("-inf")
        self._markets = 0
        self.scene = Scene(None, source.link())
        self.toggled_at = float("-inf")
        self.stops_paper = False
        """Whether quitting ends a paper desk: it does where this console started it."""
        self.animation_level = "none"

    @property
    def source(self) -> Source:
        """The desk that the keys go to."""
        return self.sources[self.target]

    def flip(self) -> None:
        """The keys go to the next desk."""
        self.target = (self.target + 1) % len(self.sources)
        self._chose = self.clock()
        self._markets = -1
        self.pull()

    def _aim_low(self) -> None:
        """Real money is a target only by choice, and not for longer than somebody is there."""
        if self.clock() - self._chose < IDLE_S or isinstance(self.screen, Dialog) or not _is_real(self.source):
            return
        safer = [number for number, source in enumerate(self.sources) if source.latest() is not None and not _is_real(source)]
        if safer:
            self.target = safer[0]

    def compose(self) -> ComposeResult:
        """Every pane of every layout; the style sheet chooses."""
        yield Pane(top.banner, "bare", id="banner")
        yield Pane(top.strip, "bare", id="strip")
        yield Pane(duo.duo, id="duo")
        with Horizontal(id="kpi"):
            yield Pane(top.safe)
            yield Pane(top.money)
            yield Pane(top.quotes)
        yield Pane(top.summary, "bare", id="summary")
        yield Pane(desk.kill, id="kill")
        yield Pane(book.markets, id="markets")
        with Horizontal(id="middle"):
            yield Pane(book.ladder, id="ladder")
            with Vertical(id="trades"):
                yield Pane(desk.orders, id="orders")
                yield Pane(desk.fills, id="fills")
            with Vertical(id="side"):
                yield Pane(desk.position, id="position")
                yield Pane(desk.guards, id="guards")
        with Horizontal(id="bottom"):
            yield Pane(chart.equity, id="equity")
            yield Pane(desk.log, id="log")
        yield Pane(book.markets, id="zoom")
        yield Pane(foot.footer, "bare", id="footer")
        yield Pane(foot.small, "bare", id="small")

    def on_mount(self) -> None:
        """Lay out, and start the one timer."""
        self._lay_out()
        if self._pull_s:
            self.set_interval(self._pull_s, self._tick)

    def on_ready(self) -> None:
        """What was made so far will live as long as the console: keep the collector away from it."""
        self.pull()
        gc.collect()
        gc.freeze()

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the new size."""
        self._lay_out(event.size.width, event.size.height)
        self.pull()

    def on_app_blur(self) -> None:
        """Nobody looks: slow down."""
        self._blurred = True

    def on_app_focus(self) -> None:
        """Somebody looks."""
        self._blurred = False
        self.pull()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Over a question only the kill keys act; where a phrase is typed, K is a letter and ctrl+k kills."""
        if action != "do" or not isinstance(self.screen, Dialog):
            return True
        return parameters == ("kill_typing",) or (parameters == ("kill",) and not isinstance(self.screen, TypePhrase))

    def action_do(self, key: str) -> None:
        """One line of the key table."""
        if self._chose > float("-inf"):
            self._chose = self.clock()
        ACTIONS[key](self)

    async def action_quit(self) -> None:
        """The library's own way out is ours."""
        ACTIONS["quit"](self)

    def action_help_quit(self) -> None:
        """Ctrl+C never quits."""
        self.say("q leaves the console, K kills the desk; ctrl+c does neither", "warn")

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that must not hold up the screen."""
        self.run_worker(work, group="commands", exit_on_error=False)

    def pull(self) -> None:
        """Take the newest picture and paint what changed."""
        if len(self.sources) > 1:
            self._aim_low()
        frame, link = self.source.latest(), self.source.link()
        markets = frame.snapshot.markets if frame is not None else ()
        message = self.scene.message if self.clock() - self._said_at < MESSAGE_S else ("", "")
        selected, wall = self._select(markets), Nanos(self._wall())
        self.scene = Scene(frame, link, selected, wall, message, self.scene.pane, self._beside(wall))
        self._settle(len(markets))
        with self.batch_update():
            for pane in self.screen_stack[0].query(Pane):
                pane.apply(self.scene)

    def _beside(self, wall: Nanos) -> Scene | None:
        """The other desk, at the same market."""
        if len(self.sources) == 1:
            return None
        other = self.sources[(self.target + 1) % len(self.sources)]
        frame = other.latest()
        markets = frame.snapshot.markets if frame is not None else ()
        at = next((number for number, row in enumerate(markets) if row.id == self._chosen), -1)
        return Scene(frame, other.link(), at, wall)

    def choose(self, step: int) -> None:
        """Move the selection through the markets."""
        markets = self.scene.frame.snapshot.markets if self.scene.frame is not None else ()
        if markets:
            row = markets[max(0, min(len(markets) - 1, self.scene.selected + step))]
            self._chosen, self._chosen_over = row.id, row.state in OVER
            self.pull()

    def _select(self, markets: tuple[MarketRow, ...]) -> int:
        """The selection stays where it is until its market ends; then it goes to one that quotes, or at least is open."""
        at = next((number for number, row in enumerate(markets) if row.id == self._chosen), -1)
        if at < 0 or (markets[at].state in OVER and not self._chosen_over):
            ranks = [0 if row.state == "quoting" else 2 if row.state in OVER else 1 for row in markets]
            at = ranks.index(min(ranks)) if ranks and min(ranks) < 2 else at if at >= 0 else len(markets) - 1
            self._chosen = markets[at].id if markets else ""
            self._chosen_over = False
        return max(0, at)

    def say(self, text: str, style: str = "") -> None:
        """Show the answer to a key in the footer."""
        self._said_at = self.clock()
        self.scene = replace(self.scene, message=(style, text))
        self.pull()

    def show_pane(self, number: int) -> None:
        """The dashboard (1), or one pane as large as the screen."""
        self.scene = replace(self.scene, pane=number)
        self.query_one("#zoom", Pane).builder = PANES[number - 1]
        self.screen_stack[0].set_class(number > 1, "zoomed")
        self.pull()

    def _tick(self) -> None:
        late = self.clock() - self._due
        self._due = self.clock() + self._pull_s
        if late > STALL_S:
            self.say(f"the terminal stalled for {late:.1f} s; the desk was not touched by it", "warn")
        self._pulls += 1
        if not self._blurred or self._pulls % BLURRED_EVERY == 0:
            self.pull()

    def _lay_out(self, width: int = 0, height: int = 0) -> None:
        width, height = width or self.size.width, height or self.size.height
        small = width < SMALLEST[0] or height < SMALLEST[1]
        wide = width >= WIDE[0] and height >= WIDE[1]
        base = self.screen_stack[0]
        base.set_class(small, "small")
        base.set_class(not small and not wide, "compact")
        base.set_class(wide and height < 44, "short")
        base.set_class(len(self.sources) > 1, "two")
        base.query_one("#duo", Pane).frame = "box" if wide else "bare"
        for pane in base.query("#markets, #ladder, #orders, #fills, #kill, #zoom").results(Pane):
            pane.frame = "box" if wide else "rule"
        self._markets = -1

    def _settle(self, markets: int) -> None:
        """Heights that depend on how many markets there are and on the kill switch: changed seldom, never by a number moving."""
        base = self.screen_stack[0]
        base.set_class(self.scene.lost, "lost")
        need = desk.kill_height(self.scene)
        key = markets * 100 + need
        if key == self._markets:
            return
        self._markets = key
        wide = not base.has_class("compact")
        table, kill = base.query_one("#markets", Pane), base.query_one("#kill", Pane)
        table.styles.height = min(max(1, markets), 8 if wide else 4) + (3 if wide else 2)
        kill.display = bool(need)
        kill.styles.height = need + (2 if wide else 1)


def _is_real(source: Source) -> bool:
    """Whether a desk trades real money."""
    frame = source.latest()
    return frame is not None and frame.card.mode == "LIVE" and frame.card.source != "loopback"


def run(sockets: Sequence[Path], *, keep: bool) -> int:
    """Open the console on desks until the operator leaves; the exit code. Without `keep`, q also stops what is not real money."""
    clients = [Client(socket, f"console:{_tty()}") for socket in sockets]
    app = PmmApp(*clients)
    app.stops_paper = not keep

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for one in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(one, app.exit)
        listening = [asyncio.create_task(client.run()) for client in clients]
        try:
            await app.run_async()
        finally:
            for task in listening:
                task.cancel()
            await asyncio.gather(*listening, return_exceptions=True)

    asyncio.run(main())
    return app.return_code or 0


def _tty() -> str:
    """Which terminal this is, for the journal."""
    try:
        return os.ttyname(sys.stdin.fileno()).removeprefix("/dev/")
    except OSError:
        return "notty"
