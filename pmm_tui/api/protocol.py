"""The words between a desk and its faces: frames out, requests in, one answer a request; JSON, null for an unknown number."""

import re
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from pmm_tui.core.snapshot import DeskCard, FillRow, Frame, MarketRow, Money, ReferenceRow, RiskRow
from pmm_tui.core.units import Nanos

Cmd = Literal["pause", "resume", "flatten", "kill", "kill_reset", "reload", "speed", "stop", "play", "step", "seek", "ack"]
COMMANDS: tuple[str, ...] = get_args(Cmd)
Args = dict[str, str | int | float | bool]

TTL_MS = 2_000
"""A key pressed during a stalled connection must not fire half a minute later."""
CLOSE_ENDED = 1012
"""The WebSocket close code of a desk that stops in order (uvicorn's, at shutdown); a crash sends none."""
MESSAGE_BYTES_MAX = 65_536
"""No request is longer than this."""
FRAME_BYTES_MAX = 4 * 1024 * 1024

_MILLI = 1_000_000


class Request(Struct, frozen=True):
    """One command from a face. `sent_ms` is the sender's wall clock (same machine), `id` unique for ever."""

    id: str
    cmd: str
    args: Args = {}
    actor: str = ""
    ttl_ms: int = TTL_MS
    sent_ms: int = 0
    run: str = ""
    """The run that it is meant for: a desk of another refuses it. Empty: whoever is there."""


def mode_word(card: DeskCard) -> str:
    """PAPER, LIVE, or REHEARSAL: the production desk on an exchange of this machine, which has no money."""
    return "REHEARSAL" if card.mode == "LIVE" and card.source == "loopback" else card.mode


class Ack(Struct, frozen=True):
    """The answer to one request: `text` says in words what was done or why not."""

    ack: str
    ok: bool
    text: str


class Link(Struct, frozen=True):
    """How a face stands towards its desk."""

    connected: bool
    age_s: float
    """Since the last frame arrived; infinite before the first."""
    why: str = ""
    """Why it is not connected."""
    attempts: int = 0
    """Failed attempts since the connection was lost."""
    ended: bool = False
    """The desk said that it ends before it closed the connection."""


class Push(Struct):
    """A frame as the message that faces get."""

    frame: Frame


class _In(Struct):
    """What a client sees first of a message: which of the two it is, with the frame left undecoded."""

    frame: msgspec.Raw = msgspec.Raw()
    ack: str | None = None
    ok: bool = False
    text: str = ""


_WITH_FLOATS: tuple[type[Struct], ...] = (MarketRow, ReferenceRow, RiskRow, FillRow, Money, DeskCard)
_FLOATS = {field.name for kind in _WITH_FLOATS for field in msgspec.structs.fields(kind) if field.type is float}
_UNKNOWN = re.compile(f'("(?:{"|".join(sorted(_FLOATS))})":)null'.encode())
"""A number that is null. Within a string its quotes would be escaped."""

_FRAMES = msgspec.json.Decoder(Frame)
_WITH_NAN = msgspec.json.Decoder(Frame, strict=False)
"""Which takes "nan" for a number."""


def encode_frame(frame: Frame) -> bytes:
    """A frame as JSON: NaN and infinity become null."""
    return msgspec.json.encode(frame)


def encode_push(frame: Frame) -> bytes:
    """A frame as the message that clients get."""
    return msgspec.json.encode(Push(frame))


def decode_frame(raw: bytes | str) -> Frame:
    """The frame that `encode_frame` wrote; null numbers are NaN again. msgspec.MsgspecError where it is not one."""
    try:
        return _FRAMES.decode(raw)  # in most frames every number is known
    except msgspec.ValidationError:
        raw = raw.encode() if isinstance(raw, str) else raw
        return _WITH_NAN.decode(_UNKNOWN.sub(rb'\1"nan"', raw))


def read_message(raw: bytes | str) -> bytes | Ack:
    """A server's message: an Ack, or the undecoded bytes of a frame. msgspec.MsgspecError for anything else."""
    message = msgspec.json.decode(raw, type=_In)
    frame = bytes(message.frame)
    if frame:
        return frame
    if message.ack is None:
        raise msgspec.ValidationError("neither a frame nor an ack")
    return Ack(message.ack, message.ok, message.text)


def refusal(request: Request, now: Nanos) -> str:
    """Why a request is refused on sight (unknown, too old, from the future); empty where it is not."""
    if request.cmd not in COMMANDS:
        return f"unknown command {request.cmd[:40]!r}: one of {', '.join(COMMANDS)}"
    if not request.id or len(request.id) > 64:
        return "a request needs an id of 1 to 64 characters"
    age_ms = now // _MILLI - request.sent_ms
    ttl_ms = min(request.ttl_ms, TTL_MS)
    if age_ms > ttl_ms:
        return f"stale: sent {age_ms} ms ago, at most {ttl_ms} ms allowed"
    if age_ms < -TTL_MS:
        return f"sent {-age_ms} ms in the future: the clocks differ"
    return ""
