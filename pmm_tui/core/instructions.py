"""Facts from the operator: they enter by the same door as every other event."""

from pmm_tui.core.events import Event


class Instruction(Event, frozen=True, tag=True):
    """What an operator asked for. `actor` says who, for the journal (console:tty, cli, signal, api)."""

    actor: str


class Paused(Instruction, frozen=True, tag=True):
    """Pull the quotes of one market, or of all where `market` is empty. `why`: where nobody asked for it."""

    market: str = ""
    why: str = ""


class Resumed(Instruction, frozen=True, tag=True):
    """Quote again, one market or all. Resumes nothing that the kill switch stopped."""

    market: str = ""


class Flattened(Instruction, frozen=True, tag=True):
    """Cancel, then close the net position of one market (or all); stays paused. By crossing, at worst `slippage_ticks` beyond the touch,
    or `passive`ly, resting at the touch for as long as it takes."""

    market: str = ""
    slippage_ticks: int = 2
    passive: bool = False


class Killed(Instruction, frozen=True, tag=True):
    """Stop quoting, cancel all, verify, latch."""

    reason: str = "operator"


class Ended(Instruction, frozen=True, tag=True):
    """The run ends: admission closes for good, everything is cancelled, and the account is read until it holds no open order."""


class KillReset(Instruction, frozen=True, tag=True):
    """Reopen after a kill: only explicit and confirmed, with the reason why it is safe."""

    reason: str


class Retuned(Instruction, frozen=True, tag=True):
    """New knobs from a reloaded profile: the flat names that changed, with their new values as JSON."""

    changes: dict[str, float | int | bool | str]
