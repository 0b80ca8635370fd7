"""Pictures of a texture in use, before and after a change of its import settings.

A tile of the surface under one light, the surface from afar, or texels at four times their size: whichever
shows the difference. Lighting is Blinn-Phong in tangent space with the light from the upper left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.block_encoders import FORMATS, BlockFormat, encoder
from accel.image.codecs import block_decoders
from accel.image.color import encode_srgb
from accel.image.inspect import encode_preview
from accel.image.open_raster import open_raster
from accel.image.pixel_data import full_scale, vips_image
from accel.texture.workloads import ImportState, LitPreview, PreviewLit, Scene
from accel.workload import Input, Limits, Output, OutputFile

Floats = NDArray[np.floating[Any]]

LIGHT = np.array([-0.55, 0.62, 0.56], np.float32) / np.float32(np.linalg.norm([-0.55, 0.62, 0.56]))
"""Towards the light: x right, y up, z out of the surface."""
HALF = (LIGHT + np.eye(3)[2]) / np.linalg.norm(LIGHT + np.eye(3)[2])
"""Between the light and the eye, which looks straight at the surface."""
AMBIENT = np.float32(0.18)
GREY = np.float32(0.42)
"""Albedo of a surface whose colours aren't known, linear."""
DOME = 0.55
"""Slope at the edge of the dome that a map without relief is shown on: a plane has one highlight or none."""
RELIEF = np.float32(0.02)
"""Height of a white texel above a black one, as a share of the tile's side."""
ZOOM = 4
NEAR, FAR = 1.0, 10.0
"""Distances of the lower and upper edge of the surface that is seen from afar, in heights of the eye."""
FAR_SIDE = 512
"""Texels a side of the texture that is seen from afar."""
REPEATS = 2.5
"""How often the texture repeats across the lower edge."""


def preview_lit(inputs: Sequence[Input], params: PreviewLit, limits: Limits) -> Output:
    """Draws both pictures; the second input is the albedo of the same material."""
    stored = _open(inputs[0], limits)
    albedo = _open(inputs[1], limits) if len(inputs) > 1 else None
    scene = params.scene if params.scene != "auto" else _telling_scene(params, stored)
    pictures = [_draw(stored, state, params, scene, albedo) for state in (params.before, params.after)]
    before, after = (np.round(picture * 255).astype(np.uint8) for picture in pictures)
    difference = float(np.abs(before.astype(np.float32) - after).mean())
    files = [
        OutputFile(name, f"image/{params.format}", encode_preview(vips_image(pixels, "srgb"), params.format))
        for name, pixels in (("before", before), ("after", after))
    ]
    return Output(LitPreview(scene, round(difference, 3), params.size, params.size), files)


def _open(source: Input, limits: Limits) -> Floats:
    """Returns stored values, 0..1, height x width x 3 or 4. Raises WorkloadError."""
    image = open_raster(source, limits, "linear", levels=False)
    values = image.pixels.astype(np.float32) / np.float32(full_scale(image.pixels.dtype))
    colors = values[..., :3] if values.shape[2] >= 3 else np.repeat(values[..., :1], 3, axis=2)
    alpha = [values[..., -1:]] if image.has_alpha else []
    return np.concatenate([np.clip(colors, 0, 1), *alpha], axis=2)


def _telling_scene(params: PreviewLit, stored: Floats) -> Scene:
    """Returns the scene that shows what differs between both states."""
    before, after = params.before, params.after
    lit = ("kind", "color_space", "normal_convention")
    if any(getattr(before, name) != getattr(after, name) for name in lit):
        return "lit"
    if before.mipmaps != after.mipmaps:
        return "far"
    return "detail" if before.compression != after.compression else "lit"


def _draw(
    stored: Floats, state: ImportState, params: PreviewLit, scene: Scene, albedo: Floats | None
) -> Floats:
    """Returns a picture as sRGB codes 0..1, size x size x 3."""
    size = params.size
    if scene == "detail":
        texels = _centre(stored, -(-size // ZOOM))
        shown = np.repeat(np.repeat(_compressed(texels, state, params.kind), ZOOM, axis=0), ZOOM, axis=1)
        return _over_checks(shown[:size, :size])
    if scene == "far":
        stored = _fit(stored, FAR_SIDE)
        if params.kind in SURFACE:
            # Repeated domes would be bands.
            tile = _lit(stored, state, params.kind, albedo, slope=0)
        else:
            tile = _decode(stored[..., :3], True)
        return encode_srgb(_from_afar(tile, size, mipmaps=state.mipmaps is True))
    tile = _compressed(_fit(stored, size), state, params.kind)
    if params.kind not in SURFACE:
        shown = _decode(tile[..., :3], state.color_space != "linear")
        return _over_checks(np.concatenate([encode_srgb(shown), tile[..., 3:]], axis=2))
    return encode_srgb(_lit(tile, state, params.kind, None if albedo is None else _fit(albedo, size)))


SURFACE = frozenset({"normal", "height", "roughness", "specular", "ao", "packed"})
"""Kinds that are only seen through light."""


def _lit(stored: Floats, state: ImportState, kind: str, albedo: Floats | None, slope: float = DOME) -> Floats:
    """Returns the linear light of the surface that the texture describes as it is imported.

    `slope` is that of the dome's edge, on which maps without relief are shown.
    """
    height, width = stored.shape[:2]
    # A GPU decodes sRGB before the shader reads the values, whatever they mean.
    values = _decode(stored[..., :3], state.color_space == "srgb")
    color = np.full((height, width, 3), GREY, np.float32)
    if albedo is not None:
        color = _decode(_fit_to(albedo[..., :3], height, width), True)
    normals = _dome(height, width, slope)
    gloss, metal, occlusion = (np.full((height, width), level, np.float32) for level in (0.55, 0, 1))
    if kind == "normal":
        normals = _unpack(values, state)
    elif kind == "height":
        normals = _slopes(values[..., 0])
    elif kind == "roughness":
        gloss = 1 - values[..., 0]
    elif kind == "specular":
        gloss, metal = np.full_like(gloss, 0.6), values[..., 0]
    elif kind == "ao":
        occlusion = values[..., 0]
    else:
        # Occlusion, roughness, metallic: the order of glTF.
        occlusion, gloss, metal = values[..., 0], 1 - values[..., 1], values[..., 2]
    return _shade(normals, color, gloss, metal, occlusion)


def _shade(normals: Floats, color: Floats, gloss: Floats, metal: Floats, occlusion: Floats) -> Floats:
    """Blinn-Phong (J. Blinn, 1977) with the exponent of a roughness: 2 / roughness^4 - 2 (B. Karis, 2013)."""
    facing = np.clip(normals @ LIGHT, 0, None)
    roughness = np.clip(1 - gloss, 0.08, 1)
    exponent = np.maximum(2 / roughness**4 - 2, 0)
    # Energy is conserved by (n + 8) / 8: a sharp highlight is bright and small.
    shine = np.clip(normals @ HALF, 0, 1) ** exponent * (exponent + 8) / 8 * facing
    metallic = metal[..., None]
    reflected = 0.04 * (1 - metallic) + color * metallic
    light = color * (1 - metallic * 0.7) * (AMBIENT + facing[..., None])
    shaded = (light + reflected * np.minimum(shine, 2)[..., None]) * occlusion[..., None]
    return np.asarray(np.clip(shaded, 0, 1), np.float32)


def _unpack(values: Floats, state: ImportState) -> Floats:
    """Returns the unit vectors that a shader reads: z is computed from x and y."""
    xy = values[..., :2] * 2 - 1
    if state.normal_convention == "directx":
        xy[..., 1] = -xy[..., 1]
    z = np.sqrt(np.clip(1 - (xy**2).sum(axis=2, keepdims=True), 0.0025, None))
    return _unit(np.concatenate([xy, z], axis=2))


def _slopes(heights: Floats) -> Floats:
    side = max(heights.shape)
    gradient: list[Floats] = list(np.gradient(np.pad(heights, 1, mode="wrap")))
    down, across = gradient
    scale = RELIEF * side
    slope = np.stack([-across[1:-1, 1:-1] * scale, down[1:-1, 1:-1] * scale], axis=2)
    return _unit(np.concatenate([slope, np.ones_like(slope[..., :1])], axis=2))


def _dome(height: int, width: int, slope: float) -> Floats:
    """Returns the normals of a gentle dome over the tile."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (x + 0.5) / width * 2 - 1, 1 - (y + 0.5) / height * 2
    return _unit(np.stack([x * slope, y * slope, np.ones_like(x)], axis=2))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=2, keepdims=True), np.float32)


def _from_afar(tile: Floats, size: int, *, mipmaps: bool) -> Floats:
    """Returns a plane in perspective, tiled with the texture; without mipmaps each pixel takes one texel."""
    levels = [tile]
    while mipmaps and min(levels[-1].shape[:2]) >= 2:
        last = levels[-1]
        even = last[: last.shape[0] // 2 * 2, : last.shape[1] // 2 * 2]
        levels.append((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)
    rows = (np.arange(size, dtype=np.float32) + 0.5) / size
    # On screen, the inverse of the distance is linear.
    distance = 1 / (1 / FAR + (1 / NEAR - 1 / FAR) * rows)
    columns = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    u = columns[None, :] * distance[:, None] * REPEATS
    v = np.broadcast_to((distance * REPEATS / 2)[:, None], u.shape)
    # Trilinear filtering takes the level of the longer side of a pixel's footprint.
    across = distance * REPEATS / size * tile.shape[1]
    along = np.abs(np.gradient(distance)) * REPEATS / 2 * tile.shape[0]
    level = np.clip(np.log2(np.maximum(np.maximum(across, along), 1)), 0, len(levels) - 1)
    picture = np.empty((size, size, 3), np.float32)
    for row in range(size):
        low, share = int(level[row]), level[row] % 1
        near = _row(levels[low], u[row], v[row])
        far = _row(levels[min(low + 1, len(levels) - 1)], u[row], v[row])
        picture[row] = near * (1 - share) + far * share
    return picture


def _row(level: Floats, u: Floats, v: Floats) -> Floats:
    height, width = level.shape[:2]
    texels: Floats = level[(v * height).astype(int) % height, (u * width).astype(int) % width]
    return texels


def _compressed(texels: Floats, state: ImportState, kind: str) -> Floats:
    """Returns the texels as the GPU would read them, as sRGB codes with alpha."""
    if state.compression not in ("block", "block_high"):
        return texels
    height, width = texels.shape[:2]
    codes = np.pad(
        np.round(texels * 255).astype(np.uint8), ((0, -height % 4), (0, -width % 4), (0, 0)), "edge"
    )
    format = _block_format(state, kind, alpha=codes.shape[2] > 3 and bool((codes[..., 3] < 255).any()))
    data = encoder(format, "fast", False)(codes)
    decoded = block_decoders.decode_plain(format.codec, data, codes.shape[1], codes.shape[0])
    decoded = decoded[:height, :width]
    values = decoded.astype(np.float32) / 255
    if format.channels == "rg":
        xy = values[..., :2] * 2 - 1
        z = np.sqrt(np.clip(1 - (xy**2).sum(axis=2, keepdims=True), 0, 1))
        return np.concatenate([values[..., :2], z * 0.5 + 0.5], axis=2)
    return values[..., : texels.shape[2]] if values.shape[2] >= texels.shape[2] else values


def _block_format(state: ImportState, kind: str, *, alpha: bool) -> BlockFormat:
    if kind == "normal" and state.kind == "normal":
        return FORMATS["bc5"]
    if state.compression == "block_high":
        return FORMATS["bc7"]
    return FORMATS["bc3" if alpha else "bc1"]


def _over_checks(codes: Floats) -> Floats:
    """Returns the picture on a pattern of light squares where it is transparent."""
    if codes.shape[2] == 3:
        return codes
    y, x = np.mgrid[0 : codes.shape[0], 0 : codes.shape[1]] // 8
    checks = np.where((x + y) % 2, 0.72, 0.82).astype(np.float32)[..., None]
    alpha = codes[..., 3:]
    return np.asarray(codes[..., :3] * alpha + checks * (1 - alpha), np.float32)


def _decode(codes: Floats, srgb: bool) -> Floats:
    if not srgb:
        return codes
    return np.asarray(np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4), np.float32)


def _centre(values: Floats, side: int) -> Floats:
    """Returns the square with the most contrast; a texture that is smaller is repeated."""
    repeats = [-(-side // length) for length in values.shape[:2]]
    values = np.tile(values, (*repeats, 1)) if max(repeats) > 1 else values
    steps = [
        sorted({*range(0, length - side + 1, max(1, side // 2)), length - side})
        for length in values.shape[:2]
    ]
    squares = ((top, left) for top in steps[0] for left in steps[1])
    top, left = max(
        squares, key=lambda at: float(values[at[0] : at[0] + side : 4, at[1] : at[1] + side : 4, :3].var())
    )
    return values[top : top + side, left : left + side]


def _fit(values: Floats, size: int) -> Floats:
    """Returns a square of the texture at its own scale, or shrunk by whole blocks so that it fits."""
    factor = max(1, min(values.shape[:2]) // size)
    if factor > 1:
        height, width = (side // factor * factor for side in values.shape[:2])
        blocks = values[:height, :width].reshape(height // factor, factor, width // factor, factor, -1)
        values = blocks.mean(axis=(1, 3))
    return _centre(values, size)


def _fit_to(values: Floats, height: int, width: int) -> Floats:
    """Returns the texture with as many texels, each the nearest."""
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return values[np.ix_(rows, columns)]
