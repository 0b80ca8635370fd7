"""Features of position: gradients, patterns, spectrum, layout, borders, symmetry, foreground, size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.texture.value_features import luma_of
from accel.texture.views import (
    THUMB,
    Floats,
    Views,
    centred,
    deviation,
    dot,
    mean,
    median,
    order_statistics,
    share,
    variance,
)


def foreground_shape(view: Views) -> Features:
    """Computes features of the foreground: size, bounding box, roughness, number of pieces and rows.

    The background is transparent or, in opaque images, has the colour of the corner.
    """
    solid, keyed = _figure(view)
    count = _count(solid)
    ground = solid.size - count
    if count == 0:
        solid = ~solid
        count = solid.size
    rows, columns = (np.asarray(solid.any(axis=axis)) for axis in (1, 0))
    tall, wide = np.flatnonzero(rows), np.flatnonzero(columns)
    box = int(tall[-1] - tall[0] + 1) * int(wide[-1] - wide[0] + 1)
    below, beside = solid[1:] != solid[:-1], solid[:, 1:] != solid[:, :-1]
    edge = _count(below) + _count(beside)
    euler = _euler(solid)
    straight = _count(solid[2:, 2:] != solid[1:-1, 2:])
    smooth, upright = below[:, 1:] & below[:, :-1], beside[1:] & beside[:-1]
    places = np.argwhere(solid).astype(np.float32)
    middle = places.mean(axis=0) / THUMB - 0.5
    spread = places.std(axis=0) / THUMB
    return {
        "shape.keyed": float(keyed and ground > 0.02 * solid.size),
        "shape.ground": ground / solid.size,
        "shape.box": box / solid.size,
        "shape.fill": count / box,
        "shape.rough": edge / (4 * np.sqrt(count)),
        "shape.pieces": float(np.sign(euler) * np.log1p(abs(euler))),
        "shape.rows": float(_count(rows[1:] > rows[:-1]) + rows[0]),
        "shape.columns": float(_count(columns[1:] > columns[:-1]) + columns[0]),
        "shape.straight": (_count(smooth) + _count(upright)) / max(1, edge),
        "shape.level": straight / max(1, edge),
        "shape.off_x": abs(float(middle[1])),
        "shape.off_y": float(middle[0]),
        "shape.spread_x": float(spread[1]),
        "shape.spread_y": float(spread[0]),
        "shape.touches": sum(map(share, (solid[0], solid[-1], solid[:, 0], solid[:, -1]))),
    }


def _figure(view: Views) -> tuple[NDArray[np.bool_], bool]:
    """Returns the foreground of the thumbnail, and whether it was separated by colour."""
    solid = view.thumb[3] > 0.5
    if _count(solid) < solid.size:
        return solid, False
    return np.abs(view.thumb[:3] - view.edges[0][:3, :1, None]).max(axis=0) > 0.06, True


def _euler(solid: NDArray[np.bool_]) -> float:
    """Returns the Euler number, roughly pieces minus holes, computed from corner counts."""
    quads = np.zeros((THUMB + 2, THUMB + 2), np.int8)
    quads[1:-1, 1:-1] = solid
    sums = quads[1:, 1:] + quads[:-1, 1:] + quads[1:, :-1] + quads[:-1, :-1]
    return (_count(sums == 1) - _count(sums == 3)) / 4


def _count(found: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(found))


def foreground_sizes(view: Views) -> Features:
    """Computes features of the image's size and format."""
    width, height = view.width, view.height
    return {
        "size.width": float(np.log2(width)),
        "size.height": float(np.log2(height)),
        "size.least": float(np.log2(min(width, height))),
        "size.most": float(np.log2(max(width, height))),
        "size.aspect": float(np.log2(width / height)),
        "size.stretch": abs(float(np.log2(width / height))),
        "size.square": float(width == height),
        "size.powers": float(_power(width)) + float(_power(height)),
        "size.fours": float(width % 4 == 0) + float(height % 4 == 0),
        "size.twice": float(abs(width / height - 2) < 0.02),
        "size.cross": float(abs(width / height - 4 / 3) < 0.01),
        "size.strip": float(max(width, height) / min(width, height) >= 5.9),
        "stored.channels": float(view.channels),
        "stored.depth": float(view.depth),
        "stored.jpeg": float(view.format == "jpeg"),
        "stored.raw": float(view.format in ("tga", "bmp", "psd", "tiff")),
        "stored.blocks": float(view.blocks),
        "stored.peak": float(np.log2(1 + max(0.0, view.peak))),
    }


def _power(side: int) -> bool:
    return side & (side - 1) == 0


Features = dict[str, float]

_BLOCKS = 8
"""Blocks a side of the thumbnail."""


def spatial_features(view: Views) -> Features:
    """Computes all features of position."""
    patches, thumb = luma_of(view.patches), luma_of(view.thumb)
    found: Features = {}
    found |= _grain(view, patches)
    found |= _patterns(patches)
    found |= _gradients("native", patches)
    found |= _gradients("thumb", thumb[None])
    half = _halve(thumb)
    found |= _gradients("half", half[None])
    found |= _gradients("small", _halve(half)[None])
    seen = thumb if view.opaque else thumb * view.thumb[3]
    found |= _seen_gradients(view, found, seen)
    found |= _spectrum("native", patches)
    found |= _spectrum("thumb", thumb[None])
    found |= _layout(view, thumb)
    found |= _places(view.thumb)
    found |= _centre(view.thumb[3], thumb)
    found |= _borders(view)
    found |= _symmetry(view, thumb, seen)
    found |= foreground_shape(view)
    found |= foreground_sizes(view)
    return found


def _grain(view: Views, luma: Floats) -> Features:
    """Computes features of neighbouring texels at full resolution: runs, noise, blocks of 4 and 8."""
    planes = view.patches[:3] if view.opaque else view.patches
    right = np.abs(planes[:, :, :, 1:] - planes[:, :, :, :-1]).max(axis=0)
    down = np.abs(planes[:, :, 1:] - planes[:, :, :-1]).max(axis=0)
    equal_right, equal_down = right < 1e-4, down < 1e-4
    same = equal_right[:, 1:, :] & equal_down[:, :, 1:]
    beside = luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:] + luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1]
    noise = np.abs(luma[:, 1:-1, 1:-1] * 4 - beside)
    columns, by_patch = right.mean(axis=(0, 1)), right.mean(axis=(1, 2))
    means, deviations = luma.mean(axis=(1, 2)), luma.std(axis=(1, 2))
    return {
        "run.right": share(equal_right),
        "run.down": share(equal_down),
        "run.both": share(same),
        "run.pairs": _pairs(equal_right),
        "step.mean": mean(right),
        "step.sharp": share(right > 0.25),
        "step.hard": share(right > 0.6),
        "step.soft": share((right > 1e-4) & (right < 4 / 255)),
        "noise.mean": mean(noise),
        "noise.median": median(noise[::2].ravel()),
        "noise.big": share(noise > 0.3),
        "block.four": _phase(columns, 4),
        "block.eight": _phase(columns, 8),
        "patch.quiet": share(deviations < 2 / 255),
        "patch.std": mean(deviations),
        "patch.std_std": deviation(deviations),
        "patch.mean_std": deviation(means),
        "patch.busy_least": float(by_patch.min()),
        "patch.busy_most": float(by_patch.max()),
        "patch.busy_ratio": float(by_patch.min()) / (float(by_patch.max()) + 0.01),
    }


def _pairs(equal: NDArray[np.bool_]) -> float:
    """Returns whether only every other column has steps, as in pixel art that was enlarged without
    smoothing."""
    even, odd = 1 - share(equal[:, :, 0::2]), 1 - share(equal[:, :, 1::2])
    return abs(even - odd) / (even + odd + 0.01)


def _phase(steps: Floats, period: int) -> float:
    """Returns how much the steps at one phase of `period` stand out."""
    cut = steps[: len(steps) // period * period].reshape(-1, period).mean(axis=0)
    middle = mean(np.sort(cut)[period // 2 - 1 : period // 2 + 1])
    return float((cut.max() - middle) / (cut.mean() + 0.004))


def _patterns(luma: Floats) -> Features:
    """Computes rotation-invariant uniform local binary patterns of 8 neighbours (Ojala et al. 2002)."""
    centre = luma[:, 1:-1, 1:-1] + np.float32(1.5 / 255)
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    size = luma.shape[1] - 2
    code = np.zeros(centre.shape, np.uint8)
    for y, x in reversed(ring):
        # Added, as numpy doesn't vectorise shifts of bytes.
        code += code
        code |= (luma[:, y : y + size, x : x + size] > centre).view(np.uint8)
    counts = np.bincount(code.ravel(), minlength=256)
    shares = np.bincount(_UNIFORM, weights=counts, minlength=10) / code.size
    return {f"lbp.{place}": float(share) for place, share in enumerate(shares)}


def _uniform() -> Floats:
    codes = np.arange(256, dtype=np.uint8)
    bits = np.unpackbits(codes[:, None], axis=1)
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9).astype(np.int64)


_UNIFORM = _uniform()


def _gradients(name: str, luma: Floats) -> Features:
    across = luma[:, :-1, 1:] - luma[:, :-1, :-1]
    along = luma[:, 1:, :-1] - luma[:, :-1, :-1]
    size = np.sqrt(across * across + along * along).ravel()
    total = float(size.sum()) + 1e-3
    ax, ay = np.abs(across).ravel(), np.abs(along).ravel()
    picks = order_statistics(size, [int(place * (len(size) - 1)) for place in (0.25, 0.5, 0.9, 0.99)])
    return {
        f"grad.{name}.mean": total / len(size),
        f"grad.{name}.q25": picks[0],
        f"grad.{name}.q50": picks[1],
        f"grad.{name}.q90": picks[2],
        f"grad.{name}.q99": picks[3],
        f"grad.{name}.peak": float(np.log1p(picks[3] / (picks[1] + 0.002))),
        f"grad.{name}.flat": share(size < 1.5 / 255),
        f"grad.{name}.upright": dot(size, ax > 4 * ay) / total,
        f"grad.{name}.level": dot(size, ay > 4 * ax) / total,
        f"grad.{name}.tilt": (float(ax.sum()) - float(ay.sum())) / total,
    }


def _seen_gradients(view: Views, found: Features, seen: Floats) -> Features:
    """Computes gradients of the thumbnail's visible part and of its alpha."""
    if not view.opaque:
        return _gradients("seen", seen[None]) | _gradients("alpha", view.thumb[3][None])
    begin = "grad.thumb."
    same = {name.removeprefix(begin): value for name, value in found.items() if name.startswith(begin)}
    return {f"grad.seen.{name}": value for name, value in same.items()} | _STILL


_STILL = _gradients("alpha", np.ones((1, THUMB, THUMB), np.float32))

_WINDOWS = {size: np.hanning(size + 2)[1:-1].astype(np.float32) for size in (48, THUMB)}


def _rings(size: int) -> NDArray[np.int64]:
    y, x = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    radius = np.hypot(y, x) * size
    octaves = np.clip(np.floor(np.log2(np.maximum(radius, 0.5))) + 1, 0, 6)
    return np.asarray(octaves, np.int64)


_RINGS = {size: _rings(size) for size in _WINDOWS}


_PER_OCTAVE = np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
"""Weights of five octaves for the slope of their least-squares line."""

_TRACE = 1e-16
"""The slope of constant images, which the model was trained with as a rounding error above 0."""


def _spectrum(name: str, luma: Floats) -> Features:
    """Computes the power spectrum's shares by octave, its slope, and the share on the axes."""
    size = luma.shape[1]
    window = _WINDOWS[size]
    centred = luma - luma.mean(axis=(1, 2), keepdims=True)
    waves = np.fft.rfft2(centred * window[:, None] * window)
    power = (waves.real * waves.real + waves.imag * waves.imag).mean(axis=0)
    sums = np.bincount(_RINGS[size].ravel(), weights=power.ravel(), minlength=7)[1:]
    total = float(sums.sum()) + 1e-4
    shares = sums / total
    found = {f"power.{name}.{place}": float(share) for place, share in enumerate(shares)}
    logs = np.log10(sums[:5] + 1e-5)
    found[f"power.{name}.slope"] = dot(_PER_OCTAVE, logs) + _TRACE
    found[f"power.{name}.axes"] = float(power[0, 3:].sum() + power[3 : size // 2, 0].sum()) / total
    return found


def _layout(view: Views, luma: Floats) -> Features:
    """Computes whether all parts look alike, as in materials, or differ, as in pictures."""
    side = THUMB // _BLOCKS
    blocks = view.thumb.reshape(4, _BLOCKS, side, _BLOCKS, side)
    means = blocks.mean(axis=(2, 4))
    parts = luma.reshape(_BLOCKS, side, _BLOCKS, side).swapaxes(1, 2).reshape(_BLOCKS * _BLOCKS, -1)
    deviations = parts.std(axis=1)
    total = variance(luma) + 1e-5
    rows, columns = luma.mean(axis=1), luma.mean(axis=0)
    color_rows = view.thumb[:3].mean(axis=2)
    steps = np.abs(luma[:, 1:] - luma[:, :-1])
    return {
        "stay.mean": variance(parts.mean(axis=1)) / total,
        "stay.deviation": deviation(deviations) / (mean(deviations) + 0.004),
        "stay.still": share(deviations < 1.5 / 255),
        "stay.quiet": share(deviations < 6 / 255),
        "stay.clear": share(means[3] < 2 / 255),
        "stay.black": share(means[:3].max(axis=0) < 4 / 255),
        "rows.share": variance(rows) / total,
        "columns.share": variance(columns) / total,
        "rows.slope": _slope(rows),
        "columns.slope": _slope(columns),
        "rows.blue": _slope(color_rows[2] - color_rows[0]),
        "rows.top": deviation(luma[:4]),
        "rows.bottom": deviation(luma[-4:]),
        "rows.top_mean": mean(rows[:16]),
        "rows.middle_mean": mean(rows[24:40]),
        "rows.bottom_mean": mean(rows[-16:]),
        "rows.top_detail": mean(steps[:20]),
        "rows.bottom_detail": mean(steps[-20:]),
        "rows.jump": float(np.abs(rows[1:] - rows[:-1]).max()),
        "pole.top": mean(steps[0]),
        "pole.bottom": mean(steps[-1]),
    }


def _places(thumb: Floats) -> Features:
    """Computes brightness, alpha and tint of 4 x 4 parts, row by row."""
    coarse = thumb.reshape(4, 4, 16, 4, 16).mean(axis=(2, 4))
    tint = coarse[:3].max(axis=0) - coarse[:3].min(axis=0)
    grey = luma_of(coarse)
    found: Features = {}
    places = zip(*(one.ravel().tolist() for one in (grey, coarse[3], tint)), strict=True)
    for place, (bright, opaque, colored) in enumerate(places):
        found[f"place.luma{place}"] = bright
        found[f"place.alpha{place}"] = opaque
        found[f"place.tint{place}"] = colored
    return found


def _centre(alpha: Floats, luma: Floats) -> Features:
    """Computes how the centre differs from the whole."""
    centre = luma[16:48, 16:48]
    return {
        "centre.luma": float(centre.mean() - luma.mean()),
        "centre.std": deviation(centre) / (deviation(luma) + 0.01),
        "centre.alpha": float(alpha[16:48, 16:48].mean() - alpha.mean()),
    }


def _slope(values: Floats) -> float:
    return dot(_SLOPE, centred(values)) / len(values)


_SLOPE = np.linspace(-1, 1, THUMB, dtype=np.float32)


def _borders(view: Views) -> Features:
    """Measures the seams of tiling, and whether the border is empty, a frame, or like the inside."""
    found: Features = {}
    for name, lines in (("rows", view.edges), ("columns", view.sides)):
        first, second, before, last = lines
        across = mean(np.abs(first - last))
        inside = max(mean(np.abs(first - second)), mean(np.abs(before - last)))
        found[f"seam.{name}"] = (across - inside) / (across + inside + 1 / 255)
        found[f"seam.{name}_step"] = across
        found[f"border.{name}_inside"] = inside
    border = np.concatenate([view.edges[0], view.edges[3], view.sides[0], view.sides[3]], axis=1)
    corner = view.edges[0][:, :1]
    same = np.abs(border - corner).max(axis=0) < 3 / 255
    everywhere = np.abs(view.sample.reshape(4, -1) - corner).max(axis=0) < 3 / 255
    colors = border[:3]
    return found | {
        "border.same": share(same),
        "border.clear": share(border[3] < 2 / 255),
        "border.black": share(colors.max(axis=0) < 4 / 255),
        "border.white": share(colors.min(axis=0) > 250 / 255),
        "border.std": float(colors.std(axis=1).mean()),
        "border.alpha": mean(border[3]),
        "border.luma": mean(luma_of(colors)),
        "corner.share": share(everywhere),
        "corner.luma": mean(luma_of(corner)),
        "corner.chroma": float(corner[:3].max() - corner[:3].min()),
        "sky.continuous": float(found["seam.columns_step"] - found["seam.rows_step"]),
    }


def _symmetry(view: Views, luma: Floats, seen: Floats) -> Features:
    def mirrored(plane: Floats, *others: Floats) -> list[float]:
        spread = variance(plane)
        if spread <= 1e-4:
            return [1.0] * len(others)
        return [1 - mean((plane - other) ** 2) / (2 * spread) for other in others]

    def both(plane: Floats) -> list[float]:
        return mirrored(plane, plane[:, ::-1], plane[::-1])

    of_luma = both(luma)
    of_seen = of_luma if view.opaque else both(seen)
    of_alpha = [1.0, 1.0] if view.opaque else both(view.thumb[3])
    (half_x,), (half_y,) = mirrored(luma[:, :32], luma[:, 32:]), mirrored(luma[:32], luma[32:])
    return {
        "mirror.luma_x": of_luma[0],
        "mirror.luma_y": of_luma[1],
        "mirror.seen_x": of_seen[0],
        "mirror.seen_y": of_seen[1],
        "mirror.alpha_x": of_alpha[0],
        "mirror.alpha_y": of_alpha[1],
        "mirror.half_x": half_x,
        "mirror.half_y": half_y,
    }


def _halve(plane: Floats) -> Floats:
    columns = plane[:, 0::2] + plane[:, 1::2]
    halved: Floats = (columns[0::2] + columns[1::2]) / np.float32(4)
    return halved
