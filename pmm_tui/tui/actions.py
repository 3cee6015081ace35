"""What the keys do to a desk: lower risk at once, show what it costs first, or ask before they add risk."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pmm_tui.api.protocol import Args
from pmm_tui.api.widening import APPLY, adds_risk
from pmm_tui.core.snapshot import MarketRow
from pmm_tui.tui import format as f
from pmm_tui.tui.dialogs import asked, widening
from pmm_tui.tui.dialogs.arming import HELD_S
from pmm_tui.tui.dialogs.question import Dialog, Notice
from pmm_tui.tui.elsewhere import PreflightLine
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.rows.lines import Row, wrap
from pmm_tui.tui.sending import REPLAYED, Target, aimed, ask, confirm, in_replay, seen, send, typed
from pmm_tui.tui.state import Scene, cools_down, is_real

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp
    from pmm_tui.tui.elsewhere import Source

SPEEDS = ("1", "10", "max")
ENDING_S = 20.0
"""How long a desk that was asked to stop may take until somebody is told that it did not."""
LOOK_S = 0.1
SEEK_S = 30.0


def kill(app: "PmmApp") -> None:
    """Stop everything, now: on the desks that an open question names, else on the one that the keys go to."""
    named = app.screen.about if isinstance(app.screen, Dialog) else ()
    for target in [seen(source) for source in named] or [aimed(app)]:
        if target.scene.replayed:
            app.say(REPLAYED, "warn")
        else:
            send(app, "kill", {"reason": "operator"}, target)


def toggle(app: "PmmApp") -> None:
    """Pause at once; resume, typed on LIVE. A replay is held, or goes on."""
    frame = app.scene.frame
    if app.scene.replayed:
        send(app, "play", {})
    else:
        _toggle(app, "", frame is not None and frame.snapshot.phase == "paused")


def toggle_market(app: "PmmApp") -> None:
    """The same for the selected market."""
    row = app.scene.market
    if in_replay(app):
        return
    if row is None:
        app.say("no market is selected", "warn")
    else:
        _toggle(app, row.id, row.state == "paused")


def _toggle(app: "PmmApp", market: str, paused: bool) -> None:
    to, now = aimed(app), app.ears.pressed_at
    hurried, app.pressed.toggled_at = now - app.pressed.toggled_at < HELD_S, now  # a held space bar pauses; it does not resume
    args: Args = {"market": market}
    if not paused:
        send(app, "pause", args)
    elif hurried:
        app.say("paused; let go, then press again to resume", "warn")
    elif app.scene.live:
        app.start(_ask_to_resume(app, to, args))
    else:
        send(app, "resume", args, to)


async def _ask_to_resume(app: "PmmApp", to: Target, args: Args) -> None:
    """Typed, behind what is at stake and the last preflight."""
    rows = asked.resume(to.scene, await _last_preflight(app, to.scene), str(args["market"]))
    typed(app, "resume", rows, "RESUME LIVE", lambda _: send(app, "resume", args, to), desks=(to,))


async def _last_preflight(app: "PmmApp", scene: Scene) -> PreflightLine | None:
    """That of a desk's profile and wallet; None where there is none, or nobody who knows."""
    elsewhere, card = app.elsewhere, scene.frame.card if scene.frame is not None else None
    if elsewhere is None or card is None:
        return None
    return await asyncio.to_thread(elsewhere.preflight, card.profile, card.account)


def cancel(app: "PmmApp", everywhere: bool = False) -> None:
    """Cancel the orders of the selected market, or all. They stay away: a desk that quotes would place them again at once."""
    row = app.scene.market
    if in_replay(app):
        return
    if everywhere or row is not None:
        send(app, "pause", {"market": "" if everywhere or row is None else row.id})
    else:
        app.say(f"no market is selected; {key_of('cancel.all')} cancels all", "warn")


def flatten(app: "PmmApp") -> None:
    """Show the order that closes the selected market, then send it."""
    row = app.scene.market
    if in_replay(app):
        return
    if row is None:
        app.say("no market is selected", "warn")
    else:
        _flatten(app, "flatten", (row,), row.id)


def flatten_all(app: "PmmApp") -> None:
    """The same for all markets."""
    if in_replay(app):
        return
    if app.scene.frame is None:
        app.say("no picture from the desk yet", "warn")
    else:
        _flatten(app, "flatten ALL markets", app.scene.frame.snapshot.markets, "")


def _flatten(app: "PmmApp", what: str, rows: tuple[MarketRow, ...], market: str) -> None:
    """Cross now, or rest at the touch: resting costs nothing now, so that it needs no more than its key."""
    to = aimed(app)
    text, proceeds = asked.flatten(app.scene, rows)
    much = app.scene.live and proceeds > round(app.config.typed_above * 1_000_000)

    def go(answer: str) -> None:
        if answer == "p":
            send(app, "flatten", {"market": market, "passive": True}, to)
        elif much:
            typed(app, what, text, f"FLATTEN {proceeds // 1_000_000}", cross, desks=(to,))
        else:
            cross("")

    def cross(_: str) -> None:
        send(app, "flatten", {"market": market}, to)

    now = "cross the spread now, at that cost" + (": asks for the amount" if much else "")
    ways = {"y": now, "p": "rest at the touch: costs nothing now, sold only as others come"}
    if to.scene.frame is not None and to.scene.frame.snapshot.venue.mode == "post_only":
        del ways["y"]  # the venue would refuse every one of them
        text = [*text, ((" the venue takes post-only orders only: nothing can be sold at once", "warn"),)]
    confirm(app, what, text, ways, go)


def reset(app: "PmmApp") -> None:
    """Reopen after a kill, with the reason why."""
    if in_replay(app):
        return
    if not app.scene.stopped:
        app.say("the kill switch has not tripped: there is nothing to reset", "warn")
        return
    if (left := cools_down(app.scene)) > 0:
        app.say(f"the kill switch cools down: it can be reset in {f.age(left)}", "warn")
        return

    to = aimed(app)

    def go(why: str) -> None:
        send(app, "kill_reset", {"reason": why}, to)

    typed(app, "reset the kill switch", asked.reset(app.scene), f"RESET {asked.mode(app.scene)}", go, wants_reason=True)


def reload(app: "PmmApp") -> None:
    """Ask the desk what has changed in its profile, show it, then apply it."""
    if in_replay(app):
        return
    to = aimed(app)

    def go(_: str) -> None:
        app.start(_apply(app, to, {"apply": True}))

    def go_on_live(_: str) -> None:
        app.start(_apply(app, to, {"apply": True, "typed": APPLY}))

    async def look() -> None:
        ok, text = await to.source.command("reload", {"apply": False})
        if not ok or text == "the profile has not changed":
            app.say(f"{asked.mode(to.scene)} reload: {text}", "" if ok else "alarm")
        elif app.source is not to.source:
            app.say(f"{asked.mode(to.scene)} reload: the keys go to another desk by now, nothing was applied", "warn")
        elif (to.scene.live or to.scene.rehearsing) and adds_risk(text):
            typed(app, "apply the profile", widening.changes(text), APPLY, go_on_live)
        else:
            confirm(app, "apply the profile", widening.changes(text), {"y": "apply these changes"}, go)

    app.start(look())


async def _apply(app: "PmmApp", to: Target, args: Args) -> None:
    """Apply a profile; a refusal says what to do, which the footer has no room for."""
    ok, text = await to.source.command("reload", args)
    app.say(f"{f.clock(app.scene.wall)} {asked.mode(to.scene)} reload: {text}", "up" if ok else "alarm")
    if not ok:
        why, _, changes = text.partition("\n")
        rows: list[Row] = [((f" {line}", "warn"),) for line in wrap(f.clean(why), 74, 8)]
        ask(app, Notice("the profile is as it was", [*rows, (), *widening.changes(changes)] if changes else rows, to.scene), (to,))


def stop(app: "PmmApp") -> None:
    """End the desk."""

    to = aimed(app)

    def go(_: str) -> None:
        send(app, "stop", {}, to)

    if app.scene.live:
        typed(app, "stop the desk", asked.stop(app.scene), "STOP LIVE", go)
    else:
        confirm(app, "stop the desk", asked.stop(app.scene), {"y": "stop the desk"}, go)


def speed(app: "PmmApp", step: int, around: bool = False) -> None:
    """Another speed of a tape."""
    card = app.scene.frame.card if app.scene.frame is not None else None
    if card is None or not (card.source == "tape" or app.scene.replayed):
        app.say("only a tape or a replay has a speed", "warn")
        return
    known = app.pressed.speed if card.speed == "held" else card.speed
    at = SPEEDS.index(known) if known in SPEEDS else 0
    to = (at + step) % len(SPEEDS) if around else max(0, min(len(SPEEDS) - 1, at + step))
    app.pressed.speed = SPEEDS[to]
    send(app, "speed", {"speed": SPEEDS[to]})


def wind(app: "PmmApp", cmd: str, args: Args) -> None:
    """Step or seek in a replay."""
    if app.scene.replayed:
        send(app, cmd, args)
    else:
        app.say("only a replay can be stepped through: pmm-tui replay RUN --ui", "warn")


def flip(app: "PmmApp") -> None:
    """The other desk becomes the one that keys go to."""
    if app.scene.beside is None:
        app.say("there is one desk only; give --profile twice for two", "warn")
    else:
        app.flip()


def mode(app: "PmmApp") -> None:
    """From paper to the production desk: typed, behind what that desk knows. Back: its quotes are pulled at once."""
    if app.scene.live or app.scene.rehearsing:
        beside = app.scene.beside
        then = f"; the keys go to {asked.mode(beside)} now" if beside is not None else ""
        resumes = "its resume is typed" if app.scene.live else "its resume asks nothing, as no money is at stake"
        send(app, "pause", {"market": ""}, more=f"; {resumes}{then}")
        if beside is not None:
            app.flip()
        return
    beside = app.scene.beside
    if beside is None or not (beside.live or beside.rehearsing):
        app.start(_how_to_start(app))
        return
    to = Target(app.sources[app.other], beside)

    app.start(_to_real_money(app, to))


async def _to_real_money(app: "PmmApp", to: Target) -> None:
    """Typed, behind the last preflight of that desk's profile and wallet; refused where that does not count, or the desk cannot quote."""
    line = await _last_preflight(app, to.scene)
    rows = asked.go_live(to.scene, line)
    fault = to.scene.frame.card.busy if to.scene.frame is not None else ""
    rows += [((f" DESK FAULT: {f.clean(fault)}", "alarm"),)] if fault else []
    if to.scene.stopped or to.scene.lost or fault or not asked.proven(to.scene, line):
        ask(app, Notice("cannot go there now", rows, to.scene), (to,))
        return

    def go(_: str) -> None:
        if app.source is not to.source:
            app.flip()
        if to.scene.frame is not None and to.scene.frame.snapshot.phase == "paused":
            send(app, "resume", {"market": "", "from_paper": True}, to)

    name = f.said(to.scene.frame.card.profile, 30).strip() if to.scene.frame is not None else ""
    typed(app, "the keys go there, and it quotes", rows, f"{asked.mode(to.scene)} {name}", go, desks=(to,))


async def _how_to_start(app: "PmmApp") -> None:
    """Told, not done: a key is proven where it is typed, and never on this screen."""
    listed = await asyncio.to_thread(app.elsewhere.profiles) if app.elsewhere is not None else []
    rows = asked.how_to_start([(one.name, one.wrong) for one in listed if one.mode == "LIVE"])
    app.push_screen(Notice("To real money", rows, app.scene))


def ack(app: "PmmApp") -> None:
    """An alarm was seen: whoever sees this screen is there for every desk on it, whichever the keys go to."""
    app.herald.alarmed = False
    if app.read_only:
        app.say("seen, here; a read-only console tells the desk nothing")
    elif not in_replay(app):
        app.start(_ack(app))


async def _ack(app: "PmmApp") -> None:
    """Each desk's answer in one line, production's first: its operator's dead-man is what runs out."""
    desks = [target for target in map(seen, app.sources) if not target.scene.replayed]
    desks.sort(key=lambda target: not is_real(target.scene.frame))
    answers = await asyncio.gather(*(target.source.command("ack", {}) for target in desks))
    told = "; ".join(f"{asked.mode(target.scene)} {text}" for target, (_, text) in zip(desks, answers, strict=True))
    app.say(f"{f.clock(app.scene.wall)} ack: {told}", "up" if all(ok for ok, _ in answers) else "alarm")


def leave(app: "PmmApp") -> None:
    """Quit the console; a desk without real money that it started ends with it, one with real money is asked about."""
    asking = [target for target in map(seen, app.sources) if _is_asked_about(app, target.scene)]
    if not asking or app.read_only:
        app.start(_leave(app, [], ""))
        return
    names = ", ".join(asked.mode(target.scene) for target in asking)
    choices = {
        "y": "leave, and keep it running",
        "p": "pause it: pull its quotes, and leave",
        "c": "cancel all and stop it; leaves when it has ended",
    }
    rows = [row for target in asking for row in asked.leaving(target.scene)]
    confirm(app, f"what shall {names} do?", rows, choices, lambda how: app.start(_leave(app, asking, how)), tuple(asking))


def _is_asked_about(app: "PmmApp", scene: Scene) -> bool:
    """Real money that runs; and its rehearsal, unless it ends with this console anyway."""
    if scene.frame is None or not scene.link.connected or scene.frame.snapshot.phase == "ending":
        return False
    return scene.live or (scene.rehearsing and not app.stops_paper)


async def _leave(app: "PmmApp", asking: list[Target], how: str) -> None:
    """Do what was chosen for what was asked about, end what ends with this console, and go. A desk that does not end keeps us here."""
    if how in ("p", "c"):
        for target in asking:
            ok, text = await target.source.command("pause" if how == "p" else "stop", {"market": ""} if how == "p" else {})
            if not ok:
                app.say(f"{asked.mode(target.scene)}: {text}; not left", "alarm")
                return
    if how == "c" and not await _ended(app, asking):
        app.say(f"it has not ended: orders may be open; {key_of('kill')} kills, {key_of('app.detach')} asks again", "alarm")
        return
    stopped = [target.source for target in asking] if how == "c" else []
    if not app.read_only:
        ending = [source for source in _started(app) if source not in stopped]
        going_on = [source for source in app.sources if source not in (*stopped, *ending) and source.link().connected]
        words = [source.command("stop", {}) for source in ending] + [source.command("ack", {"leaving": True}) for source in going_on]
        await asyncio.gather(*words)
    app.exit()


def _started(app: "PmmApp") -> list["Source"]:
    """The desks that end with this console: those that it started, but never real money."""
    mine = [*app.started, *(source for source in app.sources if app.stops_paper and source not in app.started)]
    return [source for source in mine if (scene := Scene(source.latest(), source.link())).frame is not None and not scene.live]


async def _ended(app: "PmmApp", asking: list[Target]) -> bool:
    for _ in range(round(ENDING_S / LOOK_S)):
        if all(target.source.link().ended for target in asking):
            return True
        app.say("stopping: cancelling, then waiting until the venue shows no order", "warn")
        await asyncio.sleep(LOOK_S)
    return False


ACTIONS: dict[str, Callable[["PmmApp"], None]] = {
    "kill": kill,
    "kill.typing": kill,
    "quote.toggle": toggle,
    "quote.market": toggle_market,
    "cancel": cancel,
    "cancel.all": partial(cancel, everywhere=True),
    "flatten": flatten,
    "flatten.all": flatten_all,
    "kill.reset": reset,
    "mode": mode,
    "profile.reload": reload,
    "ack": ack,
    "app.stop": stop,
    "tape.faster": partial(speed, step=1),
    "tape.slower": partial(speed, step=-1),
    "tape.speed": partial(speed, step=1, around=True),
    "replay.step": partial(wind, cmd="step", args={"events": 1}),
    "replay.back": partial(wind, cmd="seek", args={"by_s": -SEEK_S}),
    "replay.on": partial(wind, cmd="seek", args={"by_s": SEEK_S}),
    "target": flip,
    "app.detach": leave,
}
"""What each id of the key table does to a desk; the rest is in `looks`."""
