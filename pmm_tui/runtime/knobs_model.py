"""Every parameter a profile may set, gathered from the structs that declare them, as one flat pydantic-settings model."""

import math
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
import yaml
from msgspec import Meta, Struct, inspect
from pydantic import Field, PlainValidator, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from pmm_tui.core.knobs import Knobs
from pmm_tui.core.selection import TargetingKnobs
from pmm_tui.feeds.discovery import GammaKnobs
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.runtime.live_knobs import LiveSettings
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.paper.fills import PaperKnobs

PREFIX = "PMM_"
_RESTART = {"restart": True}
_HTTP = r"^https?://[^\s@/]+(/[^\s@]*)?$"
_HTTP_TITLE = "an http:// or https:// URL without a user name"
_WS_TITLE = "a ws:// or wss:// URL without a user name"
_WS = r"^wss?://[^\s@/]+(/[^\s@]*)?$"


class RunSettings(Struct, frozen=True):
    """What the runtime itself needs: which venue, which data, where records go."""

    mode: Annotated[Literal["paper", "live"], Meta(description="paper: simulated money; live: real money", extra=_RESTART)] = "paper"
    source: Annotated[Literal["live", "tape"], Meta(description="where facts come from: live data, or a recording", extra=_RESTART)] = (
        "live"
    )
    tape: Annotated[str, Meta(max_length=4096, description="the tape to play: `demo` (shipped) or a file", extra=_RESTART)] = ""
    speed: Annotated[
        Annotated[float, Meta(gt=0, le=100_000)] | Literal["max"],
        Meta(description="how fast a tape plays, times real time, or max", extra=_RESTART),
    ] = 1.0
    markets: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(
            min_length=1,
            max_length=500,
            title="auto, or a list of up to 500 names",
            description="slugs, series like btc-updown-15m-*, condition ids, token ids; auto: the targeting criteria, or all of a tape",
            extra=_RESTART,
        ),
    ] = ("auto",)
    gamma_url: Annotated[str, Meta(pattern=_HTTP, title=_HTTP_TITLE, description="base URL of Gamma", extra=_RESTART)] = (
        "https://gamma-api.polymarket.com"
    )
    clob_url: Annotated[str, Meta(pattern=_HTTP, title=_HTTP_TITLE, description="base URL of the CLOB's REST", extra=_RESTART)] = (
        "https://clob.polymarket.com"
    )
    market_ws_url: Annotated[str, Meta(pattern=_WS, title=_WS_TITLE, description="URL of the market channel", extra=_RESTART)] = (
        "wss://ws-subscriptions-clob.polymarket.com/ws/market"
    )
    rtds_url: Annotated[str, Meta(pattern=_WS, title=_WS_TITLE, description="URL of the reference prices' socket", extra=_RESTART)] = (
        "wss://ws-live-data.polymarket.com"
    )
    logs: Annotated[
        str,
        Meta(
            max_length=4096,
            description="folder of the records; empty: logs/ in a checkout, else the user's state folder",
            extra=_RESTART,
        ),
    ] = ""
    beside: Annotated[
        str, Meta(max_length=200, description="a profile that the console shows beside this one, on an exchange of its own", extra=_RESTART)
    ] = ""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1, description="seed of everything drawn by chance", extra=_RESTART)] = 1
    api_socket: Annotated[
        str, Meta(max_length=100, description="Unix socket that serves the desk; empty: <run>.sock in the runtime folder", extra=_RESTART)
    ] = ""
    api_port: Annotated[
        int, Meta(ge=0, le=65_535, description="TCP port on 127.0.0.1 that serves who has the token; 0: none", extra=_RESTART)
    ] = 0
    api_token_file: Annotated[
        str,
        Meta(
            max_length=4096,
            description="private file with the api's bearer token; empty: api.token in the configuration folder, made when it is missing",
            extra=_RESTART,
        ),
    ] = ""
    on_ui_lost: Annotated[
        Literal["keep", "pause", "cancel_all"],
        Meta(description="when the last console is lost: go on, pull the quotes, or kill", extra=_RESTART),
    ] = "keep"
    operator_deadman_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="a live desk pauses (kills if on_ui_lost does) after so many seconds without a command or `pmm-tui ack`; 0: never",
            extra=_RESTART,
        ),
    ] = 0.0


class Knob(Struct, frozen=True):
    """One parameter: where it is declared, and what it may be."""

    name: str
    group: str
    kind: Any
    """The annotation as declared: the type that msgspec checks a value against."""
    default: Any
    restart: bool
    """It cannot change while the desk runs."""
    about: str

    @property
    def textual(self) -> bool:
        """Its value is text as written: YAML would read a condition id as a number, and `no` as false."""
        info = inspect.type_info(self.kind)
        while isinstance(info, inspect.Metadata):
            info = info.type
        return isinstance(info, inspect.StrType | inspect.VarTupleType)

    @property
    def allowed(self) -> str:
        """What values are allowed, in words."""
        metas = [meta for meta in getattr(self.kind, "__metadata__", ()) if isinstance(meta, Meta)]
        return next((meta.title for meta in metas if meta.title), "") or allowed_text(inspect.type_info(self.kind))


CORE: dict[str, type[Struct]] = {field.name: field.type for field in msgspec.structs.fields(Knobs)}
"""The groups inside the engine: what a reload may change while running."""
GROUPS: dict[str, type[Struct]] = {
    "run": RunSettings,
    **CORE,
    "paper": PaperKnobs,
    "targeting": TargetingKnobs,
    "gamma": GammaKnobs,
    "market_ws": MarketWsKnobs,
    "live": LiveSettings,
    "clob": ClobKnobs,
}


def knobs_of(group: str, struct: type[Struct]) -> list[Knob]:
    """The fields of one group."""
    kinds = get_type_hints(struct, include_extras=True)
    found = []
    for field in msgspec.structs.fields(struct):
        metas = [meta for meta in getattr(kinds[field.name], "__metadata__", ()) if isinstance(meta, Meta)]
        extra: dict[str, Any] = {}
        for meta in metas:
            extra |= meta.extra or {}
        about = next((meta.description for meta in metas if meta.description), "")
        found.append(Knob(field.name, group, kinds[field.name], field.default, bool(extra.get("restart")), about))
    return found


def gather(groups: dict[str, type[Struct]]) -> dict[str, Knob]:
    """All groups flat. A name declared twice would leave open which one a profile means: TypeError."""
    flat: dict[str, Knob] = {}
    for group, struct in groups.items():
        for knob in knobs_of(group, struct):
            if knob.name in flat:
                raise TypeError(f"knob {knob.name} is declared in {flat[knob.name].group} and in {group}")
            flat[knob.name] = knob
    return flat


KNOBS: dict[str, Knob] = gather(GROUPS)


def checked(knob: Knob, value: Any) -> Any:
    """The value as its struct takes it; ValueError where its declared type refuses it, or where it is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not a finite number")
    if knob.name == "markets" and isinstance(value, str):
        value = [value]
    try:
        return msgspec.convert(value, knob.kind)
    except msgspec.ValidationError as wrong:
        raise ValueError(str(wrong)) from None


def _plain(value: float) -> str:
    return f"{value:.15g}" if abs(value) < 1e15 else f"{value:g}"


def _bounds(info: inspect.FloatType | inspect.IntType) -> str:
    low = f"{_plain(info.ge)}" if info.ge is not None else f"above {_plain(info.gt)}" if info.gt is not None else ""
    high = f"{_plain(info.le)}" if info.le is not None else f"below {_plain(info.lt)}" if info.lt is not None else ""
    if info.ge is not None and info.le is not None:
        return f" from {low} to {high}"
    both = [
        text for text in (f"at least {low}" if info.ge is not None else low, f"at most {high}" if info.le is not None else high) if text
    ]
    return (" " + " and ".join(both)) if both else ""


def allowed_text(info: inspect.Type) -> str:
    """A declared type in words: 'a number from 0 to 1', 'true or false', 'coin, queue or bbo'."""
    match info:
        case inspect.Metadata():
            return allowed_text(info.type)
        case inspect.BoolType():
            return "true or false"
        case inspect.FloatType():
            return "a number" + _bounds(info)
        case inspect.IntType():
            return "a whole number" + _bounds(info)
        case inspect.LiteralType():
            names = [str(value) for value in info.values]
            return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        case inspect.UnionType():
            return " or ".join(allowed_text(one) for one in info.types)
        case inspect.NoneType():
            return "nothing"
        case inspect.VarTupleType() | inspect.ListType():
            return "a list of " + allowed_text(info.item_type)
        case inspect.StrType():
            return f"text like {info.pattern}" if info.pattern else "text"
        case _:
            return type(info).__name__.removesuffix("Type").lower()


def scalars(node: yaml.Node | None) -> Any:
    """A YAML node with every scalar as the text that was written; None where there is none."""
    if isinstance(node, yaml.SequenceNode):
        return [scalars(one) for one in node.value]
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return None


class _Environment(EnvSettingsSource):
    """PMM_<NAME>, read as YAML reads a value: PMM_LEVELS=2 and `levels: 2` mean the same."""

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        if value is None:
            return None
        try:
            return scalars(yaml.compose(value, Loader=yaml.SafeLoader)) if KNOBS[field_name].textual else yaml.safe_load(value)
        except yaml.YAMLError:
            return value


class FlatProfile(BaseSettings):
    """The reader: what the environment says goes before what the file says."""

    model_config = SettingsConfigDict(extra="forbid", env_prefix=PREFIX, env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file, and nothing else: no .env file and no secrets folder is read."""
        return _Environment(settings_cls), init_settings


def flat_model(knobs: dict[str, Knob]) -> type[FlatProfile]:
    """A pydantic-settings model, one field a knob, each checked by the type that its struct declares: bounds are written once."""
    fields: dict[str, Any] = {}
    for knob in knobs.values():
        check = PlainValidator(lambda value, knob=knob: checked(knob, value))
        fields[knob.name] = (Annotated[Any, check], Field(default=knob.default, description=knob.about))
    return create_model("Profile", __base__=FlatProfile, **fields)


MODEL: type[FlatProfile] = flat_model(KNOBS)


def environment_values() -> dict[str, Any]:
    """What the environment says, by flat name, not checked yet."""
    return _Environment(MODEL)()
