"""The desks that run on this machine, and words to one of them from a shell: what a console does, without a console."""

import os
import time
import uuid
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from pmm_tui.api.client import owner, signal_kill
from pmm_tui.api.protocol import Ack, Args, Request, decode_frame
from pmm_tui.core.snapshot import Frame
from pmm_tui.runtime.places import CannotStart, run_of, sockets_here

ANSWER_S = 2.0
"""A desk that does not answer within this is not heard."""
VERIFIED_S = 10.0
"""So long a kill may take until the venue shows no order."""
LOOK_S = 0.1
_UNHEARD = (OSError, httpx.HTTPError, msgspec.MsgspecError)


class Seen(Struct, frozen=True):
    """One desk's socket, and the picture it gave; None, with the reason, where it gave none."""

    run: str
    socket: Path
    frame: Frame | None
    why: str = ""
    gone: bool = False
    """Nobody listens any more: the desk was killed, or crashed, and left its socket behind."""


def look(socket: Path) -> Seen:
    """The desk behind a socket."""
    if not owner(socket):
        return Seen(run_of(socket), socket, None, "its process is gone: killed, or crashed", gone=True)
    try:
        with _http(socket) as http:
            answer = http.get("http://desk/api/state")
        if answer.is_error:
            return Seen(run_of(socket), socket, None, f"it answers with HTTP {answer.status_code}")
        frame = decode_frame(answer.content)
    except _UNHEARD as error:
        return Seen(run_of(socket), socket, None, f"{type(error).__name__}: {error}".rstrip(": "))
    return Seen(frame.card.run, socket, frame)


def forget() -> list[Path]:
    """Remove the sockets that nobody listens on; which they were."""
    gone = [desk.socket for desk in running() if desk.gone]
    for socket in gone:
        socket.unlink(missing_ok=True)
    return gone


def running() -> list[Seen]:
    """Every socket of this user's desks, in the order of their names."""
    return [look(path) for path in sockets_here()]


def profile_of(run: str) -> str:
    """The profile in a run's name, which ends with the day, the time and a mark."""
    return run.rsplit("-", 3)[0]


def find(name: str) -> Seen:
    """The desk of a socket's path, a run's name, a profile, or the beginning of a run's name. CannotStart where that is none or several.

    A beginning is longer than the profile's name: one profile's name may begin as another's does.
    """
    if Path(name).is_socket():
        return look(Path(name))
    desks = [desk for desk in running() if not desk.gone]
    exact = [desk for desk in desks if name in (desk.run, desk.socket.stem)]
    named = [desk for desk in desks if name == (desk.frame.card.profile if desk.frame is not None else profile_of(desk.run))]
    found = exact or named or [desk for desk in desks if desk.run.startswith(name) and len(name) > len(profile_of(desk.run))]
    if len(found) == 1:
        return found[0]
    names = ", ".join(desk.run for desk in found or desks) or "none"
    rests = "" if found else "; what it may have left at the venue: pmm-tui cancel PROFILE"
    raise CannotStart(f"desk: found {name[:80]!r}, which {'is more than one' if found else 'does not run'}; running: {names}{rests}")


def tell(desk: Seen, cmd: str, args: Args) -> tuple[bool, str]:
    """Send one command and wait for its answer: whether it was done, and the desk's words. It needs no face's place at the desk."""
    request = Request(uuid.uuid4().hex, cmd, args, f"shell:{os.getuid()}", sent_ms=time.time_ns() // 1_000_000)
    try:
        with _http(desk.socket) as http:
            answer = http.post("http://desk/api/commands", content=msgspec.json.encode(request))
        ack = msgspec.json.decode(answer.content, type=Ack)
    except httpx.ReadTimeout:
        return False, f"no answer within {ANSWER_S:g} s: look whether it was done"
    except _UNHEARD as error:
        return False, f"not heard: {type(error).__name__}: {error}".rstrip(": ")
    return ack.ok, ack.text


def _http(socket: Path) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=ANSWER_S)


def kill(desk: Seen, reason: str) -> tuple[bool, str]:
    """Trip the kill switch: by the api, and where that does not answer by SIGUSR1. Whether the desk then showed it verified."""
    ok, text = tell(desk, "kill", {"reason": reason})
    if not ok:
        text = f"{text}; {signal_kill(desk.socket)}"
        if not owner(desk.socket):
            return False, text
    until = time.monotonic() + VERIFIED_S
    while time.monotonic() < until:
        now = look(desk.socket)
        if now.frame is not None and now.frame.snapshot.phase == "killed":
            return True, "killed: the venue shows no open order"
        time.sleep(LOOK_S)
    return False, f"{text}; NOT verified within {VERIFIED_S:g} s: where it trades, at once: pmm-tui cancel PROFILE"


def goes_on(socket: Path) -> bool:
    """Whether a desk is there that was not told to end."""
    frame = look(socket).frame
    return frame is not None and frame.snapshot.phase != "ending"
