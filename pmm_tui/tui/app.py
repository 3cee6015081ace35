"""The console: pulls the newest picture ten times a second, paints what changed, and turns keys into instructions."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

from msgspec.structs import replace
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingsMap, BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.timer import Timer

from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos
from pmm_tui.tui import format as f
from pmm_tui.tui import layout
from pmm_tui.tui.actions import ACTIONS
from pmm_tui.tui.arrange import arrange
from pmm_tui.tui.config import Config
from pmm_tui.tui.dialogs.question import Dialog
from pmm_tui.tui.ears import Ears
from pmm_tui.tui.elsewhere import Elsewhere, Source
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.keys import Key, Keys, call, harmless, refusal
from pmm_tui.tui.looks import LOOKS
from pmm_tui.tui.memory import keep, sweep
from pmm_tui.tui.palette import RED_UP, TABLES, theme_of, without_colour
from pmm_tui.tui.rows import book, desk
from pmm_tui.tui.rows.lines import matches
from pmm_tui.tui.sending import Pressed
from pmm_tui.tui.state import OVER, Scene, is_real
from pmm_tui.tui.still import held
from pmm_tui.tui.terminal import Easel, Herald, Terminal
from pmm_tui.tui.traces import Traces
from pmm_tui.tui.unanswered import Unanswered
from pmm_tui.tui.view import PANES, View
from pmm_tui.tui.widgets.below import Below
from pmm_tui.tui.widgets.pane import Pane

BLURRED_HZ = 1
"""How often an unfocused console looks."""
IDLE_S = 300.0
"""After so long without a key the keys go to the desk without real money again."""
MESSAGE_S = 12.0
"""An answer stands so long in the footer, then the newest warning again."""


class PmmApp(App[None]):
    """One or two desks on one screen. Without a clock of its own (`pull_s` 0), it looks only when `pull` is called."""

    CSS_PATH = "theme.tcss"
    TITLE = "pmm-tui"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self,
        source: Source,
        *more: Source,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
        pull_s: float = 0.1,
        config: Config | None = None,
        read_only: bool = False,
        allow_kill: bool = False,
        elsewhere: Elsewhere | None = None,
        connect: Callable[[Path], Source] | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class, ansi_color=without_colour())
        self.sources = [source, *more]
        self.target = 0
        """Which desk the keys go to."""
        self._chose = float("-inf")
        """When the operator last pressed a key while it was the desk with real money."""
        self._lost = self._blurred = False
        self.clock = clock
        self._wall = wall
        self._timed = pull_s > 0
        self._timer: Timer | None = None
        self.ears = Ears(clock)
        self._chosen = ""
        self._chosen_over = False
        """Whether the operator chose a market that was over already: then it stays."""
        self._said_at = float("-inf")
        self._settled = (-1, -1)
        self._traces = [Traces() for _ in self.sources]
        self.herald = Herald()
        self._easel = Easel()
        self.unanswered = Unanswered()
        self.scene = Scene(None, source.link())
        self.frozen: Scene | None = None
        """What is shown while the display is held; the keys act on the scene of now all the same."""
        self.view, self.pressed = View(), Pressed()
        self.read_only, self.allow_kill = read_only, allow_kill
        self.locked = False
        self.elsewhere, self.connect = elsewhere, connect
        self.stops_paper = False
        """Whether quitting ends a paper desk that is shown: it does where this console was started with it."""
        self.started: list[Source] = []
        """Desks that were started from this console: they end with it."""
        self.animation_level = "none"
        self.rate, self.look, self.local_time = 10, "dark", False
        for name in TABLES:
            self.register_theme(theme_of(name))
        self.config = config or Config()
        self.keys: Keys = ()
        self.foot = layout.Foot(())
        self.take(self.config)

    def take(self, config: Config) -> None:
        """Settings come into force."""
        self.config = config
        self.keys = harmless(config.keys, self.allow_kill) if self.read_only else config.keys
        call(config.keys)
        self.foot.keys = self.keys
        ours = [Binding(",".join(key.keys), f"do('{key.id}')", key.label, show=False, priority=key.over) for key in self.keys]
        none = [Binding(",".join(key.keys), "refuse", key.label, show=False) for key in config.keys if key not in self.keys]
        self._bindings = BindingsMap.merge([type(self)._merge_bindings(), BindingsMap([*ours, *none])])
        self.show_time(config.time == "local")
        self.dress("mono" if self.no_color else config.theme)
        self.set_rate(config.fps)

    @property
    def source(self) -> Source:
        """The desk that the keys go to."""
        return self.sources[self.target]

    @property
    def other(self) -> int:
        """The number of the desk beside it; the same where there is one."""
        return (self.target + 1) % len(self.sources)

    @property
    def safe_only(self) -> bool:
        """Whether no key changes a desk now."""
        return self.read_only or self.locked

    def flip(self) -> None:
        """The keys go to the next desk."""
        self.target = self.other
        self._chose, self._lost = self.clock(), not self.source.link().connected
        self.pull()

    def attach(self, socket: Path, started: bool = False) -> None:
        """Show another desk where the one of the keys is shown now."""
        if self.connect is None:
            self.say("this console cannot reach other desks", "warn")
            return
        left, source = self.source, self.connect(socket)
        if self.stops_paper and not is_real(left.latest()):
            self.started.append(left)
        if started:
            self.started.append(source)
        self.sources[self.target], self._traces[self.target] = source, Traces()
        self._chosen = ""
        self.say(f"attached to {socket.stem}")

    def _aim_low(self) -> None:
        """Real money is a target only by choice, and not for longer than somebody is there."""
        lost, self._lost = self._lost, not self.source.link().connected
        if lost and not self._lost:
            self._chose = float("-inf")  # after a gap nobody knows what the keys would meet
        if self.clock() - self._chose < IDLE_S or isinstance(self.screen, Dialog) or not is_real(self.source.latest()):
            return
        safer = [number for number, source in enumerate(self.sources) if source.latest() is not None and not is_real(source.latest())]
        if safer:
            self.target = safer[0]

    def get_default_screen(self) -> Screen[None]:
        """The screen of every pane."""
        return Below(id="_default")

    def compose(self) -> ComposeResult:
        """Every pane of every layout."""
        return layout.compose(self.foot)

    def on_mount(self) -> None:
        """Lay out, and start the one timer."""
        self.view.screen = self.config.start_screen if layout.SCREENS[self.config.start_screen - 1].builder is not None else 1
        layout.lay_out(self.screen_stack[0], *self.size, len(self.sources))
        self.relay()
        if self.config.start_layout:
            arrange(self, self.config.start_layout)
        self.set_rate(self.rate)

    def on_ready(self) -> None:
        """The first picture; what it took lives on."""
        self.pull()
        self.ears.open()
        keep(self)

    def on_resize(self, event: events.Resize) -> None:
        """Choose the layout for the new size, and paint all of it: a terminal that was smaller for a moment forgot what stood outside."""
        self.dress(self.look)
        layout.lay_out(self.screen_stack[0], event.size.width, event.size.height, len(self.sources))
        self._settled = (-1, -1)
        self.relay()

    def on_app_blur(self) -> None:
        """Nobody looks: slow down."""
        self._blurred = True
        self.set_rate(self.rate)

    def on_app_focus(self) -> None:
        """Somebody looks."""
        self._blurred = False
        self.set_rate(self.rate)
        self.pull()

    def on_click(self, event: events.Click) -> None:
        """A click chooses a pane, as tab does."""
        if event.widget is not None and event.widget.id in PANES:
            self.view.pane = event.widget.id
            self.relay()

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves as the arrows do."""
        self.action_do("move.down")

    def on_mouse_scroll_up(self) -> None:
        """And back."""
        self.action_do("move.up")

    def set_rate(self, rate: int) -> None:
        """Look so often a second; once, while nobody does."""
        self.rate = rate
        if not self._timed or not self.is_running:
            return
        if self._timer is not None:
            self._timer.stop()
        period = 1 / (BLURRED_HZ if self._blurred else rate)
        self.ears.expect(period)
        self._timer = self.set_interval(period, lambda: self._tick(period))

    def show_time(self, local: bool) -> None:
        """Local time, or UTC."""
        self.local_time = local
        f.show_local(local)

    def dress(self, look: str) -> None:
        """Another theme."""
        if look != self.look:
            sweep(self)
        self.look = look
        self.theme = look + RED_UP if self.config.red_up else look
        if self.is_running:
            for screen in self.screen_stack:
                for pane in screen.query(Pane):
                    pane.restyle()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Over a question only the kill keys act; where text is typed, K is a letter and ctrl+k kills."""
        if action not in ("do", "refuse") or not isinstance(self.screen, Dialog):
            return True
        return parameters == ("kill.typing",) or (parameters == ("kill",) and not self.screen.types)

    async def on_event(self, event: events.Event) -> None:
        """Keys that are not obeyed go no further."""
        if event.is_forwarded or not (isinstance(event, events.Key) and self.ears.are_deaf(self, event)):
            await super().on_event(event)

    def action_do(self, name: str) -> None:
        """One line of the key table."""
        key = self._key(name)
        if key is None:
            return
        if self._chose > float("-inf"):
            self._chose = self.clock()
        if why := refusal(key, self.scene):
            self.say(why, "warn")
        else:
            (ACTIONS | LOOKS)[name](self)

    def action_refuse(self) -> None:
        """A key that a read-only console does not have."""
        run = self.scene.frame.card.run if self.scene.frame is not None else "RUN"
        self.say(f"read-only: this console changes nothing; pmm-tui kill {f.clean(run)}", "warn")

    def _key(self, name: str) -> Key | None:
        return next((key for key in self.keys if key.id == name), None)

    async def action_quit(self) -> None:
        """The library's own way out is ours."""
        self.action_do("app.detach")

    def action_help_quit(self) -> None:
        """Ctrl+C never quits."""
        self.say(f"{key_of('app.detach')} leaves the console, {key_of('kill')} kills the desk; ctrl+c does neither", "warn")

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that must not hold up the screen."""
        self.run_worker(work, group="commands", exit_on_error=False)

    def pull(self) -> None:
        """Take the newest picture and paint what changed."""
        self._easel.paint(self, self._look())

    def _look(self) -> Scene:
        """Take the newest picture; what shall be shown of it."""
        wall = Nanos(self._wall())
        if len(self.sources) > 1:
            self._aim_low()
        for source, traces in zip(self.sources, self._traces, strict=True):
            if (seen := source.latest()) is not None:
                traces.apply(seen, wall)
        message = self.scene.message if self.clock() - self._said_at < MESSAGE_S else ("", "")
        scene = self._scene(self.target, self._select(self.source.latest()), wall)
        self.scene = self.view.shown(replace(scene, message=message, beside=self._beside(wall)))
        alarm = self.herald.tell(self, [scene for scene in (self.scene, self.scene.beside) if scene is not None])
        self.scene = replace(self.scene, ringing=self.herald.alarmed)
        if alarm and self.frozen is not None:
            self.frozen, self._said_at = None, self.clock()
            self.scene = replace(self.scene, message=("alarm", f"the display goes on: {alarm}"))
        self._settle()
        return self.scene if self.frozen is None else self.view.shown(held(self.frozen, self.scene))

    def _scene(self, number: int, selected: int, wall: Nanos) -> Scene:
        frame = (source := self.sources[number]).latest()
        left_s = frame.card.deadman_s if frame is not None and frame.card.deadman_s >= 0 else math.nan
        return Scene(
            frame, source.link(), selected, wall, traces=self._traces[number], read_only=self.safe_only, locked=self.locked,
            symbols=self.config.symbols, above=self.config.above,
            deadman_s=left_s, unanswered=self.unanswered.look(source), place=number,
            storm=self.herald.storms.look(frame, self.config.rejects, self.config.within_s) if frame is not None else "",
        )  # fmt: skip

    def _beside(self, wall: Nanos) -> Scene | None:
        """The other desk, at the same market."""
        if len(self.sources) == 1:
            return None
        frame = self.sources[self.other].latest()
        markets = frame.snapshot.markets if frame is not None else ()
        at = next((number for number, row in enumerate(markets) if row.id == self._chosen), -1)
        return self._scene(self.other, at, wall)

    def choose(self, step: int) -> None:
        """Move the selection through the markets that are shown."""
        markets = self.scene.frame.snapshot.markets if self.scene.frame is not None else ()
        kept = [row for row in markets if not self.view.markets or matches(self.view.markets, row.question)]
        if kept:
            at = next((number for number, row in enumerate(kept) if row.id == self._chosen), 0)
            row = kept[max(0, min(len(kept) - 1, at + step))]
            self._chosen, self._chosen_over = row.id, row.state in OVER
            self.pull()

    def _select(self, frame: Frame | None) -> int:
        """The selection stays where it is until its market ends; then it goes to one that quotes, or at least is open."""
        markets = frame.snapshot.markets if frame is not None else ()
        at = next((number for number, row in enumerate(markets) if row.id == self._chosen), -1)
        if at < 0 or (markets[at].state in OVER and not self._chosen_over):
            ranks = [0 if row.state == "quoting" else 2 if row.state in OVER else 1 for row in markets]
            at = ranks.index(min(ranks)) if ranks and min(ranks) < 2 else at if at >= 0 else len(markets) - 1
            self._chosen = markets[at].id if markets else ""
            self._chosen_over = False
        return max(0, at)

    def say(self, text: str, style: str = "") -> None:
        """Show the answer to a key in the footer."""
        self.note(text, style)
        self.pull()

    def note(self, text: str, style: str) -> None:
        """The same with the next picture: for what may be said many times a second."""
        self._said_at = self.clock()
        self.scene = replace(self.scene, message=(style, text))

    def relay(self) -> None:
        """Another screen, or another pane of it."""
        layout.fill(self.screen_stack[0], self.foot.screen(self.view.screen), self.view.pane, self.view.zoomed)
        self.pull()

    async def _tick(self, period: float) -> None:
        """A pull in several turns of the loop, so that keys and the desks' messages wait for none of it."""
        self.ears.look(self, period)
        if isinstance(self._driver, Terminal) and self._driver.line is not None and self._driver.line.gone:
            self.exit(return_code=1)
        for source in self.sources:
            source.latest()  # decoded once, and kept
        await asyncio.sleep(0)
        await self._easel.paint_in_turns(self, self._look())

    def _settle(self) -> None:
        base = self.screen_stack[0]
        need = (len(book.listed(self.scene, self.size.width - 4)), desk.kill_height(self.scene))
        if need != self._settled:
            self._settled = need
            layout.settle(base, *need)

    def write_outside(self, text: str) -> None:
        """Write what is no part of the screen."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(text)
