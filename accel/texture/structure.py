"""Features of places: edges, grain, repetition, layout, borders, symmetry, spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.texture.colors import LUMA
from accel.texture.views import THUMB, Floats, Views

Features = dict[str, float]

_BLOCKS = 8
"""Blocks a side into which the thumbnail is cut."""


def structure(view: Views) -> Features:
    """What is where."""
    patches = np.tensordot(LUMA, view.patches[:3], axes=1)
    thumb = np.tensordot(LUMA, view.thumb[:3], axes=1)
    found: Features = {}
    found |= _grain(view, patches)
    found |= _patterns(patches)
    found |= _gradients("native", patches)
    found |= _gradients("thumb", thumb[None])
    half = _halved(thumb)
    found |= _gradients("half", half[None])
    found |= _gradients("small", _halved(half)[None])
    seen = thumb * view.thumb[3]
    found |= _gradients("seen", seen[None])
    found |= _gradients("alpha", view.thumb[3][None])
    found |= _spectrum("native", patches)
    found |= _spectrum("thumb", thumb[None])
    found |= _layout(view, thumb)
    found |= _borders(view)
    found |= _symmetry(view.thumb, thumb, seen)
    found |= _shape(view)
    found |= _sizes(view)
    return found


def _grain(view: Views, luma: Floats) -> Features:
    """Neighbouring texels at the image's own resolution: equal runs, noise, blocks of 4 and 8."""
    planes = view.patches
    right = np.abs(planes[:, :, :, 1:] - planes[:, :, :, :-1]).max(axis=0)
    down = np.abs(planes[:, :, 1:] - planes[:, :, :-1]).max(axis=0)
    equal_right, equal_down = right < 1e-4, down < 1e-4
    same = equal_right[:, 1:, :] & equal_down[:, :, 1:]
    beside = luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:] + luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1]
    noise = np.abs(luma[:, 1:-1, 1:-1] * 4 - beside)
    columns = right.mean(axis=(0, 1))
    by_patch = right.mean(axis=(1, 2))
    deviations = luma.reshape(len(luma), -1).std(axis=1)
    means = luma.reshape(len(luma), -1).mean(axis=1)
    return {
        "run.right": float(equal_right.mean()),
        "run.down": float(equal_down.mean()),
        "run.both": float(same.mean()),
        "run.pairs": _pairs(equal_right),
        "step.mean": float(right.mean()),
        "step.sharp": float((right > 0.25).mean()),
        "step.hard": float((right > 0.6).mean()),
        "step.soft": float(((right > 1e-4) & (right < 4 / 255)).mean()),
        "noise.mean": float(noise.mean()),
        "noise.median": float(np.median(noise[::2])),
        "noise.big": float((noise > 0.3).mean()),
        "block.four": _phase(columns, 4),
        "block.eight": _phase(columns, 8),
        "patch.quiet": float((deviations < 2 / 255).mean()),
        "patch.std": float(deviations.mean()),
        "patch.std_std": float(deviations.std()),
        "patch.mean_std": float(means.std()),
        "patch.busy_least": float(by_patch.min()),
        "patch.busy_most": float(by_patch.max()),
        "patch.busy_ratio": float(by_patch.min()) / (float(by_patch.max()) + 0.01),
    }


def _pairs(equal: NDArray[np.bool_]) -> float:
    """Whether steps stand at every other column only, as in art that was enlarged without smoothing."""
    even, odd = float((~equal[:, :, 0::2]).mean()), float((~equal[:, :, 1::2]).mean())
    return abs(even - odd) / (even + odd + 0.01)


def _phase(steps: Floats, period: int) -> float:
    """How much steps at one phase of `period` stand out."""
    cut = steps[: len(steps) // period * period].reshape(-1, period).mean(axis=0)
    return float((cut.max() - np.median(cut)) / (cut.mean() + 0.004))


def _patterns(luma: Floats) -> Features:
    """Shares of the rotation-invariant uniform local binary patterns of 8 neighbours (Ojala et al. 2002)."""
    centre = luma[:, 1:-1, 1:-1] + np.float32(1.5 / 255)
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    size = luma.shape[1] - 2
    bits = [luma[:, y : y + size, x : x + size] > centre for y, x in ring]
    code = np.zeros(centre.shape, np.uint8)
    for place, bit in enumerate(bits):
        code |= bit.view(np.uint8) << np.uint8(place)
    shares = np.bincount(_UNIFORM[code].ravel(), minlength=10) / code.size
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
    size = np.hypot(across, along).ravel()
    total = float(size.sum()) + 1e-3
    ax, ay = np.abs(across).ravel(), np.abs(along).ravel()
    ordered = np.sort(size)
    picks = ordered[(np.array([0.25, 0.5, 0.9, 0.99]) * (len(ordered) - 1)).astype(int)]
    mean = total / len(size)
    return {
        f"grad.{name}.mean": mean,
        f"grad.{name}.q25": float(picks[0]),
        f"grad.{name}.q50": float(picks[1]),
        f"grad.{name}.q90": float(picks[2]),
        f"grad.{name}.q99": float(picks[3]),
        f"grad.{name}.peak": float(np.log1p(picks[3] / (picks[1] + 0.002))),
        f"grad.{name}.flat": float((size < 1.5 / 255).mean()),
        f"grad.{name}.upright": float(size @ (ax > 4 * ay)) / total,
        f"grad.{name}.level": float(size @ (ay > 4 * ax)) / total,
        f"grad.{name}.tilt": (float(ax.sum()) - float(ay.sum())) / total,
    }


_WINDOWS = {size: np.hanning(size + 2)[1:-1].astype(np.float32) for size in (48, THUMB)}


def _rings(size: int) -> NDArray[np.int64]:
    y, x = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    radius = np.hypot(y, x) * size
    octaves = np.clip(np.floor(np.log2(np.maximum(radius, 0.5))) + 1, 0, 6)
    return np.asarray(octaves, np.int64)


_RINGS = {size: _rings(size) for size in _WINDOWS}


def _spectrum(name: str, luma: Floats) -> Features:
    """Shares of octaves of the power, and what lies on the axes."""
    size = luma.shape[1]
    window = _WINDOWS[size]
    centred = luma - luma.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2(centred * window[:, None] * window)) ** 2
    power = power.mean(axis=0)
    sums = np.bincount(_RINGS[size].ravel(), weights=power.ravel(), minlength=7)[1:]
    total = float(sums.sum()) + 1e-4
    shares = sums / total
    found = {f"power.{name}.{place}": float(share) for place, share in enumerate(shares)}
    logs = np.log10(sums[:5] + 1e-5)
    found[f"power.{name}.slope"] = float(np.polynomial.polynomial.polyfit(np.arange(5), logs, 1)[1])
    found[f"power.{name}.axes"] = float(power[0, 3:].sum() + power[3 : size // 2, 0].sum()) / total
    return found


def _layout(view: Views, luma: Floats) -> Features:
    """Whether every part looks like every other, as in a material, or parts differ, as in a picture."""
    side = THUMB // _BLOCKS
    blocks = view.thumb.reshape(4, _BLOCKS, side, _BLOCKS, side)
    means = blocks.mean(axis=(2, 4))
    parts = luma.reshape(_BLOCKS, side, _BLOCKS, side).swapaxes(1, 2).reshape(_BLOCKS * _BLOCKS, -1)
    deviations = parts.std(axis=1)
    total = float(luma.var()) + 1e-5
    rows, columns = luma.mean(axis=1), luma.mean(axis=0)
    color_rows = view.thumb[:3].mean(axis=2)
    found = {
        "stay.mean": float(parts.mean(axis=1).var()) / total,
        "stay.deviation": float(deviations.std()) / (float(deviations.mean()) + 0.004),
        "stay.still": float((deviations < 1.5 / 255).mean()),
        "stay.quiet": float((deviations < 6 / 255).mean()),
        "stay.clear": float((means[3] < 2 / 255).mean()),
        "stay.black": float((means[:3].max(axis=0) < 4 / 255).mean()),
        "rows.share": float(rows.var()) / total,
        "columns.share": float(columns.var()) / total,
        "rows.slope": _slope(rows),
        "columns.slope": _slope(columns),
        "rows.blue": _slope(color_rows[2] - color_rows[0]),
        "rows.top": float(luma[:4].std()),
        "rows.bottom": float(luma[-4:].std()),
        "rows.top_mean": float(rows[:16].mean()),
        "rows.middle_mean": float(rows[24:40].mean()),
        "rows.bottom_mean": float(rows[-16:].mean()),
        "rows.top_detail": float(np.abs(np.diff(luma[:20], axis=1)).mean()),
        "rows.bottom_detail": float(np.abs(np.diff(luma[-20:], axis=1)).mean()),
        "rows.jump": float(np.abs(np.diff(rows)).max()),
        "pole.top": float(np.abs(np.diff(luma[0])).mean()),
        "pole.bottom": float(np.abs(np.diff(luma[-1])).mean()),
    }
    coarse = view.thumb.reshape(4, 4, 16, 4, 16).mean(axis=(2, 4))
    tint = coarse[:3].max(axis=0) - coarse[:3].min(axis=0)
    grey = np.tensordot(LUMA, coarse[:3], axes=1)
    for place in range(16):
        found[f"place.luma{place}"] = float(grey.flat[place])
        found[f"place.alpha{place}"] = float(coarse[3].flat[place])
        found[f"place.tint{place}"] = float(tint.flat[place])
    centre = luma[16:48, 16:48]
    found["centre.luma"] = float(centre.mean() - luma.mean())
    found["centre.std"] = float(centre.std()) / (float(luma.std()) + 0.01)
    found["centre.alpha"] = float(view.thumb[3, 16:48, 16:48].mean() - view.thumb[3].mean())
    return found


def _slope(values: Floats) -> float:
    steps = np.linspace(-1, 1, len(values), dtype=np.float32)
    return float(steps @ (values - values.mean())) / len(values)


def _borders(view: Views) -> Features:
    """Seams where copies meet; and whether the border is empty, framed, or like the inside."""
    found: Features = {}
    for name, lines in (("rows", view.edges), ("columns", view.sides)):
        first, second, before, last = lines
        across = float(np.abs(first - last).mean())
        inside = max(float(np.abs(first - second).mean()), float(np.abs(before - last).mean()))
        found[f"seam.{name}"] = (across - inside) / (across + inside + 1 / 255)
        found[f"seam.{name}_step"] = across
        found[f"border.{name}_inside"] = inside
    border = np.concatenate([view.edges[0], view.edges[3], view.sides[0], view.sides[3]], axis=1)
    corner = view.edges[0][:, :1]
    same = np.abs(border - corner).max(axis=0) < 3 / 255
    everywhere = np.abs(view.sample.reshape(4, -1) - corner).max(axis=0) < 3 / 255
    colors = border[:3]
    return found | {
        "border.same": float(same.mean()),
        "border.clear": float((border[3] < 2 / 255).mean()),
        "border.black": float((colors.max(axis=0) < 4 / 255).mean()),
        "border.white": float((colors.min(axis=0) > 250 / 255).mean()),
        "border.std": float(colors.std(axis=1).mean()),
        "border.alpha": float(border[3].mean()),
        "border.luma": float(np.mean(LUMA @ colors)),
        "corner.share": float(everywhere.mean()),
        "corner.luma": float(np.mean(LUMA @ corner[:3])),
        "corner.chroma": float(corner[:3].max() - corner[:3].min()),
        "sky.continuous": float(found["seam.columns_step"] - found["seam.rows_step"]),
    }


def _symmetry(thumb: Floats, luma: Floats, seen: Floats) -> Features:
    def mirrored(plane: Floats, flipped: Floats) -> float:
        spread = float(plane.var())
        return 1 - float(((plane - flipped) ** 2).mean()) / (2 * spread) if spread > 1e-4 else 1.0

    return {
        "mirror.luma_x": mirrored(luma, luma[:, ::-1]),
        "mirror.luma_y": mirrored(luma, luma[::-1]),
        "mirror.seen_x": mirrored(seen, seen[:, ::-1]),
        "mirror.seen_y": mirrored(seen, seen[::-1]),
        "mirror.alpha_x": mirrored(thumb[3], thumb[3, :, ::-1]),
        "mirror.alpha_y": mirrored(thumb[3], thumb[3, ::-1]),
        "mirror.half_x": mirrored(luma[:, :32], luma[:, 32:]),
        "mirror.half_y": mirrored(luma[:32], luma[32:]),
    }


def _halved(plane: Floats) -> Floats:
    side = len(plane) // 2
    halved: Floats = plane.reshape(side, 2, side, 2).mean(axis=(1, 3))
    return halved


def _shape(view: Views) -> Features:
    """The figure before its ground: how much of its bounding box, how rugged, in how many pieces and rows.

    The ground is what is transparent or, where nothing is, what has the colour of the corner.
    """
    alpha = view.thumb[3]
    solid = alpha > 0.5
    keyed = int(solid.sum()) == solid.size
    if keyed:
        solid = np.abs(view.thumb[:3] - view.edges[0][:3, :1, None]).max(axis=0) > 0.06
    count = int(solid.sum())
    ground = solid.size - count
    if count == 0:
        solid = ~solid
        count = solid.size
    rows, columns = solid.any(axis=1), solid.any(axis=0)
    tall, wide = np.flatnonzero(rows), np.flatnonzero(columns)
    box = int(tall[-1] - tall[0] + 1) * int(wide[-1] - wide[0] + 1)
    edge = int((solid[1:] != solid[:-1]).sum() + (solid[:, 1:] != solid[:, :-1]).sum())
    # Euler's number: corners of each sign; close to pieces minus holes.
    quads = np.pad(solid, 1).astype(np.int8)
    sums = quads[1:, 1:] + quads[:-1, 1:] + quads[1:, :-1] + quads[:-1, :-1]
    euler = (int((sums == 1).sum()) - int((sums == 3).sum())) / 4
    straight = int((solid[2:, 1:] != solid[1:-1, 1:])[:, 1:].sum())
    smooth = (solid[1:, 1:] != solid[:-1, 1:]) & (solid[1:, :-1] != solid[:-1, :-1])
    upright = (solid[1:, 1:] != solid[1:, :-1]) & (solid[:-1, 1:] != solid[:-1, :-1])
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
        "shape.rows": float((np.diff(rows.astype(np.int8)) == 1).sum()) + float(rows[0]),
        "shape.columns": float((np.diff(columns.astype(np.int8)) == 1).sum()) + float(columns[0]),
        "shape.straight": (int(smooth.sum()) + int(upright.sum())) / max(1, edge),
        "shape.level": straight / max(1, edge),
        "shape.off_x": abs(float(middle[1])),
        "shape.off_y": float(middle[0]),
        "shape.spread_x": float(spread[1]),
        "shape.spread_y": float(spread[0]),
        "shape.touches": float(solid[0].mean() + solid[-1].mean() + solid[:, 0].mean() + solid[:, -1].mean()),
    }


def _sizes(view: Views) -> Features:
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
