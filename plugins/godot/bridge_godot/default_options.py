"""The import options of a texture that nobody has changed, in each Godot that they were looked up for.

Those of 3.6 and 4.6 were read from files that these editors wrote, which a test repeats; the others from
`ResourceImporterTexture::get_import_options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_GODOT3: Mapping[str, Any] = {
    "compress/mode": 0, "compress/lossy_quality": 0.7, "compress/hdr_mode": 0, "compress/bptc_ldr": 0,
    "compress/normal_map": 0, "flags/repeat": 0, "flags/filter": True, "flags/mipmaps": False,
    "flags/anisotropic": False, "flags/srgb": 2, "process/fix_alpha_border": True,
    "process/premult_alpha": False, "process/HDR_as_SRGB": False, "process/invert_color": False,
    "process/normal_map_invert_y": False, "stream": False, "size_limit": 0, "detect_3d": True,
    "svg/scale": 1.0,
}  # fmt: skip
_GODOT4: Mapping[str, Any] = {
    "compress/mode": 0, "compress/high_quality": False, "compress/lossy_quality": 0.7,
    "compress/hdr_compression": 1, "compress/normal_map": 0, "compress/channel_pack": 0,
    "mipmaps/generate": False, "mipmaps/limit": -1, "roughness/mode": 0, "roughness/src_normal": "",
    "process/fix_alpha_border": True, "process/premult_alpha": False, "process/normal_map_invert_y": False,
    "process/hdr_as_srgb": False, "process/hdr_clamp_exposure": False, "process/size_limit": 0,
    "detect_3d/compress_to": 1,
}  # fmt: skip
_SINCE_4_5: Mapping[str, Any] = {
    "compress/uastc_level": 0, "compress/rdo_quality_loss": 0.0, "process/channel_remap/red": 0,
    "process/channel_remap/green": 1, "process/channel_remap/blue": 2, "process/channel_remap/alpha": 3,
}  # fmt: skip

DEFAULT_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "3.5.stable.official": _GODOT3,
    "3.6.stable.official": _GODOT3,
    "4.2.stable.official": _GODOT4,
    "4.4.stable.official": _GODOT4,
    "4.6.3.stable.official": {**_GODOT4, **_SINCE_4_5},
}
"""By version, as Godot prints it, oldest first."""
