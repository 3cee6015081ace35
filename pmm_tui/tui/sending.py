"""How a key's word reaches a desk: the one that it was pressed for, at once or behind a question; its answer stands in the footer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from pmm_tui.api.protocol import Args
from pmm_tui.tui import format as f
from pmm_tui.tui.dialogs import asked
from pmm_tui.tui.dialogs.question import Confirm, Dialog, TypePhrase
from pmm_tui.tui.rows.lines import Row
from pmm_tui.tui.state import Scene

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp
    from pmm_tui.tui.elsewhere import Source

REPLAYED = "this is a replay: nothing trades here"
Go = Callable[[str], None]


class Pressed(Struct):
    """What the keys of one console did last, where that says what they do next."""

    toggled_at: float = float("-inf")
    """When the quotes were last pulled or put back."""
    speed: str = ""
    """Which speed was last asked for: a tape that is held does not tell its own."""


class Target(NamedTuple):
    """The desk that a key was pressed for: it stays that desk, whatever is pressed before the answer comes."""

    source: "Source"
    scene: Scene


def aimed(app: "PmmApp") -> Target:
    """The desk that the keys go to now."""
    return Target(app.source, app.scene)


def seen(source: "Source") -> Target:
    """A desk of this console, as it is now."""
    return Target(source, Scene(source.latest(), source.link()))


def send(app: "PmmApp", cmd: str, args: Args, to: Target | None = None, more: str = "") -> None:
    """Send a command to one desk (now's, where none is given); its answer stands in the footer, with that desk's mode, and `more`."""
    target = to or aimed(app)

    async def hear() -> None:
        ok, text = await target.source.command(cmd, args)
        if cmd == "kill":
            app.unanswered.take(target.source, text)
        app.say(f"{f.clock(app.scene.wall)} {asked.mode(target.scene)} {cmd}: {text}{more}", "alarm" if cmd == "kill" or not ok else "up")

    app.start(hear())


def confirm(app: "PmmApp", what: str, rows: list[Row], choices: dict[str, str], go: Go, desks: tuple[Target, ...] = ()) -> None:
    """Go with the key that was pressed, if it is one of the choices."""
    desks = desks or (aimed(app),)
    ask(app, Confirm(what, rows, desks[0].scene, app.clock, choices, app.config.arm_s), desks, go)


def typed(
    app: "PmmApp", what: str, rows: list[Row], phrase: str, go: Go, *, wants_reason: bool = False, desks: tuple[Target, ...] = ()
) -> None:
    """Go if the phrase is typed; with the reason, where one is wanted."""
    desks = desks or (aimed(app),)
    ask(app, TypePhrase(what, rows, desks[0].scene, app.clock, phrase, wants_reason, app.config.arm_s), desks, go)


def ask(app: "PmmApp", dialog: Dialog, desks: tuple[Target, ...], go: Go = lambda _: None) -> None:
    """Open a dialog about these desks: its kill keys go to them, wherever the others go."""
    dialog.about = tuple(target.source for target in desks)
    app.push_screen(dialog, lambda answer: go(answer) if answer else None)


def in_replay(app: "PmmApp") -> bool:
    """Whether nothing can be done as what is shown is long over, which is said."""
    if app.scene.replayed:
        app.say(REPLAYED, "warn")
    return app.scene.replayed
