"""The adapters for Godot 3.5 to 3.6, and for Godot 4.2 and later."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from packaging.version import Version

from bridge.api import (
    Adapter,
    Addon,
    EditorSupport,
    GpuFormat,
    ImageFacts,
    OptionLabel,
    Platform,
    TextureIntent,
)
from bridge_godot import labels
from bridge_godot.default_options import DEFAULT_OPTIONS
from bridge_godot.project import SCHEME
from bridge_godot.support import GODOT3, GODOT4, Generation, GodotSupport

Word = TypeVar("Word", bound=str)

NORMAL_DETECT, NORMAL_ENABLED, NORMAL_DISABLED = 0, 1, 2
"""`compress/normal_map`."""

UNCOMPRESSED_FORMATS: Mapping[int, GpuFormat] = {1: "r8", 2: "rg8", 3: "rgb8", 4: "rgba8"}
"""By the number of channels."""
BLOCK_FORMATS: Mapping[Platform, Mapping[str, GpuFormat]] = {
    "desktop": {"rg": "bc5", "rgb": "bc1", "rgba": "bc3", "high": "bc7"},
    "mobile": {"rg": "eac_rg", "rgb": "etc2_rgb", "rgba": "etc2_rgba", "high": "astc_4x4"},
}


class _GodotAdapter(Adapter):
    """What both adapters have in common."""

    generation: ClassVar[Generation]
    compressions: ClassVar[Mapping[str, int]]
    """The values of `compress/mode`."""
    compression_fallbacks: ClassVar[Mapping[str, str]] = {}
    """The nearest compression for those that this Godot doesn't have."""
    option_words: ClassVar[Mapping[str, labels.Option]]

    engine = "godot"
    scheme = SCHEME
    default_options = DEFAULT_OPTIONS

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        points = intent.only(self.texture_fields).fields()
        if intent.kind != "normal":
            points.pop("kind", None)
        if intent.compression is not None and intent.compression in self.compression_fallbacks:
            points["compression"] = self.compression_fallbacks[intent.compression]
        if intent.max_size is not None and intent.max_size < 0:
            del points["max_size"]
        return TextureIntent(**points)

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        wanted = _compile_common(intent, present) | self._compile(self.expressible(intent, version), present)
        changes = {name: value for name, value in wanted.items() if not _is_same(present.get(name), value)}
        return changes | self._disable_detection(wanted, changes, present)

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return self._read(options).over(_read_common(options))

    def detects(self, options: Mapping[str, Any], version: Version) -> Collection[str]:
        # Godot imports with its defaults what a file leaves out.
        normal_map = options.get("compress/normal_map", NORMAL_DETECT)
        found = {"kind"} if _is_same(normal_map, NORMAL_DETECT) else set()
        return found | ({"compression", "mipmaps"} if self._detects_3d(options) else set())

    def gpu_format(
        self, intent: TextureIntent, facts: ImageFacts, platform: Platform, version: Version
    ) -> GpuFormat | None:
        """Returns None for floating-point textures, whose format depends on the version.

        "Lossless" and "Lossy" are formats of the file alone: on the GPU the texture has the file's channels.
        For block compression Godot checks the channels' values: an opaque alpha channel costs nothing, and a
        grey image saves nothing.
        """
        if facts.hdr or intent.compression is None:
            return None
        if intent.compression in ("none", "lossless", "lossy"):
            return UNCOMPRESSED_FORMATS.get(facts.channels)
        formats = BLOCK_FORMATS[platform]
        if intent.compression != "block":
            return formats["high"]
        return formats["rg" if intent.kind == "normal" else "rgba" if facts.alpha else "rgb"]

    def option_labels(self, version: Version, locale: str) -> Mapping[str, OptionLabel]:
        return labels.option_labels(self.option_words, locale)

    @property
    def editor(self) -> EditorSupport:
        return GodotSupport(self.generation)

    @cached_property
    def addon(self) -> Addon | None:
        return GodotSupport(self.generation).addon()

    @abstractmethod
    def _compile(self, intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the options for `intent` that only this Godot has under these names."""

    @abstractmethod
    def _read(self, options: Mapping[str, Any]) -> TextureIntent:
        """Returns what the options mean that only this Godot has under these names."""

    @abstractmethod
    def _detects_3d(self, options: Mapping[str, Any]) -> bool:
        """Whether Godot compresses the texture and makes its mipmaps when it sees it in 3D."""

    @abstractmethod
    def _disable_detection(
        self, wanted: Mapping[str, Any], changes: Mapping[str, Any], present: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns the change that stops Godot from undoing `changes` when it sees the texture in 3D."""


class Godot3(_GodotAdapter):
    """Godot 3.5 and 3.6."""

    name = "godot3"
    generation = GODOT3
    option_words = labels.GODOT3
    versions = GODOT3.versions
    older_versions = ">=3.0,<3.5"
    texture_fields = frozenset(
        {"kind", "color_space", "normal_convention", "compression", "mipmaps", "alpha", "max_size", "wrap"}
    )
    compressions: ClassVar[Mapping[str, int]] = {"lossless": 0, "lossy": 1, "block": 2, "none": 3}
    # Godot 3 chooses BPTC for a whole project and has no Basis Universal.
    compression_fallbacks: ClassVar[Mapping[str, str]] = {"block_high": "block", "universal": "block"}

    COLOR_SPACES: ClassVar[Mapping[str, int]] = {"linear": 0, "srgb": 1}
    """`flags/srgb`. 2 means "detect": Godot decides when it sees the texture in 3D."""
    WRAPS: ClassVar[Mapping[str, int]] = {"clamp": 0, "repeat": 1, "mirror": 2}
    DETECTED_3D: ClassVar[Mapping[str, Any]] = {
        "compress/mode": 2,
        "flags/repeat": 1,
        "flags/mipmaps": True,
    }
    """What Godot sets if `detect_3d` is on and it sees the texture in 3D."""

    def _compile(self, intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if intent.color_space is not None:
            wanted["flags/srgb"] = self.COLOR_SPACES[intent.color_space]
        if intent.compression is not None:
            wanted["compress/mode"] = self.compressions[intent.compression]
        if intent.mipmaps is not None:
            wanted["flags/mipmaps"] = intent.mipmaps
        if intent.max_size is not None:
            wanted["size_limit"] = intent.max_size
        if intent.wrap is not None:
            wanted["flags/repeat"] = self.WRAPS[intent.wrap]
        return wanted

    def _read(self, options: Mapping[str, Any]) -> TextureIntent:
        fields = {
            "color_space": _word(self.COLOR_SPACES, options.get("flags/srgb")),
            "compression": _word(self.compressions, options.get("compress/mode")),
            "mipmaps": _switch(options.get("flags/mipmaps")),
            "max_size": _size(options.get("size_limit")),
            "wrap": _word(self.WRAPS, options.get("flags/repeat")),
            "filter": "nearest" if options.get("flags/filter") is False else None,
        }
        return TextureIntent(**fields)  # type: ignore[arg-type]

    def _detects_3d(self, options: Mapping[str, Any]) -> bool:
        return _switch(options.get("detect_3d", True)) is True

    def _disable_detection(
        self, wanted: Mapping[str, Any], changes: Mapping[str, Any], present: Mapping[str, Any]
    ) -> dict[str, Any]:
        differs = any(
            name in wanted and not _is_same(wanted[name], value) for name, value in self.DETECTED_3D.items()
        )
        if differs and changes.keys() & self.DETECTED_3D.keys() and _switch(present.get("detect_3d")):
            return {"detect_3d": False}
        return {}


class Godot4(_GodotAdapter):
    """Godot 4.2 and later.

    Colour space and wrap aren't import settings in Godot 4: shaders and materials set them.
    """

    name = "godot4"
    generation = GODOT4
    option_words = labels.GODOT4
    versions = GODOT4.versions
    older_versions = ">=4.0,<4.2"
    texture_fields = frozenset(
        {"kind", "normal_convention", "compression", "mipmaps", "alpha", "max_size", "swizzle"}
    )
    compressions: ClassVar[Mapping[str, int]] = {
        "lossless": 0,
        "lossy": 1,
        "block": 2,
        "none": 3,
        "universal": 4,
    }

    CHANNELS = ("red", "green", "blue", "alpha")
    SWIZZLES = "rgbaRGBA"
    """The letters for the values 0 to 7 of `process/channel_remap`, which 4.5 added."""
    UNUSED, ZERO, ONE = 8, 9, 10
    """Further values; an unused channel is 0, or 1 in alpha."""
    DETECTED_3D: ClassVar[Mapping[int, int]] = {1: 2, 2: 4}
    """By `detect_3d/compress_to`: the `compress/mode` that Godot sets, with mipmaps, once seen in 3D."""

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        found = super().expressible(intent, version)
        if found.swizzle is None:
            return found
        is_valid = len(found.swizzle) == len(self.CHANNELS) and set(found.swizzle) <= {
            *self.SWIZZLES,
            "0",
            "1",
        }
        return found if is_valid and version.release >= (4, 5) else found.without("swizzle")

    def _compile(self, intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
        wanted: dict[str, Any] = {}
        if intent.swizzle is not None:
            sources = {"0": self.ZERO, "1": self.ONE} | {s: n for n, s in enumerate(self.SWIZZLES)}
            now = self._sources(present)
            wanted |= {
                f"process/channel_remap/{channel}": sources[source]
                for channel, source, known in zip(self.CHANNELS, intent.swizzle, now, strict=True)
                if source != known
            }
        if intent.compression == "block_high":
            wanted |= {"compress/mode": self.compressions["block"], "compress/high_quality": True}
        elif intent.compression is not None:
            wanted["compress/mode"] = self.compressions[intent.compression]
        if intent.compression == "block" and _switch(present.get("compress/high_quality")):
            wanted["compress/high_quality"] = False
        if intent.mipmaps is not None:
            wanted["mipmaps/generate"] = intent.mipmaps
        if intent.max_size is not None:
            wanted["process/size_limit"] = intent.max_size
        return wanted

    def _read(self, options: Mapping[str, Any]) -> TextureIntent:
        compression: str | None = _word(self.compressions, options.get("compress/mode"))
        if compression == "block" and _switch(options.get("compress/high_quality")):
            compression = "block_high"
        fields = {
            "compression": compression,
            "mipmaps": _switch(options.get("mipmaps/generate")),
            "max_size": _size(options.get("process/size_limit")),
            "swizzle": None if None in (sources := self._sources(options)) else "".join(map(str, sources)),
        }
        return TextureIntent(**fields)  # type: ignore[arg-type]

    def _sources(self, options: Mapping[str, Any]) -> list[str | None]:
        """Returns the letter of each channel's source; None if it is unknown."""
        letters = dict(enumerate(self.SWIZZLES)) | {self.ZERO: "0", self.ONE: "1"}
        return [
            next(
                (
                    letter
                    for value, letter in (letters | {self.UNUSED: "1" if channel == "alpha" else "0"}).items()
                    if _is_same(options.get(f"process/channel_remap/{channel}"), value)
                ),
                None,
            )
            for channel in self.CHANNELS
        ]

    def _detects_3d(self, options: Mapping[str, Any]) -> bool:
        return any(_is_same(to, options.get("detect_3d/compress_to", 1)) for to in self.DETECTED_3D)

    def _disable_detection(
        self, wanted: Mapping[str, Any], changes: Mapping[str, Any], present: Mapping[str, Any]
    ) -> dict[str, Any]:
        detection = present.get("detect_3d/compress_to")
        mode = next((mode for to, mode in self.DETECTED_3D.items() if _is_same(to, detection)), None)
        if mode is None or not changes.keys() & {"compress/mode", "mipmaps/generate"}:
            return {}
        differs = not _is_same(wanted.get("compress/mode", mode), mode)
        return {"detect_3d/compress_to": 0} if differs or wanted.get("mipmaps/generate") is False else {}


def _compile_common(intent: TextureIntent, present: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options for `intent` that Godot 3 and Godot 4 name alike."""
    wanted: dict[str, Any] = {}
    if intent.kind == "normal":
        wanted["compress/normal_map"] = NORMAL_ENABLED
    elif intent.kind is not None and _is_same(present.get("compress/normal_map"), NORMAL_ENABLED):
        # A normal map keeps only red and green: a colour texture would lose its blue.
        wanted["compress/normal_map"] = NORMAL_DISABLED
    if intent.normal_convention is not None:
        wanted["process/normal_map_invert_y"] = intent.normal_convention == "directx"
    if intent.alpha is not None:
        wanted["process/premult_alpha"] = intent.alpha == "premultiplied"
    if intent.alpha in ("none", "transparency"):
        # It replaces the colour of transparent texels: right for transparency, wrong for data.
        wanted["process/fix_alpha_border"] = intent.alpha == "transparency"
    return wanted


def _read_common(options: Mapping[str, Any]) -> TextureIntent:
    """Returns what the options mean that Godot 3 and Godot 4 name alike."""
    inverted = _switch(options.get("process/normal_map_invert_y"))
    normal_map = options.get("compress/normal_map")
    return TextureIntent(
        kind="normal" if _is_same(normal_map, NORMAL_ENABLED) else None,
        excludes="normal" if _is_same(normal_map, NORMAL_DISABLED) else None,
        # Godot expects green up: a map that needs inverting is a DirectX one.
        normal_convention=None if inverted is None else "directx" if inverted else "opengl",
        alpha=_read_alpha(options),
    )


def _read_alpha(options: Mapping[str, Any]) -> Any:
    premultiplied = _switch(options.get("process/premult_alpha"))
    fixes_border = _switch(options.get("process/fix_alpha_border"))
    if premultiplied:
        return "premultiplied"
    if premultiplied is None or fixes_border is None:
        return None
    return "transparency" if fixes_border else "none"


def _is_same(one: object, other: object) -> bool:
    """Whether Godot treats two option values as the same: it writes true for 1 and vice versa."""
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other


def _word(words: Mapping[Word, int], value: object) -> Word | None:
    """Returns the word for an option's value, or None."""
    return next((word for word, number in words.items() if _is_same(number, value)), None)


def _switch(value: object) -> bool | None:
    """Returns the value of a switch, or None for another value."""
    return bool(value) if _is_same(value, 0) or _is_same(value, 1) else None


def _size(value: object) -> int | None:
    """Returns a size limit in pixels, or None for another value."""
    if isinstance(value, int | float) and 0 <= value < 2**31 and value == int(value):
        return int(value)
    return None
