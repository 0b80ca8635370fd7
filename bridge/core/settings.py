"""Declarations of all settings, and their values from flags, environment, file and defaults."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_origin

import msgspec
import msgspec.inspect
from msgspec import Struct

from accel.text import AnyText, Text, joined, text
from bridge.core.errors import UserError
from bridge.core.messages import MAX_INLINE

PREFIX = "POPBRIDGE_"
"""Prefix of the settings' environment variables."""

OTHER_PREFIXES = tuple(PREFIX + name for name in ("HOME", "TOKEN", "TEST_", "REQUIRE_", "MASTER_KEY"))
"""Prefixes of environment variables that aren't settings."""


class Setting(Struct, frozen=True, kw_only=True):
    """A declared setting. `type` may carry a msgspec range, as in `Annotated[int, Meta(ge=0)]`."""

    name: str
    """Dotted name; that of a plugin's setting starts with the plugin's name."""
    type: Any
    """Type of its values: `bool`, `int`, `list[str]`, …"""
    default: Any
    """The value if it isn't set."""
    help: str
    """One sentence with the effect and the unit, for `popbridge config` and errors."""
    unit: Literal["", "bytes"] = ""
    """With `bytes`, `popbridge config` also shows the value in MiB or GiB."""
    lowest: int = 0
    """The lowest value besides 0, for a limit that 0 disables."""

    @property
    def environment(self) -> str:
        """The setting's environment variable."""
        return environment_name(self.name)

    def parse(self, value: object, source: str) -> Any:
        """Converts `value` to this setting's type. Raises UserError with the setting's name and `source`."""
        try:
            if isinstance(value, str) and get_origin(self.type) is list:
                value = [part.strip() for part in value.split(",") if part.strip()]
            converted = msgspec.convert(value, self.type, strict=False)
            if self.lowest and 0 < converted < self.lowest:
                raise msgspec.ValidationError
            return converted
        except msgspec.ValidationError as error:
            kind = _type_text(self.type)
            if self.lowest:
                kind = text("0 or at least {lowest}", lowest=self.lowest)
            must = text("it must be {kind}", kind=kind) if kind else str(error)
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


def environment_name(name: str) -> str:
    """Returns the environment variable of a setting: `POPBRIDGE_BLOBS_MAX_SIZE` for `blobs.max_size`."""
    return PREFIX + name.upper().replace(".", "_").replace("-", "_")


def _source(name: str) -> Text:
    """Returns the source of a value, as part of a sentence."""
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
"""Sources of values. An environment variable is its own source."""

TYPE_NAMES: Mapping[type[msgspec.inspect.Type], Text] = {
    msgspec.inspect.BoolType: text("true or false"),
    msgspec.inspect.IntType: text("a whole number"),
    msgspec.inspect.FloatType: text("a number"),
    msgspec.inspect.StrType: text("text"),
    msgspec.inspect.ListType: text("a comma-separated list"),
}


def _type_text(kind: Any) -> AnyText:
    """Describes a type, for example `a whole number from 0 to 256`; empty if unknown."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.LiteralType):
        return text("one of {values}", values=[*map(str, info.values)])
    known = TYPE_NAMES.get(type(info))
    if known is None:
        return ""
    low, high = getattr(info, "ge", None), getattr(info, "le", None)
    if low is None:
        return known if high is None else text("{kind} up to {le}", kind=known, le=high)
    if high is None:
        return text("{kind} from {ge}", kind=known, ge=low)
    return text("{kind} from {ge} to {le}", kind=known, ge=low, le=high)


MIN_BLOB_KEEP_S = 300.0
"""Minimum seconds that a blob stays after use, because a request for it may be on its way."""

SETTINGS = (
    Setting(name="host", type=str, default="127.0.0.1",
            help="Address to listen on; other than a loopback address only with `tls` on."),
    Setting(name="port", type=_ranged(int, 0, 65535), default=7757,
            help="TCP port to listen on; with 0, or if the port is taken, the system chooses one."),
    Setting(name="allowed_hosts", type=list[str], default=[],
            help="Additional names accepted in Host headers, comma-separated."),
    Setting(name="tls", type=Literal["off", "on"], default="off",
            help="on encrypts connections (wss and https); `popbridge certs init` makes the certificate."),
    Setting(name="tls_certificate", type=str, default="",
            help="PEM file of your own certificate, followed by its issuers; if empty, that of `popbridge "
                 "certs init`."),
    Setting(name="tls_key", type=str, default="",
            help="PEM file of the certificate's private key; if empty, it is in the certificate's file."),
    Setting(name="roots", type=list[str], default=[],
            help="Folders whose projects PopBridge may read without a question, comma-separated; "
                 "`popbridge roots` lists further ones."),
    Setting(name="log_level", type=str, default="warning",
            help="Lowest level to log: debug, info, warning or error."),
    Setting(name="log_format", type=Literal["text", "json"], default="text",
            help="Format of log lines: text for people, json for programs."),
    Setting(name="log_file", type=str, default="", help="File to log to; if empty, the log goes to stderr."),
    Setting(name="log_file_mib", type=_ranged(int, 0, 1 << 20), default=10,
            help="Size in MiB at which the log file is rotated; 0 disables rotation."),
    Setting(name="log_file_count", type=_ranged(int, 1, 1000), default=5,
            help="Number of rotated log files to keep."),
    Setting(name="connections", type=_ranged(int, 1, 1 << 20), default=8192,
            help="Maximum number of WebSocket connections; further ones get HTTP 503."),
    Setting(name="connections_unidentified", type=_ranged(int, 1, 1 << 20), default=1024,
            help="Maximum number of connections that haven't proven a token; at the limit, the oldest one of "
                 "the user or address with the most is closed."),
    Setting(name="limits.requests_s", type=_ranged(int, 0, 1 << 20), default=5000,
            help="Requests per second that a token may send; a burst may be ten times as large. 0 means no "
                 "limit."),
    Setting(name="limits.bytes_s", type=_ranged(int, 0, 2**40), default=512 << 20, unit="bytes",
            help="Bytes per second that a token may send, in messages and uploads; a burst may be ten times "
                 "as large. 0 means no limit."),
    Setting(name="limits.peer_requests_s", type=_ranged(int, 0, 1 << 20), default=100,
            help="Connections and requests per second without a valid token that a user of this machine, or "
                 "another address, may make; a burst may be ten times as large. 0 means no limit."),
    Setting(name="limits.failed_attempts", type=_ranged(int, 1, 1 << 20), default=30,
            help="Wrong tokens per minute that a user of this machine, or another address, may send before "
                 "the answers are delayed."),
    Setting(name="limits.body_bytes_s", type=_ranged(int, 0, 1 << 30), default=1024, unit="bytes",
            help="Minimum bytes per second of an upload, after 30 seconds; slower ones are ended and can be "
                 "resumed. 0 means no minimum."),
    Setting(name="limits.body_s", type=_ranged(float, 1, 31_536_000), default=3600.0,
            help="Maximum seconds that the body of a request may take."),
    Setting(name="heartbeat_s", type=_ranged(float, 0.1, 600), default=20.0,
            help="Seconds between WebSocket pings."),
    Setting(name="session.keep_s", type=_ranged(float, 0, 86_400), default=600.0,
            help="Seconds that a session waits for its client to reconnect."),
    Setting(name="session.inflight", type=_ranged(int, 1, 65_536), default=64,
            help="Maximum number of open requests per session; bulk requests may take three quarters of it."),
    Setting(name="session.unacked_mib", type=_ranged(int, 1, 1 << 20), default=512,
            help="Maximum MiB of unacknowledged messages of all sessions together; above it, the session "
                 "with the most is ended."),
    Setting(name="requests.inflight", type=_ranged(int, 1, 1 << 20), default=4096,
            help="Maximum number of open requests of all sessions. Bulk requests may take half of it; bulk "
                 "and normal requests together may take seven eighths."),
    Setting(name="journal.keep_s", type=_ranged(float, 0, 31_536_000), default=86_400.0,
            help="Seconds of uptime for which a repeated key returns the stored answer."),
    Setting(name="inline", type=_ranged(int, 0, 196_608), default=MAX_INLINE, unit="bytes",
            help="Maximum bytes of data inside a message; larger data is sent as a blob over HTTP."),
    Setting(name="blobs.max_size", type=_ranged(int, 1, 2**40), default=1 << 30, unit="bytes",
            help="Maximum size of a blob in bytes."),
    Setting(name="blobs.quota", type=_ranged(int, 0, 2**50), default=20 << 30, unit="bytes",
            help="Maximum bytes of all blobs together; above it, unreferenced blobs are deleted, least "
                 "recently used first. 0 means no limit."),
    Setting(name="blobs.keep_s", type=_ranged(float, MIN_BLOB_KEEP_S, 10 * 366 * 86_400),
            default=86_400.0, help="Seconds to keep an unreferenced blob after its last use."),
    Setting(name="blobs.sweep_s", type=_ranged(float, 1, 86_400), default=600.0,
            help="Seconds between searches for blobs to delete."),
    Setting(name="encryption", type=bool, default=True,
            help="Encrypt popups, answers, requests and results in the database, the cache and backups."),
    Setting(name="encryption_blobs", type=bool, default=False,
            help="Encrypt all blobs, not only those of projects that ask for it in popbridge.toml."),
    Setting(name="encryption_key_file", type=str, default="",
            help="File with the master key; if empty, the system's keyring, or `master.key` in the data "
                 "folder."),
    Setting(name="cache.max_size", type=_ranged(int, 0, 2**44), default=1 << 30, unit="bytes",
            help="Maximum bytes of cached results and their files; 0 disables the cache."),
    Setting(name="cache.exclude", type=list[str], default=[],
            help="Workloads whose results are never cached, comma-separated."),
    Setting(name="workers", type=_ranged(int, 0, 256), default=0,
            help="Number of worker processes; 0 means one per core."),
    Setting(name="worker.memory_mib", type=_ranged(int, 0, 1 << 20), default=4096, lowest=512,
            help="Memory limit of a worker process in MiB, if the system supports one; 0 means no limit. "
                 "The libraries alone take more than 200."),
    Setting(name="worker.recycle_mib", type=_ranged(int, 0, 1 << 20), default=1024,
            help="A worker process that uses more MiB than this after a job is replaced; 0 disables this."),
    Setting(name="worker.total_mib", type=_ranged(int, 0, 1 << 24), default=0,
            help="Memory limit of all worker processes together in MiB; 0 means half of the machine's or "
                 "container's memory. A job that would exceed it waits for others to end."),
    Setting(name="worker.sandbox", type=bool, default=True,
            help="Keep worker processes from writing outside their own folder and from using the network, "
                 "if the system can."),
    Setting(name="worker.writable", type=list[str], default=[],
            help="Folders that worker processes in the sandbox may also write to, for plugins that need it; "
                 "comma-separated."),
    Setting(name="worker.idle_s", type=_ranged(float, 0, 86_400), default=300.0,
            help="Seconds after which an idle worker process ends; 0 starts all at once and keeps them."),
    Setting(name="gpu", type=bool, default=True,
            help="Use an NVIDIA GPU for work that measurements show it does faster than the CPU."),
    Setting(name="deadline_ms", type=_ranged(int, 1, 86_400_000), default=60_000,
            help="Milliseconds that a request without a deadline may take; for a durable request, each run."),
    Setting(name="images.max_pixels", type=_ranged(int, 1, 2**40), default=268_435_456,
            help="Maximum pixels of an image; larger images are rejected before decoding."),
    Setting(name="models.folder", type=str, default="",
            help="Folder of pulled models, which several users can share; if empty, `models` in the data "
                 "folder."),
    Setting(name="models.hub", type=str, default="",
            help="URL to pull models from if no package contains them; if empty, HF_ENDPOINT or Hugging "
                 "Face."),
    Setting(name="plugins.allow", type=list[str], default=[],
            help="The only distributions whose plugins are loaded, comma-separated, besides PopBridge's own; "
                 "if empty, all are."),
    Setting(name="plugins.block", type=list[str], default=[],
            help="Plugins or distributions that are never loaded, comma-separated."),
    Setting(name="textures.max_size", type=_ranged(int, 1, 65_536), default=4096,
            help="Longest side in pixels that the import check accepts without a finding."),
    Setting(name="popups.per_hour", type=_ranged(int, 0, 3600), default=12,
            help="Maximum popups per project and hour about imported textures; further findings wait and are "
                 "shown together. 0 means no limit."),
)  # fmt: skip

RENAMED = {"hosts": "allowed_hosts", "cache.off": "cache.exclude", "worker.keep_mib": "worker.recycle_mib"}
"""New names of settings by their names in 0.1.0, which are still accepted in the file and the environment."""

FILE = "the settings file"
"""Source of values from the settings file."""


def unknown_setting(name: str, known: Collection[str]) -> AnyText:
    """Returns an error for the unknown setting `name`, with suggestions."""
    close = difflib.get_close_matches(name, known, 3)
    if close:
        return text("Unknown setting. Did you mean {close}?", close=joined(close, text("{head} or {rest}")))
    names = sorted(known)
    if "." not in name:
        return text("Unknown setting. The settings are {names}.", names=names)
    return text(
        "Unknown setting. The settings are {names}, and those of loaded plugins.",
        names=names,
    )


GROUP_SIMILARITY = 0.75
"""difflib ratio at which a group counts as misspelt; `acme.max_size` isn't `cache.max_size`."""


def may_belong_to_plugin(name: str) -> bool:
    """Whether an unknown setting may be a plugin's, as its group doesn't resemble any of PopBridge's."""
    group, dot, _ = name.partition(".")
    own = [setting.name for setting in SETTINGS if "." in setting.name]
    groups = {each.partition(".")[0] for each in own}
    if not dot or group in groups:
        return False
    meant = difflib.get_close_matches(group, groups, len(groups), GROUP_SIMILARITY)
    alike = difflib.get_close_matches(name, own, len(own))
    return not any(each.partition(".")[0] in meant for each in alike)


def misspelt_variables(declared: Iterable[Setting], environment: Iterable[str]) -> list[tuple[str, str]]:
    """Returns variables that look like a setting's but aren't, each with the name probably meant."""
    declared = tuple(declared)
    known = [setting.environment for setting in declared]
    accepted = {*known, *map(environment_name, RENAMED)}
    found = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in accepted or name.startswith(OTHER_PREFIXES):
            continue
        # With the common prefix, all names would look similar.
        endings = [one.removeprefix(PREFIX) for one in known]
        close = difflib.get_close_matches(name.removeprefix(PREFIX), endings, 1, 0.7)
        found += [(name, PREFIX + one) for one in close]
    return found


class Settings:
    """Resolved values by name."""

    def __init__(
        self,
        values: Mapping[str, Any],
        sources: Mapping[str, str],
        ignored: Iterable[str] = (),
        renamed: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._values = dict(values)
        self.sources = dict(sources)
        self.ignored = tuple(ignored)
        """Unknown names in the file that may belong to a disabled plugin."""
        self.renamed = tuple(renamed)
        """Old names of settings or variables in use, with their new names."""

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
    plugins_disabled: bool = False,
) -> Settings:
    """Resolves the declared settings; flags take precedence over the environment, the file and defaults.

    `file_name` is the file's name in errors. With `plugins_disabled`, unknown names that may be a plugin's
    are ignored. Raises UserError for an invalid value or an unknown name in `file`.
    """
    declared = tuple(declared)
    flags = flags or {}
    file, renamed_in_file = _with_new_names(file or {}, RENAMED)
    variables = {environment_name(old): environment_name(new) for old, new in RENAMED.items()}
    environment, renamed_variables = _with_new_names(environment or {}, variables)
    known = [setting.name for setting in declared]
    unknown = sorted(set(file) - set(known))
    ignored = [name for name in unknown if plugins_disabled and may_belong_to_plugin(name)]
    for name in unknown:
        if name not in ignored:
            raise UserError(
                text(
                    "{file} sets '{name}'. {unknown}",
                    file=file_name,
                    name=name,
                    unknown=unknown_setting(name, known),
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
    return Settings(values, sources, ignored, (*renamed_in_file, *renamed_variables))


Raw = TypeVar("Raw")


def _with_new_names(
    found: Mapping[str, Raw], renamed: Mapping[str, str]
) -> tuple[Mapping[str, Raw], list[tuple[str, str]]]:
    """Replaces old names in `found` unless the new one is set, too. Also returns the old and new names."""
    old = [name for name in found if name in renamed]
    current = {renamed[name]: found[name] for name in old}
    current |= {name: value for name, value in found.items() if name not in renamed}
    return current, [(name, renamed[name]) for name in old]
