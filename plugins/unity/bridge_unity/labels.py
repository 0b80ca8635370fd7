"""The settings of `TextureImporter` in the words of Unity's Inspector, for each range of versions.

The English is that of `TextureImporterInspector`, `DefaultTextureImportSettingsExtension` and
`TextureInspector` in UnityCsReference (branches 2021.3, 2022.1, 2022.3, 6000.0 and 6000.3); the Inspector
shows `TextureImporterNPOTScale` by the names of its values. Names of platforms are those of
`BuildTargetDiscovery` (6000.0), before that of the manual. Unity's Chinese texts aren't public: the Chinese
is a translation of ours that follows the words of the Chinese manual.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from bridge.api import OptionLabel
from bridge_unity.importer_settings import DEFAULT


class _Words(Struct, frozen=True):
    """A word of the Inspector in English and Chinese."""

    en: str
    zh: str


def _same(word: str) -> _Words:
    return _Words(word, word)


Values = Mapping[str, _Words]
Option = tuple[tuple[_Words, ...], Values]
"""The headings and the name, and the values; switches have none."""

_NONE = _Words("None", "无")
_TEXTURE_TYPES: Values = {
    "Default": _Words("Default", "默认"),
    "NormalMap": _Words("Normal map", "法线贴图"),
    "GUI": _Words("Editor GUI and Legacy GUI", "编辑器 GUI 和旧版 GUI"),
    "Cookie": _Words("Cookie", "剪影"),
    "Lightmap": _Words("Lightmap", "光照贴图"),
    "Cursor": _Words("Cursor", "光标"),
    "Sprite": _Words("Sprite (2D and UI)", "Sprite (2D 和 UI)"),
    "SingleChannel": _Words("Single Channel", "单通道"),
    "Shadowmask": _Words("Shadowmask", "阴影遮罩"),
    "DirectionalLightmap": _Words("Directional Lightmap", "定向光照贴图"),
}
_COMPRESSIONS: Values = {
    "Uncompressed": _NONE,
    "Compressed": _Words("Normal Quality", "普通质量"),
    "CompressedHQ": _Words("High Quality", "高质量"),
    "CompressedLQ": _Words("Low Quality", "低质量"),
}
_NPOT: Values = {name: _same(name) for name in ("None", "ToNearest", "ToLarger", "ToSmaller")}
_FILTERS: Values = {
    "Point": _Words("Point (no filter)", "点 (无过滤器)"),
    "Bilinear": _Words("Bilinear", "双线性"),
    "Trilinear": _Words("Trilinear", "三线性"),
}
_WRAPS: Values = {
    "Repeat": _Words("Repeat", "重复"),
    "Clamp": _Words("Clamp", "钳制"),
    "Mirror": _Words("Mirror", "镜像"),
    "MirrorOnce": _Words("Mirror Once", "镜像一次"),
}
_ALPHA: Values = {
    "None": _NONE,
    "FromInput": _Words("Input Texture Alpha", "输入纹理 Alpha"),
    "FromGrayScale": _Words("From Gray Scale", "来自灰度"),
}
_SHAPES: Values = {
    "Texture2D": _same("2D"),
    "TextureCube": _Words("Cube", "立方体"),
    "Texture2DArray": _Words("2D Array", "2D 数组"),
    "Texture3D": _same("3D"),
}
_CHANNELS: Values = {"Alpha": _same("Alpha"), "Red": _Words("Red", "红")}
_SPRITES: Values = {
    "Single": _Words("Single", "单一"),
    "Multiple": _Words("Multiple", "多个"),
    "Polygon": _Words("Polygon", "多边形"),
}

_MIP_FILTERS: Values = {
    "BoxFilter": _Words("Box", "Box"),
    "KaiserFilter": _Words("Kaiser", "Kaiser"),
}
_ADVANCED, _WRAP = _Words("Advanced", "高级"), _Words("Wrap Mode", "循环模式")


def _mipmaps(name: str) -> Mapping[str, Option]:
    return {"mipmapEnabled": ((_ADVANCED, _Words(name, "生成 Mipmap")), {})}


_SETTINGS: Mapping[str, Option] = {
    "textureType": ((_Words("Texture Type", "纹理类型"),), _TEXTURE_TYPES),
    "textureShape": ((_Words("Texture Shape", "纹理形状"),), _SHAPES),
    "sRGBTexture": ((_Words("sRGB (Color Texture)", "sRGB (颜色纹理)"),), {}),
    "alphaSource": ((_Words("Alpha Source", "Alpha 源"),), _ALPHA),
    "alphaIsTransparency": ((_Words("Alpha Is Transparency", "Alpha 是透明度"),), {}),
    "convertToNormalmap": ((_Words("Create from Grayscale", "从灰度创建"),), {}),
    "singleChannelComponent": ((_Words("Channel", "通道"),), _CHANNELS),
    "spriteImportMode": ((_Words("Sprite Mode", "Sprite 模式"),), _SPRITES),
    "npotScale": ((_ADVANCED, _Words("Non-Power of 2", "非 2 的幂")), _NPOT),
    "isReadable": ((_ADVANCED, _Words("Read/Write", "读/写")), {}),
    "wrapModeU": ((_WRAP, _Words("U axis", "U 轴")), _WRAPS),
    "wrapModeV": ((_WRAP, _Words("V axis", "V 轴")), _WRAPS),
    "filterMode": ((_Words("Filter Mode", "过滤模式"),), _FILTERS),
    "mipmapFilter": ((_ADVANCED, _Words("Mip Map Filtering", "Mip Map 过滤")), _MIP_FILTERS),
    "mipMapBias": ((_ADVANCED, _Words("Mip Map Bias", "Mip Map 偏差")), {}),
    "streamingMipmaps": ((_ADVANCED, _Words("Mip Streaming", "Mip 流式处理")), {}),
    "vtOnly": ((_ADVANCED, _Words("Virtual Texture Only", "仅虚拟纹理")), {}),
}
_SINCE_2022: Mapping[str, Option] = {
    "flipGreenChannel": ((_Words("Flip Green Channel", "翻转绿色通道"),), {}),
    "swizzle": ((_Words("Swizzle", "混合 (Swizzle)"),), {}),
}
_PLATFORM_SETTINGS: Mapping[str, Option] = {
    "maxTextureSize": ((_Words("Max Size", "最大大小"),), {}),
    "format": ((_Words("Format", "格式"),), {"Automatic": _Words("Automatic", "自动")}),
    "textureCompression": ((_Words("Compression", "压缩"),), _COMPRESSIONS),
    "crunchedCompression": ((_Words("Use Crunch Compression", "使用 Crunch 压缩"),), {}),
}
_PLATFORMS: Mapping[str, _Words] = {
    DEFAULT: _Words("Default", "默认"),
    "Standalone": _same("Windows, Mac, Linux"),
    "Server": _Words("Dedicated Server", "专用服务器"),
    **dict.fromkeys(("iPhone", "iOS"), _same("iOS")),
    "tvOS": _same("tvOS"),
    "Android": _same("Android"),
    "WebGL": _same("WebGL"),
    **dict.fromkeys(
        ("Windows Store Apps", "WindowsStoreApps"), _Words("Universal Windows Platform", "通用 Windows 平台")
    ),
    "PS4": _same("PS4"),
    "PS5": _same("PS5"),
    "XboxOne": _same("Xbox One"),
    "GameCoreXboxOne": _same("Xbox One"),
    "GameCoreScarlett": _same("Xbox Series X|S"),
    **dict.fromkeys(("Nintendo Switch", "NintendoSwitch", "Switch"), _same("Nintendo Switch")),
    "LinuxHeadlessSimulation": _Words("Linux Headless Simulation", "Linux 无头模拟"),
    "CloudRendering": _Words("Linux Headless Simulation", "Linux 无头模拟"),
    "EmbeddedLinux": _Words("Embedded Linux", "嵌入式 Linux"),
}
_PLATFORMS_2021 = {**_PLATFORMS, "Stadia": _same("Stadia"), "Lumin": _same("Lumin")}
_PLATFORMS_2022 = {**_PLATFORMS_2021, "VisionOS": _same("visionOS"), "QNX": _same("QNX")}
_PLATFORMS_6000 = {
    **_PLATFORMS,
    "Android": _same("Android™"),
    "WebGL": _same("Web"),
    "PS4": _same("PlayStation®4"),
    "PS5": _same("PlayStation®5"),
    **dict.fromkeys(("Nintendo Switch", "NintendoSwitch", "Switch"), _same("Nintendo Switch™")),
    **dict.fromkeys(("Nintendo Switch 2", "NintendoSwitch2", "Switch2"), _same("Nintendo Switch™ 2")),
    "VisionOS": _same("visionOS"),
    "QNX": _same("QNX®"),
    "Kepler": _same("Kepler"),
}
_OVERRIDE = _Words("Override For {platform}", "覆盖 {platform}")


def _table(settings: Mapping[str, Option], platforms: Mapping[str, _Words]) -> Mapping[str, Option]:
    """Returns the labels of all settings, also of those that belong to a platform."""
    own = {
        f"{name}.{setting}": ((platform, *path), values)
        for name, platform in platforms.items()
        for setting, (path, values) in _PLATFORM_SETTINGS.items()
    }
    overrides: dict[str, Option] = {
        f"{name}.overridden": ((platform, _override(platform)), {})
        for name, platform in platforms.items()
        if name != DEFAULT
    }
    return {**settings, **own, **overrides}


def _override(platform: _Words) -> _Words:
    return _Words(_OVERRIDE.en.format(platform=platform.en), _OVERRIDE.zh.format(platform=platform.zh))


UNITY2021 = _table({**_SETTINGS, **_mipmaps("Generate Mip Maps")}, _PLATFORMS_2021)
UNITY2022 = _table({**_SETTINGS, **_SINCE_2022, **_mipmaps("Generate Mipmaps")}, _PLATFORMS_2022)
UNITY6 = _table({**_SETTINGS, **_SINCE_2022, **_mipmaps("Generate Mipmap")}, _PLATFORMS_6000)
"""Of 6000.0 and later: 6000.3 shows the same words."""


def option_labels(table: Mapping[str, Option], locale: str) -> Mapping[str, OptionLabel]:
    """Returns the labels of a table in Chinese or English."""
    language = "zh" if locale.lower().startswith("zh") else "en"

    def label(option: Option) -> OptionLabel:
        path, values = option
        named = {value: getattr(words, language) for value, words in values.items()}
        return OptionLabel(" › ".join(getattr(words, language) for words in path), named)

    return {name: label(option) for name, option in table.items()}
