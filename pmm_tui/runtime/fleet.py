"""The desks that run on this machine, and words to one of them from a shell: what a console does, without a console."""

import os
import time
import uuid
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import unix_connect

from pmm_tui.api.client import owner, signal_kill
from pmm_tui.api.protocol import FRAME_BYTES_MAX, Ack, Args, Request, decode_frame, read_message
from pmm_tui.core.snapshot import Frame
from pmm_tui.runtime.places import CannotStart, run_of, sockets_here

ANSWER_S = 2.0
"""A desk that does not answer within this is not heard."""
VERIFIED_S = 10.0
"""So long a kill may take until the venue shows no order."""
LOOK_S = 0.1
_UNHEARD = (OSError, TimeoutError, httpx.HTTPError, msgspec.MsgspecError, ConnectionClosed, InvalidHandshake, InvalidMessage)


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
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=ANSWER_S) as http:
            frame = decode_frame(http.get("http://desk/api/state").raise_for_status().content)
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


def find(name: str) -> Seen:
    """The desk of a socket's path, a run's name, the beginning of one, or a profile. CannotStart where that is none, or more than one."""
    if Path(name).is_socket():
        return look(Path(name))
    desks = [desk for desk in running() if not desk.gone]
    exact = [desk for desk in desks if name in (desk.run, desk.socket.stem)]
    found = exact or [desk for desk in desks if desk.run.startswith(name) or (desk.frame is not None and desk.frame.card.profile == name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(desk.run for desk in found or desks) or "none"
    rests = "" if found else "; what it may have left at the venue: pmm-tui cancel PROFILE"
    raise CannotStart(f"desk: found {name[:80]!r}, which {'is more than one' if found else 'does not run'}; running: {names}{rests}")


def tell(desk: Seen, cmd: str, args: Args) -> tuple[bool, str]:
    """Send one command and wait for its answer: whether it was done, and the desk's words."""
    request = Request(uuid.uuid4().hex, cmd, args, f"shell:{os.getuid()}", sent_ms=time.time_ns() // 1_000_000)
    until = time.monotonic() + ANSWER_S
    try:
        with unix_connect(str(desk.socket), "ws://desk/ws", compression=None, max_size=FRAME_BYTES_MAX, open_timeout=ANSWER_S) as ws:
            ws.send(msgspec.json.encode(request).decode())
            while (left_s := until - time.monotonic()) > 0:
                said = read_message(ws.recv(timeout=left_s))
                if isinstance(said, Ack) and said.ack == request.id:
                    return said.ok, said.text
    except _UNHEARD as error:
        return False, f"not heard: {type(error).__name__}: {error}".rstrip(": ")
    return False, f"no answer within {ANSWER_S:g} s: look whether it was done"


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
