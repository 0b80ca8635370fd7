"""Every setting, once: name, type, range, default and help; flags and environment names follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_origin

import msgspec
from msgspec import Struct

from bridge.core.errors import UserError
from bridge.core.messages import MAX_INLINE


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

    @property
    def environment(self) -> str:
        """`blobs.max_size` is `POPBRIDGE_BLOBS_MAX_SIZE`."""
        return "POPBRIDGE_" + self.name.upper().replace(".", "_").replace("-", "_")

    def parse(self, value: object, source: str) -> Any:
        """`value` as this setting's type. Raises UserError that names the setting and its source."""
        try:
            if isinstance(value, str) and get_origin(self.type) is list:
                value = [part.strip() for part in value.split(",") if part.strip()]
            return msgspec.convert(value, self.type, strict=False)
        except msgspec.ValidationError as error:
            raise UserError(f"Setting {self.name} from {source}: {error}. ({self.help})") from None


def _ranged(kind: type, low: float, high: float) -> Any:
    return Annotated[kind, msgspec.Meta(ge=low, le=high)]


SETTINGS = (
    Setting(name="host", type=str, default="127.0.0.1", help="Address to listen on; loopback."),
    Setting(name="port", type=_ranged(int, 0, 65535), default=7757,
            help="Port to listen on; 0, or a port that is taken, lets the system choose."),
    Setting(name="hosts", type=list[str], default=[], help="More names allowed in Host headers, by comma."),
    Setting(name="log_level", type=str, default="warning", help="debug, info, warning or error."),
    Setting(name="heartbeat_s", type=_ranged(float, 0.1, 600), default=20.0, help="Seconds between pings."),
    Setting(name="session.keep_s", type=_ranged(float, 0, 86_400), default=600.0,
            help="Seconds that a session waits for its editor to come back."),
    Setting(name="session.inflight", type=_ranged(int, 1, 65_536), default=64,
            help="Most open requests of one session."),
    Setting(name="inline", type=_ranged(int, 0, 196_608), default=MAX_INLINE,
            help="Most bytes of data in a frame; larger things travel over HTTP."),
    Setting(name="blobs.max_size", type=_ranged(int, 1, 2**40), default=1 << 30, help="Largest blob, bytes."),
    Setting(name="workers", type=_ranged(int, 0, 256), default=0,
            help="Worker processes; 0 is one per core."),
    Setting(name="worker.memory_mib", type=_ranged(int, 0, 1 << 20), default=4096,
            help="Most memory of one worker, MiB, where the system can limit it; 0 is no limit."),
    Setting(name="deadline_ms", type=_ranged(int, 1, 86_400_000), default=60_000,
            help="Milliseconds that a request may take where it names no deadline."),
    Setting(name="images.max_pixels", type=_ranged(int, 1, 2**40), default=268_435_456,
            help="Largest image, pixels; larger ones are refused before they are decoded."),
    Setting(name="textures.max_size", type=_ranged(int, 1, 65_536), default=4096,
            help="Longest side that the import advisor accepts without a word, pixels."),
)  # fmt: skip


class Settings:
    """Values by name, from flags, then environment, then file, then default."""

    def __init__(self, values: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        self._values = dict(values)
        self.sources = dict(sources)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def as_dict(self) -> dict[str, Any]:
        return dict(self._values)


def resolve(
    declared: Iterable[Setting],
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Mapping[str, object] | None = None,
) -> Settings:
    """The value of each declared setting. Raises UserError for a bad value or an unknown name in `file`."""
    declared = tuple(declared)
    flags, environment, file = flags or {}, environment or {}, file or {}
    if unknown := set(file) - {setting.name for setting in declared}:
        name = sorted(unknown)[0]
        raise UserError(f"Unknown setting {name!r} in the settings file; `popbridge config` lists them.")
    values, sources = {}, {}
    for setting in declared:
        candidates = (
            ("a flag", flags.get(setting.name)),
            (setting.environment, environment.get(setting.environment)),
            ("the settings file", file.get(setting.name)),
        )
        source, value = next(
            ((s, v) for s, v in candidates if v is not None), ("the default", setting.default)
        )
        values[setting.name] = setting.parse(value, source)
        sources[setting.name] = source
    return Settings(values, sources)
