"""Every setting, once: name, type, range, default and help; flags and environment names follow from it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Literal, get_origin

import msgspec
import msgspec.inspect
from msgspec import Struct

from accel.text import AnyText, Text, joined, text
from bridge.core.errors import UserError
from bridge.core.messages import MAX_INLINE

PREFIX = "POPBRIDGE_"
"""How the environment names of settings begin."""

OTHERS = tuple(PREFIX + name for name in ("HOME", "TEST_", "REQUIRE_"))
"""How the variables begin that are no settings."""


class Setting(Struct, frozen=True, kw_only=True):
    """One declared setting. `type` may carry a msgspec range, as in `Annotated[int, Meta(ge=0)]`."""

    name: str
    """Dotted; a plugin's begins with the plugin's own name."""
    type: Any
    """What values are: `bool`, `int`, `list[str]`, ..."""
    default: Any
    """What holds where nobody sets it."""
    help: str
    """One sentence for `popbridge config` and for errors: what it does, in which unit."""
    unit: Literal["", "bytes"] = ""
    """`bytes` has `popbridge config` say beside their number how many MiB or GiB that is."""

    @property
    def environment(self) -> str:
        """`blobs.max_size` is `POPBRIDGE_BLOBS_MAX_SIZE`."""
        return PREFIX + self.name.upper().replace(".", "_").replace("-", "_")

    def parse(self, value: object, source: str) -> Any:
        """`value` as this setting's type. Raises UserError that names the setting and its source."""
        try:
            if isinstance(value, str) and get_origin(self.type) is list:
                value = [part.strip() for part in value.split(",") if part.strip()]
            return msgspec.convert(value, self.type, strict=False)
        except msgspec.ValidationError as error:
            words = _words(self.type)
            must = text("it must be {words}", words=words) if words else str(error)
            raise UserError(
                text(
                    "Setting {name} from {source} is {value}; {must}. ({help})",
                    name=self.name,
                    source=_source(source),
                    value=repr(value),
                    must=must,
                    help=self.help,
                )
            ) from None


def _source(name: str) -> Text:
    """Where a value comes from, within a sentence."""
    if name.startswith(PREFIX):
        return text("{variable}", variable=name)
    known = SOURCES.get(name)
    return text("{file}", file=name) if known is None else known


def _ranged(kind: type, low: float, high: float) -> Any:
    return Annotated[kind, msgspec.Meta(ge=low, le=high)]


SOURCES = {
    "a flag": text("a flag"),
    "the settings file": text("the settings file"),
    "the default": text("the default"),
}
"""Where values come from, but for variables, which have names of their own."""

KINDS: Mapping[type[msgspec.inspect.Type], Text] = {
    msgspec.inspect.BoolType: text("true or false"),
    msgspec.inspect.IntType: text("a whole number"),
    msgspec.inspect.FloatType: text("a number"),
    msgspec.inspect.StrType: text("text"),
    msgspec.inspect.ListType: text("a list, by comma"),
}


def _words(kind: Any) -> AnyText:
    """What values of a type are, such as `a whole number from 0 to 256`; empty where no words are known."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.LiteralType):
        return text("one of {values}", values=[*map(str, info.values)])
    known = KINDS.get(type(info))
    if known is None:
        return ""
    low, high = getattr(info, "ge", None), getattr(info, "le", None)
    if low is None:
        return known if high is None else text("{kind} up to {le}", kind=known, le=high)
    if high is None:
        return text("{kind} from {ge}", kind=known, ge=low)
    return text("{kind} from {ge} to {le}", kind=known, ge=low, le=high)


LEAST_BLOB_KEEP_S = 300.0
"""Seconds; what was used within this time stays, whatever the need: a request for it may be on its way."""

SETTINGS = (
    Setting(name="host", type=str, default="127.0.0.1", help="Address to listen on; loopback."),
    Setting(name="port", type=_ranged(int, 0, 65535), default=7757,
            help="Port to listen on; 0, or a port that is taken, lets the system choose."),
    Setting(name="hosts", type=list[str], default=[], help="More names allowed in Host headers, by comma."),
    Setting(name="log_level", type=str, default="warning", help="debug, info, warning or error."),
    Setting(name="log_format", type=Literal["text", "json"], default="text",
            help="How a line of the log looks: text for people, json for programs."),
    Setting(name="log_file", type=str, default="",
            help="File to log to, for a daemon that no console shows; empty logs to the console (stderr)."),
    Setting(name="log_file_mib", type=_ranged(int, 0, 1 << 20), default=10,
            help="At this size, MiB, the log file is put aside and a new one begun; 0 lets it grow."),
    Setting(name="log_file_count", type=_ranged(int, 1, 1000), default=5,
            help="How many log files that were put aside are kept."),
    Setting(name="connections", type=_ranged(int, 1, 1 << 20), default=8192,
            help="Most WebSocket connections at once; further ones are refused with HTTP 503."),
    Setting(name="connections_unidentified", type=_ranged(int, 1, 1 << 20), default=1024,
            help="Most of them that haven't identified yet."),
    Setting(name="heartbeat_s", type=_ranged(float, 0.1, 600), default=20.0, help="Seconds between pings."),
    Setting(name="session.keep_s", type=_ranged(float, 0, 86_400), default=600.0,
            help="Seconds that a session waits for its editor to come back."),
    Setting(name="session.inflight", type=_ranged(int, 1, 65_536), default=64,
            help="Most open requests of one session; the last quarter isn't for bulk."),
    Setting(name="session.unacked_mib", type=_ranged(int, 1, 1 << 20), default=512,
            help="Most that is kept for all clients together until they acknowledge it, MiB; above it the "
                 "session with the most is ended."),
    Setting(name="requests.inflight", type=_ranged(int, 1, 1 << 20), default=4096,
            help="Most open requests of all sessions; the last half isn't for bulk, the last eighth only for "
                 "interactive ones."),
    Setting(name="journal.keep_s", type=_ranged(float, 0, 31_536_000), default=86_400.0,
            help="Seconds of the daemon's running that a request's key finds the answer it was given."),
    Setting(name="inline", type=_ranged(int, 0, 196_608), default=MAX_INLINE, unit="bytes",
            help="Most bytes of data in a frame; larger things travel over HTTP."),
    Setting(name="blobs.max_size", type=_ranged(int, 1, 2**40), default=1 << 30, unit="bytes",
            help="Largest blob, bytes."),
    Setting(name="blobs.quota", type=_ranged(int, 0, 2**50), default=20 << 30, unit="bytes",
            help="Most bytes of all blobs together; beyond it the least recently used go that nothing names. "
            "0 is no limit."),
    Setting(name="blobs.keep_s", type=_ranged(float, LEAST_BLOB_KEEP_S, 10 * 366 * 86_400),
            default=86_400.0, help="Seconds since its last use that a blob is kept which nothing names."),
    Setting(name="blobs.sweep_s", type=_ranged(float, 1, 86_400), default=600.0,
            help="Seconds between looks for blobs that may go."),
    Setting(name="cache.max_size", type=_ranged(int, 0, 2**44), default=1 << 30, unit="bytes",
            help="Most bytes that kept results and their files take; 0 keeps none."),
    Setting(name="cache.off", type=list[str], default=[],
            help="Workloads that always run anew, by comma."),
    Setting(name="workers", type=_ranged(int, 0, 256), default=0,
            help="Worker processes; 0 is one per core."),
    Setting(name="worker.memory_mib", type=_ranged(int, 0, 1 << 20), default=4096,
            help="Most memory of one worker, MiB, where the system can limit it; 0 is no limit."),
    Setting(name="worker.keep_mib", type=_ranged(int, 0, 1 << 20), default=1024,
            help="A worker that holds more memory than this after a job, MiB, is replaced by a fresh one; 0 "
                 "keeps it."),
    Setting(name="gpu", type=bool, default=True,
            help="Whether an NVIDIA GPU is used for what it was measured to do sooner than the CPU."),
    Setting(name="deadline_ms", type=_ranged(int, 1, 86_400_000), default=60_000,
            help="Milliseconds that a request without a deadline may take; of a durable one, each run."),
    Setting(name="images.max_pixels", type=_ranged(int, 1, 2**40), default=268_435_456,
            help="Largest image, pixels; larger ones are refused before they are decoded."),
    Setting(name="models.folder", type=str, default="",
            help="Folder of pulled models, which users may share; empty is `models` in the data folder."),
    Setting(name="models.hub", type=str, default="",
            help="Address of the hub that models are pulled from where no package has them; empty is that of "
            "HF_ENDPOINT, or else Hugging Face's."),
    Setting(name="textures.max_size", type=_ranged(int, 1, 65_536), default=4096,
            help="Longest side that the import advisor accepts without a word, pixels."),
)  # fmt: skip


FILE = "the settings file"
"""What the source of a value from there is called."""


def no_setting(name: str, known: Collection[str]) -> AnyText:
    """That there is no setting `name`, and which may be meant."""
    close = difflib.get_close_matches(name, known, 3)
    if close:
        return text(
            "There is no such setting: did you mean {close}?", close=joined(close, text("{head} or {rest}"))
        )
    names = sorted(known)
    if "." not in name:
        return text("There is no such setting: there are {names}.", names=names)
    return text(
        "There is no such setting: there are {names}, and a plugin's only while the plugin is loaded.",
        names=names,
    )


ALIKE = 0.75
"""How much of a group's name has to be right where it is taken for a slip of the hand, by difflib's ratio: a
plugin's `acme.max_size` is none in `cache.max_size`."""


def may_be_a_plugins(name: str) -> bool:
    """Whether a setting that nobody declares may be a plugin's: it lies in no group of PopBridge's own, nor
    is it one of these misspelt."""
    group, dot, _ = name.partition(".")
    own = [setting.name for setting in SETTINGS if "." in setting.name]
    groups = {each.partition(".")[0] for each in own}
    if not dot or group in groups:
        return False
    meant = difflib.get_close_matches(group, groups, len(groups), ALIKE)
    alike = difflib.get_close_matches(name, own, len(own))
    return not any(each.partition(".")[0] in meant for each in alike)


def misspelt(declared: Iterable[Setting], environment: Iterable[str]) -> list[tuple[str, str]]:
    """Variables of the environment that look like a setting's name and are none, with that name."""
    known = [setting.environment for setting in declared]
    found = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known or name.startswith(OTHERS):
            continue
        # Compared without what all have in common, or everything would be close.
        endings = [one.removeprefix(PREFIX) for one in known]
        close = difflib.get_close_matches(name.removeprefix(PREFIX), endings, 1, 0.7)
        found += [(name, PREFIX + one) for one in close]
    return found


class Settings:
    """Values by name, from flags, then environment, then file, then default."""

    def __init__(
        self, values: Mapping[str, Any], sources: Mapping[str, str], passed_over: Iterable[str] = ()
    ) -> None:
        """`passed_over`: names in the file that may be a disabled plugin's."""
        self._values = dict(values)
        self.sources = dict(sources)
        self.passed_over = tuple(passed_over)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def as_dict(self) -> dict[str, Any]:
        return dict(self._values)


def resolve(
    declared: Iterable[Setting],
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Mapping[str, object] | None = None,
    file_name: str = "the settings file",
    *,
    lacking: bool = False,
) -> Settings:
    """The value of each declared setting. Raises UserError for a bad value or an unknown name in `file`.

    `file_name` is what errors call the file. `lacking`: a plugin is disabled, and names that may be its are
    passed over.
    """
    declared = tuple(declared)
    flags, environment, file = flags or {}, environment or {}, file or {}
    unknown = sorted(set(file) - {setting.name for setting in declared})
    passed_over = [name for name in unknown if lacking and may_be_a_plugins(name)]
    for name in unknown:
        if name not in passed_over:
            known = [s.name for s in declared]
            raise UserError(
                text(
                    "{file} sets '{name}'. {unknown}",
                    file=file_name,
                    name=name,
                    unknown=no_setting(name, known),
                )
            )
    values, sources = {}, {}
    for setting in declared:
        candidates = (
            ("a flag", flags.get(setting.name)),
            (setting.environment, environment.get(setting.environment)),
            (FILE, file.get(setting.name)),
        )
        source, value = next(
            ((s, v) for s, v in candidates if v is not None), ("the default", setting.default)
        )
        values[setting.name] = setting.parse(value, file_name if source == FILE else source)
        sources[setting.name] = source
    return Settings(values, sources, passed_over)
