"""The properties of `Texture2D` in the words of Unreal's Details panel.

Source: display names in the engine's headers `TextureDefines.h`, `Texture.h` and `Texture2D.h`.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.api import OptionLabel

_COMPRESSIONS = {
    "TC_DEFAULT": "Default (DXT1/5, BC1/3 on DX11)", "TC_NORMALMAP": "Normalmap (DXT5, BC5 on DX11)",
    "TC_MASKS": "Masks (no sRGB)", "TC_GRAYSCALE": "Grayscale (G8/16, RGB8 sRGB)",
    "TC_DISPLACEMENTMAP": "Displacementmap (G8/16)",
    "TC_VECTOR_DISPLACEMENTMAP": "VectorDisplacementmap (RGBA8)", "TC_HDR": "HDR (RGBA16F, no sRGB)",
    "TC_EDITOR_ICON": "UserInterface2D (RGBA)", "TC_ALPHA": "Alpha (no sRGB, BC4 on DX11)",
    "TC_DISTANCE_FIELD_FONT": "DistanceFieldFont (G8)",
    "TC_HDR_COMPRESSED": "HDR Compressed (RGB, BC6H, DX11)", "TC_BC7": "BC7 (DX11, optional A)",
    "TC_HALF_FLOAT": "Half Float (R16F)",
}  # fmt: skip
_NEWER_COMPRESSIONS = {
    "TC_SINGLE_FLOAT": "Single Float (R32F)",
    "TC_HDR_F32": "HDR High Precision (RGBA32F)",
}
_GROUPS = {
    "TEXTUREGROUP_WORLD": "World", "TEXTUREGROUP_WORLD_NORMAL_MAP": "WorldNormalMap",
    "TEXTUREGROUP_WORLD_SPECULAR": "WorldSpecular", "TEXTUREGROUP_CHARACTER": "Character",
    "TEXTUREGROUP_CHARACTER_NORMAL_MAP": "CharacterNormalMap",
    "TEXTUREGROUP_CHARACTER_SPECULAR": "CharacterSpecular", "TEXTUREGROUP_WEAPON": "Weapon",
    "TEXTUREGROUP_WEAPON_NORMAL_MAP": "WeaponNormalMap", "TEXTUREGROUP_WEAPON_SPECULAR": "WeaponSpecular",
    "TEXTUREGROUP_VEHICLE": "Vehicle", "TEXTUREGROUP_VEHICLE_NORMAL_MAP": "VehicleNormalMap",
    "TEXTUREGROUP_VEHICLE_SPECULAR": "VehicleSpecular", "TEXTUREGROUP_CINEMATIC": "Cinematic",
    "TEXTUREGROUP_EFFECTS": "Effects", "TEXTUREGROUP_EFFECTS_NOT_FILTERED": "EffectsNotFiltered",
    "TEXTUREGROUP_SKYBOX": "Skybox", "TEXTUREGROUP_UI": "UI",
    "TEXTUREGROUP_PIXELS2D": "2D Pixels (unfiltered)",
}  # fmt: skip
_MIPS = {
    "TMGS_FROM_TEXTURE_GROUP": "FromTextureGroup", "TMGS_SIMPLE_AVERAGE": "SimpleAverage",
    "TMGS_NO_MIPMAPS": "NoMipmaps", "TMGS_LEAVE_EXISTING_MIPS": "LeaveExistingMips",
    "TMGS_UNFILTERED": "Unfiltered", "TMGS_ANGULAR": "Angular",
    **{f"TMGS_SHARPEN{n}": f"Sharpen{n}" for n in range(11)},
    **{f"TMGS_BLUR{n}": f"Blur{n}" for n in range(1, 6)},
}  # fmt: skip
_POWERS = {
    "NONE": "None",
    "PAD_TO_POWER_OF_TWO": "Pad to power of two",
    "PAD_TO_SQUARE_POWER_OF_TWO": "Pad to square power of two",
}
_NEWER_POWERS = {
    "STRETCH_TO_POWER_OF_TWO": "Stretch to power of two",
    "STRETCH_TO_SQUARE_POWER_OF_TWO": "Stretch to square power of two",
    "RESIZE_TO_SPECIFIC_RESOLUTION": "Resize to specific resolution",
}
_LOSSY = {
    f"TLCA_{name.upper()}": name for name in ("Default", "None", "Lowest", "Low", "Medium", "High", "Highest")
}
_ADDRESSES = {"TA_WRAP": "Wrap", "TA_CLAMP": "Clamp", "TA_MIRROR": "Mirror"}
_FILTERS = {
    "TF_NEAREST": "Nearest", "TF_BILINEAR": "Bi-linear", "TF_TRILINEAR": "Tri-linear",
    "TF_DEFAULT": "Default (from Texture Group)",
}  # fmt: skip


def labels(*, newer: bool) -> Mapping[str, OptionLabel]:
    """Returns the labels by property; `newer`: with the values that 5.1 added."""
    return {
        "compression_settings": OptionLabel(
            "Compression › Compression Settings", _COMPRESSIONS | (_NEWER_COMPRESSIONS if newer else {})
        ),
        "compression_no_alpha": OptionLabel("Compression › Compress Without Alpha"),
        "lossy_compression_amount": OptionLabel("Compression › Lossy Compression Amount", _LOSSY),
        "max_texture_size": OptionLabel("Compression › Maximum Texture Size"),
        "srgb": OptionLabel("Texture › sRGB"),
        "flip_green_channel": OptionLabel("Texture › Flip Green Channel"),
        "address_x": OptionLabel("Texture › X-axis Tiling Method", _ADDRESSES),
        "address_y": OptionLabel("Texture › Y-axis Tiling Method", _ADDRESSES),
        "filter": OptionLabel("Texture › Filter", _FILTERS),
        "power_of_two_mode": OptionLabel(
            "Texture › Power Of Two Mode" if newer else "Texture › Padding",
            _POWERS | (_NEWER_POWERS if newer else {}),
        ),
        "virtual_texture_streaming": OptionLabel("Texture › Virtual Texture Streaming"),
        "never_stream": OptionLabel("Texture › Never Stream"),
        "mip_gen_settings": OptionLabel("Level Of Detail › Mip Gen Settings", _MIPS),
        "lod_group": OptionLabel("Level Of Detail › Texture Group", _GROUPS),
    }


OLDER, NEWER = labels(newer=False), labels(newer=True)
"""Of 4.27 and 5.0, and from 5.1 on."""
