"""The import options of textures in the words of Godot's Import dock.

Names are Godot's own, capitalised as by its `EditorPropertyNameProcessor`; values are the enum hints of
`ResourceImporterTexture::get_import_options`. The Chinese is that of Godot's property translations, which the
dock shows if the editor setting "Default Property Name Style" is "Localized".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bridge.api import OptionLabel


class _Words(Struct, frozen=True):
    """A word of the editor in English and Chinese."""

    en: str
    zh: str


_COMPRESS = _Words("Compress", "压缩")
_PROCESS = _Words("Process", "处理")
_FLAGS = _Words("Flags", "标志")
_DETECT_3D = _Words("Detect 3D", "检测 3D")
_MIPMAPS = _Words("Mipmaps", "Mipmap")
_MODE = _Words("Mode", "模式")
_NORMAL_MAP = _Words("Normal Map", "法线贴图")
_DISABLED, _ENABLE = _Words("Disabled", "禁用"), _Words("Enable", "启用")
_DETECT = _Words("Detect", "检测")
_NORMAL_MAPS = (_DETECT, _ENABLE, _DISABLED)
_LOSSLESS, _LOSSY = _Words("Lossless", "无损"), _Words("Lossy", "有损")
_VRAM, _BASIS = _Words("VRAM Compressed", "VRAM 压缩"), _Words("Basis Universal", "Basis Universal")

Option = tuple[tuple[_Words, ...], tuple[_Words, ...]]
"""The headings and the name, and the values from 0; switches have none."""

_COMMON: Mapping[str, Option] = {
    "compress/normal_map": ((_COMPRESS, _NORMAL_MAP), _NORMAL_MAPS),
    "compress/lossy_quality": ((_COMPRESS, _Words("Lossy Quality", "有损质量")), ()),
    "process/fix_alpha_border": ((_PROCESS, _Words("Fix Alpha Border", "修复 Alpha 边框")), ()),
    "process/premult_alpha": ((_PROCESS, _Words("Premult Alpha", "预乘 Alpha")), ()),
    "process/normal_map_invert_y": ((_PROCESS, _Words("Normal Map Invert Y", "法线贴图反转 Y")), ()),
}
GODOT3: Mapping[str, Option] = {
    **_COMMON,
    "compress/mode": (
        (_COMPRESS, _MODE),
        (_LOSSLESS, _LOSSY, _Words("Video RAM", "显存"), _Words("Uncompressed", "未压缩")),
    ),
    "flags/srgb": ((_FLAGS, _Words("sRGB", "sRGB")), (_Words("Disable", "禁用"), _ENABLE, _DETECT)),
    "flags/mipmaps": ((_FLAGS, _MIPMAPS), ()),
    "flags/repeat": (
        (_FLAGS, _Words("Repeat", "重复")),
        (_DISABLED, _Words("Enabled", "启用"), _Words("Mirrored", "镜像")),
    ),
    "size_limit": ((_Words("Size Limit", "大小限制"),), ()),
    "detect_3d": ((_DETECT_3D,), ()),
}
_CHANNELS = tuple(
    _Words(en, zh)
    for en, zh in (
        ("Red", "红"), ("Green", "绿"), ("Blue", "蓝"), ("Alpha", "Alpha"), ("Inverted Red", "反转红"),
        ("Inverted Green", "反转绿"), ("Inverted Blue", "反转蓝"), ("Inverted Alpha", "反转 Alpha"),
        ("Unused", "未使用"), ("Zero", "零"), ("One", "一"),
    )
)  # fmt: skip
GODOT4: Mapping[str, Option] = {
    **_COMMON,
    **{
        f"process/channel_remap/{words.en.lower()}": (
            (_PROCESS, _Words("Channel Remap", "通道重映射"), words),
            _CHANNELS,
        )
        for words in _CHANNELS[:4]
    },
    "compress/mode": (
        (_COMPRESS, _MODE),
        (_LOSSLESS, _LOSSY, _VRAM, _Words("VRAM Uncompressed", "VRAM 未压缩"), _BASIS),
    ),
    "compress/high_quality": ((_COMPRESS, _Words("High Quality", "高质量")), ()),
    "mipmaps/generate": ((_MIPMAPS, _Words("Generate", "生成")), ()),
    "process/size_limit": ((_PROCESS, _Words("Size Limit", "大小限制")), ()),
    "detect_3d/compress_to": ((_DETECT_3D, _Words("Compress To", "压缩为")), (_DISABLED, _VRAM, _BASIS)),
}


def option_labels(options: Mapping[str, Option], locale: str) -> Mapping[str, OptionLabel]:
    """Returns the labels of `options` in Chinese or English."""
    language = "zh" if locale.lower().startswith("zh") else "en"

    def label(option: Option) -> OptionLabel:
        path, values = option
        named: dict[Any, str] = {at: getattr(value, language) for at, value in enumerate(values)}
        return OptionLabel(" › ".join(getattr(word, language) for word in path), named)

    return {name: label(option) for name, option in options.items()}
