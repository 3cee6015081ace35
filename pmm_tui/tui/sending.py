"""How a key's word reaches a desk: the one that it was pressed for, at once or behind a question; its answer stands in the footer."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from pmm_tui.api.protocol import Args
from pmm_tui.tui import format as f
from pmm_tui.tui.dialogs import asked
from pmm_tui.tui.dialogs.question import Confirm, TypePhrase
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


def send(app: "PmmApp", cmd: str, args: Args, to: Target | None = None, more: str = "") -> None:
    """Send a command to one desk (now's, where none is given); its answer stands in the footer, with that desk's mode, and `more`."""
    target = to or aimed(app)

    async def ask() -> None:
        ok, text = await target.source.command(cmd, args)
        if cmd == "kill":
            app.unanswered.take(target.source, text)
        app.say(f"{f.clock(app.scene.wall)} {asked.mode(target.scene)} {cmd}: {text}{more}", "alarm" if cmd == "kill" or not ok else "up")

    app.start(ask())


def confirm(app: "PmmApp", what: str, rows: list[Row], choices: dict[str, str], go: Go, scene: Scene | None = None) -> None:
    """Go with the key that was pressed, if it is one of the choices."""
    at = scene or app.scene
    dialog = Confirm(asked.title(at, what), rows, at, app.clock, choices, app.config.arm_s)
    app.push_screen(dialog, lambda answer: go(answer) if answer else None)


def typed(
    app: "PmmApp", what: str, rows: list[Row], phrase: str, go: Go, *, wants_reason: bool = False, scene: Scene | None = None
) -> None:
    """Go if the phrase is typed; with the reason, where one is wanted."""
    at = scene or app.scene
    dialog = TypePhrase(asked.title(at, what), rows, at, app.clock, phrase, wants_reason, app.config.arm_s)
    app.push_screen(dialog, lambda answer: go(answer) if answer else None)


def in_replay(app: "PmmApp") -> bool:
    """Whether nothing can be done as what is shown is long over, which is said."""
    if app.scene.replayed:
        app.say(REPLAYED, "warn")
    return app.scene.replayed
