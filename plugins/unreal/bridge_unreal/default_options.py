"""The properties of a `Texture2D` that nobody has changed, in each Unreal that they were looked up for.

They follow Unreal's documentation of texture assets, which gives the same for all of these versions; no
editor has confirmed them. An import may set others, as for a picture that it takes for a normal map.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_UNREAL: Mapping[str, Any] = {
    "compression_settings": "TC_DEFAULT", "compression_no_alpha": False, "srgb": True,
    "lod_group": "TEXTUREGROUP_WORLD", "mip_gen_settings": "TMGS_FROM_TEXTURE_GROUP", "max_texture_size": 0,
    "flip_green_channel": False, "virtual_texture_streaming": False, "never_stream": False,
    "lossy_compression_amount": "TLCA_DEFAULT", "power_of_two_mode": "NONE", "address_x": "TA_WRAP",
    "address_y": "TA_WRAP", "filter": "TF_DEFAULT", "lod_bias": 0,
}  # fmt: skip

DEFAULT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "4.27.2-18319896+++UE4+Release-4.27": _UNREAL,
    "5.0.0-19505902+++UE5+Release-5.0": _UNREAL,
    "5.1.1-23901901+++UE5+Release-5.1": _UNREAL,
    "5.3.2-29314046+++UE5+Release-5.3": _UNREAL,
    "5.4.4-35576357+++UE5+Release-5.4": _UNREAL,
    "5.6.1-44394996+++UE5+Release-5.6": _UNREAL,
}
"""By version, as Unreal prints it, oldest first."""
