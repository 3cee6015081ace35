"""What each key does: lowers risk at once, shows what it costs first, or asks before it adds risk."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pmm_tui.api.protocol import Args
from pmm_tui.core.snapshot import MarketRow
from pmm_tui.tui import format as f
from pmm_tui.tui.dialogs import asked
from pmm_tui.tui.dialogs.question import Confirm, Help, TypePhrase
from pmm_tui.tui.rows.foot import help_rows
from pmm_tui.tui.rows.lines import Row
from pmm_tui.tui.state import Scene

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp, Source

SPEEDS = ("1", "10", "max")
RESUME_APART_S = 0.5
"""A held space bar pauses; it does not resume."""
PANES = 7

Go = Callable[[str], None]


class Target(NamedTuple):
    """The desk that a key was pressed for: it stays that desk, whatever is pressed before the answer comes."""

    source: "Source"
    scene: Scene


def aimed(app: "PmmApp") -> Target:
    """The desk that the keys go to now."""
    return Target(app.source, app.scene)


def send(app: "PmmApp", cmd: str, args: Args, to: Target | None = None) -> None:
    """Send a command to one desk (now's, where none is given); its answer stands in the footer, with that desk's mode."""
    target = to or aimed(app)

    async def ask() -> None:
        ok, text = await target.source.command(cmd, args)
        app.say(f"{f.clock(app.scene.wall)} {asked.mode(target.scene)} {cmd}: {text}", "alarm" if cmd == "kill" or not ok else "up")

    app.start(ask())


def confirm(app: "PmmApp", what: str, rows: list[Row], action: str, go: Go) -> None:
    """Go if y is pressed."""
    app.push_screen(
        Confirm(asked.title(app.scene, what), rows, app.scene, app.clock, action), lambda answer: go(answer) if answer else None
    )


def typed(app: "PmmApp", what: str, rows: list[Row], phrase: str, go: Go, *, wants_reason: bool = False) -> None:
    """Go if the phrase is typed; with the reason, where one is wanted."""
    dialog = TypePhrase(asked.title(app.scene, what), rows, app.scene, app.clock, phrase, wants_reason)
    app.push_screen(dialog, lambda answer: go(answer) if answer else None)


def kill(app: "PmmApp") -> None:
    """Stop everything, now."""
    send(app, "kill", {"reason": "operator"})


def toggle(app: "PmmApp") -> None:
    """Pause at once; resume, typed on LIVE."""
    frame = app.scene.frame
    _toggle(app, "", frame is not None and frame.snapshot.phase == "paused")


def toggle_market(app: "PmmApp") -> None:
    """The same for the selected market."""
    row = app.scene.market
    if row is None:
        app.say("no market is selected", "warn")
    else:
        _toggle(app, row.id, row.state == "paused")


def _toggle(app: "PmmApp", market: str, paused: bool) -> None:
    to, now = aimed(app), app.clock()
    hurried, app.toggled_at = now - app.toggled_at < RESUME_APART_S, now
    args: Args = {"market": market}
    if app.scene.stopped:
        app.say("the kill switch has tripped: nothing quotes until it is reset (R)", "warn")
    elif not paused:
        send(app, "pause", args)
    elif hurried:
        app.say("paused; let go, then press again to resume", "warn")
    elif app.scene.live:
        typed(app, "resume", asked.resume(app.scene), "RESUME LIVE", lambda _: send(app, "resume", args, to))
    else:
        send(app, "resume", args, to)


def flatten(app: "PmmApp") -> None:
    """Show the order that closes the selected market, then send it."""
    row = app.scene.market
    if row is None:
        app.say("no market is selected", "warn")
    else:
        _flatten(app, "flatten", (row,), row.id)


def flatten_all(app: "PmmApp") -> None:
    """The same for all markets."""
    if app.scene.frame is None:
        app.say("no picture from the desk yet", "warn")
    else:
        _flatten(app, "flatten ALL markets", app.scene.frame.snapshot.markets, "")


def _flatten(app: "PmmApp", what: str, rows: tuple[MarketRow, ...], market: str) -> None:
    to = aimed(app)
    text, proceeds = asked.flatten(app.scene, rows)

    def go(_: str) -> None:
        send(app, "flatten", {"market": market}, to)

    if app.scene.live and proceeds > asked.TYPED_ABOVE:
        typed(app, what, text, f"FLATTEN {proceeds // 1_000_000}", go)
    else:
        confirm(app, what, text, "send these orders", go)


def reset(app: "PmmApp") -> None:
    """Reopen after a kill, with the reason why."""
    if not app.scene.stopped:
        app.say("the kill switch has not tripped: there is nothing to reset", "warn")
        return

    to = aimed(app)

    def go(why: str) -> None:
        send(app, "kill_reset", {"reason": why}, to)

    typed(app, "reset the kill switch", asked.reset(app.scene), f"RESET {asked.mode(app.scene)}", go, wants_reason=True)


def reload(app: "PmmApp") -> None:
    """Ask the desk what has changed in its profile, show it, then apply it."""

    to = aimed(app)

    def go(_: str) -> None:
        send(app, "reload", {"apply": True}, to)

    async def look() -> None:
        ok, text = await to.source.command("reload", {"apply": False})
        if not ok or text == "the profile has not changed":
            app.say(f"{asked.mode(to.scene)} reload: {text}", "" if ok else "alarm")
        elif app.source is not to.source:
            app.say(f"{asked.mode(to.scene)} reload: the keys go to another desk by now, nothing was applied", "warn")
        elif to.scene.live:
            typed(app, "apply the profile", asked.changes(text), "APPLY LIVE", go)
        else:
            confirm(app, "apply the profile", asked.changes(text), "apply these changes", go)

    app.start(look())


def stop(app: "PmmApp") -> None:
    """End the desk."""

    to = aimed(app)

    def go(_: str) -> None:
        send(app, "stop", {}, to)

    if app.scene.live:
        typed(app, "stop the desk", asked.stop(app.scene), "STOP LIVE", go)
    else:
        confirm(app, "stop the desk", asked.stop(app.scene), "stop the desk", go)


def speed(app: "PmmApp", step: int, around: bool = False) -> None:
    """Another speed of a tape."""
    card = app.scene.frame.card if app.scene.frame is not None else None
    if card is None or card.source != "tape":
        app.say("only a tape has a speed", "warn")
        return
    at = SPEEDS.index(card.speed) if card.speed in SPEEDS else 0
    to = (at + step) % len(SPEEDS) if around else max(0, min(len(SPEEDS) - 1, at + step))
    send(app, "speed", {"speed": SPEEDS[to]})


def flip(app: "PmmApp") -> None:
    """The other desk becomes the one that keys go to."""
    if app.scene.beside is None:
        app.say("there is one desk only; give --profile twice for two", "warn")
    else:
        app.flip()


def turn(app: "PmmApp", step: int) -> None:
    """The pane after or before this one."""
    app.show_pane((app.scene.pane - 1 + step) % PANES + 1)


def show(app: "PmmApp", number: int) -> None:
    """A pane by its number."""
    app.show_pane(number)


def show_help(app: "PmmApp") -> None:
    """Every key."""
    app.push_screen(Help("Keys", help_rows(), app.scene, "any key closes"))


def leave(app: "PmmApp") -> None:
    """Quit the console; a desk without real money that it started ends with it."""

    async def go() -> None:
        for source in app.sources:
            frame = source.latest()
            if app.stops_paper and frame is not None and (frame.card.mode != "LIVE" or frame.card.source == "loopback"):
                await source.command("stop", {})
        app.exit()

    app.start(go())


ACTIONS: dict[str, Callable[["PmmApp"], None]] = {
    "kill": kill,
    "kill_typing": kill,
    "toggle": toggle,
    "toggle_market": toggle_market,
    "flatten": flatten,
    "flatten_all": flatten_all,
    "reset": reset,
    "reload": reload,
    "stop": stop,
    "faster": partial(speed, step=1),
    "slower": partial(speed, step=-1),
    "speed": partial(speed, step=1, around=True),
    "flip": flip,
    "down": lambda app: app.choose(1),
    "up": lambda app: app.choose(-1),
    "next_pane": partial(turn, step=1),
    "last_pane": partial(turn, step=-1),
    "back": partial(show, number=1),
    "help": show_help,
    "quit": leave,
    **{f"pane{number}": partial(show, number=number) for number in range(1, PANES + 1)},
}
"""What each id of the key table does."""
