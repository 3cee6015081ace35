"""What the keys do to the console itself: screens, panes, filters, time, theme, rate, copies, exports, the lock, the palette."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pmm_tui.api.protocol import Link
from pmm_tui.api.widening import risk_of
from pmm_tui.tui import clip, export
from pmm_tui.tui import format as f
from pmm_tui.tui.arrange import arrange, bars, centre, depth, pick_layout, side, unit
from pmm_tui.tui.config import RATES, ConfigRefused, read_config
from pmm_tui.tui.dialogs import asked, widening
from pmm_tui.tui.dialogs.pick import Item, Line, Pick
from pmm_tui.tui.dialogs.question import Help
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.keys import LOG, MARKET, SCROLLED, applies, locked
from pmm_tui.tui.layout import SCREENS
from pmm_tui.tui.palette import THEMES
from pmm_tui.tui.rows.foot import help_rows
from pmm_tui.tui.rows.lines import Row, Span
from pmm_tui.tui.rows.top import sides
from pmm_tui.tui.sending import typed
from pmm_tui.tui.state import Scene
from pmm_tui.tui.view import DEPTHS, PANES
from pmm_tui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp

UNLOCK = "UNLOCK"
LONGEST = 120
"""No list is wider than the rule of its headings, which is cut to the list."""
PAGE = 3
"""Rows by which the ladder is moved at once."""


def show(app: "PmmApp", number: int) -> None:
    """A screen by its number."""
    app.view.screen, app.view.zoomed, app.view.scroll = number, False, 0
    app.relay()


def back(app: "PmmApp") -> None:
    """Out of what one is in, one thing at a time: the filter, the zoom, the screen, the chosen pane."""
    view = app.view
    if view.filter:
        narrow(app, "")
    elif view.screen != 1 or view.zoomed:
        show(app, 1)
    else:
        view.pane = ""
        app.relay()


def turn(app: "PmmApp", step: int) -> None:
    """The next pane of the dashboard; elsewhere the next screen."""
    view = app.view
    if view.screen != 1:
        there = [number for number, face in enumerate(SCREENS, start=1) if face.builder is not None or number == 1]
        show(app, there[(there.index(view.screen) + step) % len(there)])
        return
    panes = [pane for pane in PANES if app.screen_stack[0].query_one(f"#{pane}").region.area > 0]
    at = panes.index(view.pane) if view.pane in panes else -1 if step > 0 else 0
    view.pane = panes[(at + step) % len(panes)] if panes else ""
    app.relay()


def zoom(app: "PmmApp") -> None:
    """The chosen pane as large as the screen, and back."""
    view = app.view
    if view.screen != 1:
        app.say("a screen is as large as it gets; esc goes back", "warn")
        return
    view.pane = view.pane or PANES[0]
    view.zoomed = not view.zoomed
    app.relay()


def move(app: "PmmApp", step: int) -> None:
    """Through the rows of a list of events, or through the markets."""
    if app.view.screen in SCROLLED:
        app.view.scroll = max(0, min(_rows_here(app), app.view.scroll + step))
        app.pull()
    else:
        next_market(app, step)


def _rows_here(app: "PmmApp") -> int:
    """How many rows the list of this screen can have at most, headings included."""
    snapshots = [one.frame.snapshot for one in (app.scene, app.scene.beside) if one is not None and one.frame is not None]
    lists = [(3 * len(one.orders) + len(one.markets), len(one.fills), len(one.notes), 2 * len(one.risk)) for one in snapshots]
    return sum(max(each) for each in lists)


def next_market(app: "PmmApp", step: int) -> None:
    """Another market, whatever the screen lists."""
    app.view.shift = 0
    app.choose(step)


def page(app: "PmmApp", way: int) -> None:
    """Ten rows of a list, or a few of the market screen's ladder, as far as its book goes."""
    row = app.scene.market
    if app.view.screen != MARKET or row is None:
        move(app, 10 * way)
        return
    bids, asks = (row.asks, row.bids) if app.view.no_side else (row.bids, row.asks)
    app.view.shift = max(-len(asks), min(len(bids), app.view.shift + PAGE * way))
    app.pull()


def narrow(app: "PmmApp", wanted: str) -> None:
    """The filter of what is looked at."""
    view = app.view
    if view.filters == "log":
        view.log = wanted
    else:
        view.markets = wanted
        app.choose(0)
    app.pull()


def ask_filter(app: "PmmApp") -> None:
    """Type a filter; it acts with every letter."""
    app.push_screen(Line(f"filter {app.view.filters}", app.view.filter, app.scene, partial(narrow, app)))


def freeze(app: "PmmApp") -> None:
    """Hold the display. What keys do, they do to the desk as it is now."""
    app.frozen = None if app.frozen is not None else app.scene
    if app.frozen is None:
        app.say("the display goes on")
    else:
        app.say(f"DISPLAY FROZEN, the desks run; {key_of('view.freeze')} goes on", "warn")


def change_time(app: "PmmApp") -> None:
    """UTC or local time."""
    app.show_time(not app.local_time)
    app.say(f"times are {f.zone().strip()}, local" if app.local_time else "times are UTC")


def change_theme(app: "PmmApp", name: str = "") -> None:
    """The next theme, or a named one."""
    names = list(THEMES)
    name = name or names[(names.index(app.look) + 1) % len(names)]
    app.dress(name)
    app.say(f"theme {name}")


def change_rate(app: "PmmApp", step: int) -> None:
    """Look more or less often."""
    at = RATES.index(app.rate) if app.rate in RATES else len(RATES) - 1
    set_rate(app, RATES[max(0, min(len(RATES) - 1, at + step))])


def set_rate(app: "PmmApp", rate: int) -> None:
    """Look so often a second."""
    app.set_rate(rate)
    app.say(f"looking {rate} time{'s' if rate > 1 else ''} a second")


def _text(app: "PmmApp") -> str:
    """The screen as plain text, one line a row."""
    return "\n".join(strip.text.rstrip() for strip in app.screen_stack[0]._compositor.render_strips()) + "\n"


def copy(app: "PmmApp") -> None:
    """What led to a kill, else the chosen pane or screen, to the terminal's clipboard and a file."""
    chosen = [pane for pane in app.screen_stack[0].query(Pane) if pane.chosen]
    text = clip.incident(app.scene) or (chosen[0].text() if chosen else _text(app))
    app.copy_to_clipboard(text)
    try:
        path = clip.keep(text)
    except OSError as wrong:
        app.say(f"copied to the terminal's clipboard; no file: {wrong.strerror}", "warn")
    else:
        app.say(f"copied {len(text.splitlines())} lines: clipboard and {path}")


def save(app: "PmmApp") -> None:
    """This screen as CSV, SVG and text."""
    shown, number = app.frozen or app.scene, app.view.screen
    frames = [one.frame for one in (sides(shown) if shown.beside is not None else (shown,)) if one.frame is not None]
    svg, text = app.export_screenshot(title="pmm-tui"), _text(app)
    try:
        base = export.export(frames, number, SCREENS[number - 1].name, svg, text, app.scene.wall, app.config.above)
    except OSError as wrong:
        app.say(f"nothing was written: {wrong.strerror}: {wrong.filename}", "alarm")
    else:
        app.say(f"written: {base}.csv, .svg and .txt")


def lock(app: "PmmApp") -> None:
    """Hands off: nothing but looking and K until UNLOCK is typed."""
    if not app.locked:
        app.locked = True
        app.say(locked(), "warn")
        return

    def open_(_: str) -> None:
        app.locked = False
        app.say("unlocked")

    typed(app, "unlock this console", [((" its keys change the desk again", ""),)], UNLOCK, open_)


def reread(app: "PmmApp") -> None:
    """Read tui.toml again; what stood there last and was right stays in force where it is wrong now."""
    try:
        app.take(read_config(symbols=app.config.symbols))
    except (ConfigRefused, OSError) as wrong:
        app.say(f"{wrong}; the last good settings stay", "alarm")
    else:
        app.say("settings read")


def show_help(app: "PmmApp") -> None:
    """Every key of this screen."""
    name = SCREENS[app.view.screen - 1].name
    app.push_screen(Help(f"Keys of the {name} screen", help_rows(app.keys, app.view.screen), app.scene))


_UNNAMED = ("app.palette", "kill.typing")
"""Not among the commands: the palette itself, and the second key of KILL."""


def commands(app: "PmmApp") -> dict[str, tuple[str, Callable[[], None]]]:
    """Every command by its name, with the key that does it."""
    made: dict[str, tuple[str, Callable[[], None]]] = {}
    for key in app.keys:
        if applies(key, app.scene) and key.id not in _UNNAMED and app.check_action("do", (key.id,)):
            group, told = key.id.partition(".")[0], f"{f.fit(key.show, 8)} {key.help}"
            made[key.label if group in key.label else f"{group}: {key.label}"] = (told, partial(app.action_do, key.id))
    for name in THEMES:
        made[f"theme: {name}"] = (key_of("view.theme"), partial(change_theme, app, name))
    for rate in RATES:
        made[f"rate: {rate} Hz"] = (f"{key_of('view.faster')} {key_of('view.slower')}", partial(set_rate, app, rate))
    for levels in DEPTHS:
        made[f"depth: {levels or 'all'}"] = (key_of("book.depth"), partial(depth, app, levels))
    for number, layout in sorted(app.config.layouts.items()):
        made[f"layout: {number} {f.clean(layout.name)}"] = (f"{key_of('layout')} {number}", partial(arrange, app, number))
    return made


def palette(app: "PmmApp") -> None:
    """Find a command by its name."""
    known = commands(app)
    items = [Item(name, ((f.fit(name, 22), "bold"), (show_, "dim")), name) for name, (show_, _) in known.items()]
    app.push_screen(Pick("Command", items, app.scene), lambda name: known[name][1]() if name else None)


def pick_run(app: "PmmApp") -> None:
    """Other runs and profiles."""
    app.start(_pick_run(app))


async def _pick_run(app: "PmmApp") -> None:
    if app.elsewhere is None:
        app.say("this console was not told where other runs are", "warn")
        return
    there = app.elsewhere
    why = "read-only" if app.read_only else "locked" if app.locked else ""
    app.say("looking for runs and profiles …")
    try:
        runs, profiles = await asyncio.gather(asyncio.to_thread(there.runs), asyncio.to_thread(there.profiles))
    except (OSError, ValueError) as wrong:
        app.say(f"cannot list them: {wrong}", "alarm")
        return
    diffs = {} if app.safe_only else {name: text for name, text in [await _diff(app, number) for number in range(len(app.sources))] if name}
    here = {frame.card.run for source in app.sources if (frame := source.latest()) is not None}
    items = [_heading("running")]
    for run in runs:
        where = "you are here" if run.run in here else "attach" if run.answers else "no answer"
        mode = _mode(Scene(run.frame, Link(run.answers, 0.0)))
        row: Row = ((f.said(run.run, 30), "bold" if run.answers else "dim"), mode, (f.said(run.state, 48), ""), (f" {where}", "dim"))
        below = widening.changes(diffs[run.run], f"{key_of('profile.reload')} would change, not applied:") if run.run in diffs else []
        items.append(Item(f"run {run.socket}" if run.answers else "", row, f"{run.run} {mode[0]} {run.state}", tuple(below)))
    if not runs:
        items.append(Item("", (("no desk runs", "dim"),), ""))
    items.append(_heading("profiles"))
    for one in profiles:
        what = ("INVALID", "down") if one.wrong else (one.mode, "live" if one.mode == "LIVE" else "")
        paper = f"not from here: {why}" if why else "start a paper desk"
        tail = one.wrong or (paper if one.mode == "PAPER" else "starts on the command line only")
        can = not one.wrong and one.mode == "PAPER" and not why
        row = ((f.said(one.name, 30), "bold"), (f" {f.fit(what[0], 9)} ", what[1]), (f.said(tail, 56).rstrip(), "dim"))
        items.append(Item(f"start {one.name}" if can else "", row, f"{one.name} {one.mode}"))
    app.say("")
    note = f"enter: attach{'' if why else ' or start'}   esc cancels"
    app.push_screen(Pick("Runs and profiles", items, app.scene, note), partial(_picked, app))


def _heading(text: str) -> Item:
    return Item("", ((f"── {text} ".ljust(12, "─"), "head"), ("─" * LONGEST, "frame")), "")


def _mode(scene: Scene) -> Span:
    """What a run trades, in the dashboard's own word; real money stands out."""
    word = asked.mode(scene) if scene.frame is not None else ""
    return (f" {f.fit(word, 9)} ", "live" if scene.live else "paper" if scene.frame is not None else "dim")


async def _diff(app: "PmmApp", number: int) -> tuple[str, str]:
    """What a reload of one shown desk's profile would change: its run and the diff."""
    source = app.sources[number]
    frame = source.latest()
    if frame is None:
        return "", ""
    ok, text = await source.command("reload", {"apply": False})
    return (frame.card.run, text) if ok and risk_of(text.partition("\n")[0]) else ("", "")


def _picked(app: "PmmApp", answer: str | None) -> None:
    what, _, name = (answer or "").partition(" ")
    if what == "run":
        app.attach(Path(name))
    elif what == "start":
        app.start(_start(app, name))


async def _start(app: "PmmApp", profile: str) -> None:
    if app.elsewhere is None:
        return
    app.say(f"starting {f.clean(profile)} …")
    try:
        socket = await asyncio.to_thread(app.elsewhere.start, profile)
    except (OSError, ValueError) as wrong:
        app.say(f"not started: {f.clean(str(wrong))}", "alarm")
        return
    app.attach(socket, started=True)


LOOKS: dict[str, Callable[["PmmApp"], None]] = {
    **{f"screen.{screen.name}": partial(show, number=number) for number, screen in enumerate(SCREENS, start=1)},
    "screen.runs": pick_run,
    "picker": pick_run,
    "log": partial(show, number=LOG),
    "open": partial(show, number=MARKET),
    "back": back,
    "move.down": partial(move, step=1),
    "move.up": partial(move, step=-1),
    "move.page_down": partial(page, way=1),
    "move.page_up": partial(page, way=-1),
    "move.last": partial(move, step=1_000_000),
    "move.first": partial(move, step=-1_000_000),
    "market.next": partial(next_market, step=1),
    "market.previous": partial(next_market, step=-1),
    "focus.next": partial(turn, step=1),
    "focus.previous": partial(turn, step=-1),
    "zoom": zoom,
    "filter": ask_filter,
    "book.yes": partial(side, other=False),
    "book.no": partial(side, other=True),
    "book.depth": depth,
    "book.centre": centre,
    "book.unit": unit,
    "book.bars": bars,
    "layout": pick_layout,
    "view.freeze": freeze,
    "view.time": change_time,
    "view.theme": change_theme,
    "view.faster": partial(change_rate, step=1),
    "view.slower": partial(change_rate, step=-1),
    "copy": copy,
    "export": save,
    "app.lock": lock,
    "config.reload": reread,
    "app.palette": palette,
    "app.help": show_help,
}
"""What each id of the key table does that changes no desk."""
