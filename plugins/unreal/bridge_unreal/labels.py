"""The properties of `Texture2D` in the words of Unreal's Details panel, by version.

English: `DisplayName` and `Category` in the engine's headers `TextureDefines.h`, `Texture.h`, `Texture2D.h`
and `StreamableRenderAsset.h` of 4.27, 5.0, 5.2, 5.3 and 5.8; a property or value without one is shown by
its name, split into words (`FName::NameToDisplayString`). Words of 5.5 to 5.7 come from a public plugin that
repeats them. Chinese: Epic's documentation where it names the setting; otherwise a translation of ours, as
docs/reference/unreal-apis.md says.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from packaging.version import Version

from bridge.api import OptionLabel


class _Words(Struct, frozen=True):
    """A word of the Details panel in English and Chinese."""

    en: str
    zh: str


Values = Mapping[str, _Words]
Option = tuple[tuple[_Words, ...], Values]
"""The headings and the name, and the values; switches and numbers have none."""
Table = Mapping[str, Option]

_W = _Words
_COMPRESSIONS_4_27: Values = {
    "TC_DEFAULT": _W("Default (DXT1/5, BC1/3 on DX11)", "默认 (DXT1/5，DX11 上为 BC1/3)"),
    "TC_NORMALMAP": _W("Normalmap (DXT5, BC5 on DX11)", "法线贴图 (DXT5，DX11 上为 BC5)"),
    "TC_MASKS": _W("Masks (no sRGB)", "遮罩 (无 sRGB)"),
    "TC_GRAYSCALE": _W("Grayscale (R8, RGB8 sRGB)", "灰阶 (R8，RGB8 sRGB)"),
    "TC_DISPLACEMENTMAP": _W("Displacementmap (8/16bit)", "置换贴图 (8/16 位)"),
    "TC_VECTOR_DISPLACEMENTMAP": _W("VectorDisplacementmap (RGBA8)", "向量置换贴图 (RGBA8)"),
    "TC_HDR": _W("HDR (RGB, no sRGB)", "HDR (RGB，无 sRGB)"),
    "TC_EDITOR_ICON": _W("UserInterface2D (RGBA)", "用户界面 2D (RGBA)"),
    "TC_ALPHA": _W("Alpha (no sRGB, BC4 on DX11)", "Alpha (无 sRGB，DX11 上为 BC4)"),
    "TC_DISTANCE_FIELD_FONT": _W("DistanceFieldFont (R8)", "距离场字体 (R8)"),
    "TC_HDR_COMPRESSED": _W("HDRCompressed (RGB, BC6H, DX11)", "HDR 压缩 (RGB，BC6H，DX11)"),
    "TC_BC7": _W("BC7 (DX11, optional A)", "BC7 (DX11，可选 A)"),
    "TC_HALF_FLOAT": _W("Half Float (R16F)", "半浮点 (R16F)"),
}
_COMPRESSIONS_5_1: Values = {
    **_COMPRESSIONS_4_27,
    "TC_GRAYSCALE": _W("Grayscale (G8/16, RGB8 sRGB)", "灰阶 (G8/16，RGB8 sRGB)"),
    "TC_DISPLACEMENTMAP": _W("Displacementmap (G8/16)", "置换贴图 (G8/16)"),
    "TC_HDR": _W("HDR (RGBA16F, no sRGB)", "HDR (RGBA16F，无 sRGB)"),
    "TC_DISTANCE_FIELD_FONT": _W("DistanceFieldFont (G8)", "距离场字体 (G8)"),
    "TC_HDR_COMPRESSED": _W("HDR Compressed (RGB, BC6H, DX11)", "HDR 压缩 (RGB，BC6H，DX11)"),
    "TC_SINGLE_FLOAT": _W("Single Float (R32F)", "单精度浮点 (R32F)"),
    "TC_HDR_F32": _W("HDR High Precision (RGBA32F)", "HDR 高精度 (RGBA32F)"),
}
_COMPRESSIONS_5_5: Values = {
    **_COMPRESSIONS_5_1,
    "TC_DEFAULT": _W("Default (BC1 or BC3 with A)", "默认 (BC1，有 Alpha 时为 BC3)"),
    "TC_NORMALMAP": _W("Normalmap (BC5)", "法线贴图 (BC5)"),
    "TC_EDITOR_ICON": _W("UserInterface2D (RGBA8)", "用户界面 2D (RGBA8)"),
    "TC_ALPHA": _W("Alpha (no sRGB, BC4)", "Alpha (无 sRGB，BC4)"),
    "TC_HDR_COMPRESSED": _W("HDR Compressed (RGB, BC6H)", "HDR 压缩 (RGB，BC6H)"),
    "TC_BC7": _W("BC7 (RGBA)", "BC7 (RGBA)"),
}
_COMPRESSIONS_5_8: Values = {
    **_COMPRESSIONS_5_5,
    "TC_GRAYSCALE": _W("Grayscale (G8/16) from source R", "灰阶 (G8/16)，取自源 R"),
    "TC_DISPLACEMENTMAP": _W("Displacementmap (G8/16) from source A", "置换贴图 (G8/16)，取自源 A"),
    "TC_EDITOR_ICON": _W("Uncompressed (RGBA8)", "未压缩 (RGBA8)"),
    "TC_ALPHA": _W("Alpha (no sRGB, BC4) from source R", "Alpha (无 sRGB，BC4)，取自源 R"),
    "TC_DISTANCE_FIELD_FONT": _W("DistanceFieldFont (G8) from source A", "距离场字体 (G8)，取自源 A"),
    "TC_HDR_COMPRESSED": _W("HDR Compressed (BC6H)", "HDR 压缩 (BC6H)"),
    "TC_BC7": _W("BC7 Compressed (BC7)", "BC7 压缩 (BC7)"),
}
_GROUPS: Values = {
    "TEXTUREGROUP_WORLD": _W("World", "世界"),
    "TEXTUREGROUP_WORLD_NORMAL_MAP": _W("WorldNormalMap", "世界法线贴图"),
    "TEXTUREGROUP_WORLD_SPECULAR": _W("WorldSpecular", "世界高光度"),
    "TEXTUREGROUP_CHARACTER": _W("Character", "角色"),
    "TEXTUREGROUP_CHARACTER_NORMAL_MAP": _W("CharacterNormalMap", "角色法线贴图"),
    "TEXTUREGROUP_CHARACTER_SPECULAR": _W("CharacterSpecular", "角色高光度"),
    "TEXTUREGROUP_WEAPON": _W("Weapon", "武器"),
    "TEXTUREGROUP_WEAPON_NORMAL_MAP": _W("WeaponNormalMap", "武器法线贴图"),
    "TEXTUREGROUP_WEAPON_SPECULAR": _W("WeaponSpecular", "武器高光度"),
    "TEXTUREGROUP_VEHICLE": _W("Vehicle", "载具"),
    "TEXTUREGROUP_VEHICLE_NORMAL_MAP": _W("VehicleNormalMap", "载具法线贴图"),
    "TEXTUREGROUP_VEHICLE_SPECULAR": _W("VehicleSpecular", "载具高光度"),
    "TEXTUREGROUP_CINEMATIC": _W("Cinematic", "过场动画"),
    "TEXTUREGROUP_EFFECTS": _W("Effects", "效果"),
    "TEXTUREGROUP_EFFECTS_NOT_FILTERED": _W("EffectsNotFiltered", "效果 (未过滤)"),
    "TEXTUREGROUP_SKYBOX": _W("Skybox", "天空盒"),
    "TEXTUREGROUP_UI": _W("UI", "UI"),
    "TEXTUREGROUP_LIGHTMAP": _W("Lightmap", "光照贴图"),
    "TEXTUREGROUP_RENDER_TARGET": _W("RenderTarget", "渲染目标"),
    "TEXTUREGROUP_MOBILE_FLATTENED": _W("MobileFlattened", "移动平面化"),
    "TEXTUREGROUP_SHADOWMAP": _W("Shadowmap", "阴影贴图"),
    "TEXTUREGROUP_COLOR_LOOKUP_TABLE": _W("ColorLookupTable", "颜色查找表"),
    "TEXTUREGROUP_TERRAIN_HEIGHTMAP": _W("Terrain_Heightmap", "地形高度贴图"),
    "TEXTUREGROUP_TERRAIN_WEIGHTMAP": _W("Terrain_Weightmap", "地形权重贴图"),
    "TEXTUREGROUP_BOKEH": _W("Bokeh", "散景"),
    "TEXTUREGROUP_IES_LIGHT_PROFILE": _W("IESLightProfile", "IES 光源描述文件"),
    "TEXTUREGROUP_PIXELS2D": _W("2D Pixels (unfiltered)", "2D 像素 (未过滤)"),
    "TEXTUREGROUP_HIERARCHICAL_LOD": _W("Hierarchical LOD", "分层 LOD"),
    "TEXTUREGROUP_IMPOSTOR": _W("Impostor Color", "替身颜色"),
    "TEXTUREGROUP_IMPOSTOR_NORMAL_DEPTH": _W("Impostor Normal and Depth", "替身法线和深度"),
    "TEXTUREGROUP_8_BIT_DATA": _W("8 Bit Data", "8 位数据"),
    "TEXTUREGROUP_16_BIT_DATA": _W("16 Bit Data", "16 位数据"),
    **{f"TEXTUREGROUP_PROJECT{n:02}": _W(f"Project Group {n:02}", f"项目组 {n:02}") for n in range(1, 33)},
}
_MIPS: Values = {
    "TMGS_FROM_TEXTURE_GROUP": _W("FromTextureGroup", "来自纹理组"),
    "TMGS_SIMPLE_AVERAGE": _W("SimpleAverage", "简单平均"),
    "TMGS_NO_MIPMAPS": _W("NoMipmaps", "无 Mip 贴图"),
    "TMGS_LEAVE_EXISTING_MIPS": _W("LeaveExistingMips", "保留现有 Mip"),
    "TMGS_UNFILTERED": _W("Unfiltered", "未过滤"),
    "TMGS_ANGULAR": _W("Angular", "角度"),
    **{f"TMGS_SHARPEN{n}": _W(f"Sharpen{n}", f"锐化 {n}") for n in range(11)},
    **{f"TMGS_BLUR{n}": _W(f"Blur{n}", f"模糊 {n}") for n in range(1, 6)},
}
_POWERS_4_27: Values = {
    "NONE": _W("None", "无"),
    "PAD_TO_POWER_OF_TWO": _W("Pad to Power Of Two", "填充到 2 的幂"),
    "PAD_TO_SQUARE_POWER_OF_TWO": _W("Pad to Square Power Of Two", "填充到 2 的幂的正方形"),
}
_POWERS_5_3: Values = {
    **_POWERS_4_27,
    "STRETCH_TO_POWER_OF_TWO": _W("Stretch to Power Of Two", "拉伸到 2 的幂"),
    "STRETCH_TO_SQUARE_POWER_OF_TWO": _W("Stretch to Square Power Of Two", "拉伸到 2 的幂的正方形"),
    "RESIZE_TO_SPECIFIC_RESOLUTION": _W("Resize to Specific Resolution", "调整为指定分辨率"),
}
_LOSSY_4_27: Values = {
    "TLCA_DEFAULT": _W("Default", "默认"),
    "TLCA_NONE": _W("No lossy compression", "无有损压缩"),
    "TLCA_LOWEST": _W("Lowest (Best image quality, largest filesize)", "最低 (图像质量最好，文件最大)"),
    "TLCA_LOW": _W("Low", "低"),
    "TLCA_MEDIUM": _W("Medium", "中"),
    "TLCA_HIGH": _W("High", "高"),
    "TLCA_HIGHEST": _W("Highest (Worst image quality, smallest filesize)", "最高 (图像质量最差，文件最小)"),
}
_OODLE = {
    "TLCA_NONE": "disabled", "TLCA_LOWEST": "1", "TLCA_LOW": "10", "TLCA_MEDIUM": "20", "TLCA_HIGH": "30",
    "TLCA_HIGHEST": "40",
}  # fmt: skip


def _with_rdo(name: str, words: _Words) -> _Words:
    if (rdo := _OODLE.get(name)) is None:
        return words
    zh = "禁用 Oodle RDO" if rdo == "disabled" else f"Oodle RDO {rdo}"
    return _W(f"{words.en} (Oodle RDO {rdo})", f"{words.zh} ({zh})")


_LOSSY_5_3: Values = {name: _with_rdo(name, words) for name, words in _LOSSY_4_27.items()}
_ADDRESSES: Values = {
    "TA_WRAP": _W("Wrap", "重复"),
    "TA_CLAMP": _W("Clamp", "钳制"),
    "TA_MIRROR": _W("Mirror", "镜像"),
}
_FILTERS: Values = {
    "TF_NEAREST": _W("Nearest", "最近"),
    "TF_BILINEAR": _W("Bi-linear", "双线性"),
    "TF_TRILINEAR": _W("Tri-linear", "三线性"),
    "TF_DEFAULT": _W("Default (from Texture Group)", "默认 (来自纹理组)"),
}
_COMPRESSION, _TEXTURE = _W("Compression", "压缩"), _W("Texture", "纹理")
_DETAIL = _W("Level Of Detail", "细节层次")

_COMMON: Table = {
    "compression_no_alpha": ((_COMPRESSION, _W("Compress Without Alpha", "不带 Alpha 压缩")), {}),
    "max_texture_size": ((_COMPRESSION, _W("Maximum Texture Size", "最大纹理尺寸")), {}),
    "srgb": ((_TEXTURE, _W("sRGB", "sRGB")), {}),
    "flip_green_channel": ((_TEXTURE, _W("Flip Green Channel", "翻转绿色通道")), {}),
    "address_x": ((_TEXTURE, _W("X-axis Tiling Method", "X 轴平铺方法")), _ADDRESSES),
    "address_y": ((_TEXTURE, _W("Y-axis Tiling Method", "Y 轴平铺方法")), _ADDRESSES),
    "filter": ((_TEXTURE, _W("Filter", "过滤器")), _FILTERS),
    "virtual_texture_streaming": ((_TEXTURE, _W("Virtual Texture Streaming", "虚拟纹理流送")), {}),
    "never_stream": ((_DETAIL, _W("Never Stream", "从不流送")), {}),
    "mip_gen_settings": ((_DETAIL, _W("Mip Gen Settings", "Mip 生成设置")), _MIPS),
    "lod_group": ((_DETAIL, _W("Texture Group", "纹理组")), _GROUPS),
    "lod_bias": ((_DETAIL, _W("LOD Bias", "LOD 偏差")), {}),
}


def _table(compressions: Values, lossy: Values, padding: _Words, powers: Values) -> Table:
    return {
        "compression_settings": ((_COMPRESSION, _W("Compression Settings", "压缩设置")), compressions),
        "lossy_compression_amount": (
            (_COMPRESSION, _W("Lossy Compression Amount", "有损压缩量")),
            lossy,
        ),
        "power_of_two_mode": ((_TEXTURE, padding), powers),
        **_COMMON,
    }


_POWER_OF_TWO, _PADDING = _W("Power Of Two Mode", "2 的幂模式"), _W("Padding and Resizing", "填充和调整大小")
_TABLES: Mapping[Version, Table] = {
    Version("4.27"): _table(_COMPRESSIONS_4_27, _LOSSY_4_27, _POWER_OF_TWO, _POWERS_4_27),
    Version("5.1"): _table(_COMPRESSIONS_5_1, _LOSSY_4_27, _POWER_OF_TWO, _POWERS_4_27),
    Version("5.3"): _table(_COMPRESSIONS_5_1, _LOSSY_5_3, _PADDING, _POWERS_5_3),
    Version("5.5"): _table(_COMPRESSIONS_5_5, _LOSSY_5_3, _PADDING, _POWERS_5_3),
    Version("5.8"): _table(_COMPRESSIONS_5_8, _LOSSY_5_3, _PADDING, _POWERS_5_3),
}
"""By the first version that shows them, in order."""


def value_names() -> set[str]:
    """Returns the Python API's names of all values in the tables."""
    return {name for table in _TABLES.values() for _, values in table.values() for name in values}


def option_labels(version: Version, locale: str) -> Mapping[str, OptionLabel]:
    """Returns the labels of a version in Chinese or English."""
    first, *newer = _TABLES
    table = _TABLES[max((each for each in newer if each <= version), default=first)]
    language = "zh" if locale.lower().startswith("zh") else "en"
    return {
        name: OptionLabel(
            " › ".join(getattr(words, language) for words in path),
            {value: getattr(words, language) for value, words in values.items()},
        )
        for name, (path, values) in table.items()
    }


NEWER = option_labels(max(_TABLES), "en")
"""In English, with the values of all versions."""
