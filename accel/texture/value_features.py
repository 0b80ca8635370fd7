"""Features of values: colours, relations of channels, alpha, unit vectors."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from accel.texture.views import Floats, Views, centred, deviation, dot, mean, share

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_STEPS = 256
_QUANTILES = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
_TINY = np.float32(1e-6)

_RESIDUE = 16 * np.finfo(np.float64).eps
"""The error of LAPACK's eigenvalues: a few eps of the largest (Anderson et al., "LAPACK Users' Guide",
4.7)."""

_UPWARD = 1 + np.array([0, 1e-9, 3e-9])
"""Orients axes towards white. The small offsets decide for axes such as red against green, in masks of two
layers, which rounding would otherwise decide."""

Features = dict[str, float]


def color_features(view: Views) -> Features:
    """Computes the features of the regular sample."""
    planes = view.sample.reshape(4, -1)
    rgb, alpha = planes[:3], planes[3]
    luma = luma_of(planes)
    high, low = rgb.max(axis=0), rgb.min(axis=0)
    chroma = high - low
    found: Features = {}
    found |= _distribution("luma", luma)
    found |= _distribution("chroma", chroma)
    for name, plane in zip("rgb", rgb, strict=True):
        found |= _short(name, plane)
    found |= _grey(low, high, chroma)
    found |= _hues(rgb, high, chroma)
    found |= _palette(rgb if view.opaque else planes)
    found |= _relations(rgb, chroma, luma)
    found |= _opacity(view, alpha, luma, chroma, high)
    found |= _light(luma, high, chroma)
    return found


def luma_of(planes: Floats) -> Floats:
    """Returns the luma of planes of red, green, blue and others."""
    # Without a matrix product, whose rounding depends on the position.
    luma: Floats = planes[0] * _LUMA[0]
    luma += planes[1] * _LUMA[1]
    luma += planes[2] * _LUMA[2]
    return luma


def _histogram(values: Floats) -> Floats:
    steps = (values * np.float32(_STEPS - 1) + np.float32(0.5)).astype(np.uint8)
    return np.bincount(steps, minlength=_STEPS).astype(np.float32) / np.float32(max(1, values.size))


def quantiles(histogram: Floats) -> Floats:
    """Returns seven quantiles of a histogram of 256 values."""
    return np.searchsorted(np.cumsum(histogram), _QUANTILES - 1e-6).astype(np.float32) / (_STEPS - 1)


def _distribution(name: str, values: Floats) -> Features:
    histogram = _histogram(values)
    found = {f"{name}.q{place}": float(value) for place, value in enumerate(quantiles(histogram))}
    coarse = histogram.reshape(16, 16).sum(axis=1)
    found |= {f"{name}.h{place}": float(share) for place, share in enumerate(coarse)}
    found |= _moments(name, values)
    shares = np.sort(histogram)[::-1]
    present = shares[shares > 0]
    found[f"{name}.entropy"] = float(-(present * np.log2(present)).sum())
    found[f"{name}.levels"] = len(present) / _STEPS
    found[f"{name}.top1"] = float(shares[0])
    found[f"{name}.top4"] = float(shares[:4].sum())
    found[f"{name}.first"] = float(histogram[0])
    found[f"{name}.last"] = float(histogram[-1])
    # Unused levels between used ones: contrast was stretched, or the palette is small.
    used = np.flatnonzero(histogram)
    found[f"{name}.gaps"] = 1 - len(used) / (used[-1] - used[0] + 1)
    return found


def _moments(name: str, values: Floats) -> Features:
    strays = centred(values)
    squares = strays * strays
    spread = float(np.sqrt(np.float32(mean(squares))))
    skew = kurtosis = 0.0
    if spread >= 1e-3:
        skew = dot(squares, strays) / values.size / spread**3
        kurtosis = dot(squares, squares) / values.size / spread**4
    return {
        f"{name}.mean": mean(values),
        f"{name}.std": spread,
        f"{name}.skew": min(max(skew, -9.0), 9.0),
        f"{name}.kurt": float(np.log1p(min(kurtosis, 1e4))),
    }


def _short(name: str, values: Floats) -> Features:
    histogram = _histogram(values)
    _, low, _, middle, _, high, _ = (float(one) for one in quantiles(histogram))
    return {
        f"{name}.mean": mean(values),
        f"{name}.std": deviation(values),
        f"{name}.low": low,
        f"{name}.mid": middle,
        f"{name}.high": high,
        f"{name}.first": float(histogram[0]),
        f"{name}.last": float(histogram[-1]),
        f"{name}.top1": float(histogram.max()),
        f"{name}.levels": share(histogram > 0),
        f"{name}.near_top": float(histogram[240:].sum()),
        f"{name}.near_bottom": float(histogram[:16].sum()),
    }


def _grey(low: Floats, high: Floats, chroma: Floats) -> Features:
    saturation = chroma / np.maximum(high, np.float32(0.02))
    return {
        "grey.exact": share(chroma == 0),
        "grey.nearly": share(chroma < 6 / 255),
        "grey.roughly": share(chroma < 20 / 255),
        "saturation.mean": mean(saturation),
        "saturation.std": deviation(saturation),
        "saturation.vivid": share(chroma > 0.5),
        "saturation.full": share(saturation > 0.95),
        "black": share(high < 6 / 255),
        "dark": share(high < 0.15),
        "white": share(low > 250 / 255),
        "primary": share((high > 0.97) & (low < 0.03)),
    }


def _hues(rgb: Floats, high: Floats, chroma: Floats) -> Features:
    """Computes the shares of twelve hues, weighted by chroma, and their concentration."""
    red, green, blue = rgb
    safe = np.maximum(chroma, _TINY)
    hue = np.where(
        high == red,
        (green - blue) / safe,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    total = float(chroma.sum()) + 1e-6
    # Bins start at -2, which is the same hue as 10.
    turns = np.bincount((hue * 2).astype(np.int64) + 2, weights=chroma, minlength=14)
    shares = turns[2:14] / total
    shares[10:] += turns[:2] / total
    angle = hue * np.float32(np.pi / 3)
    x, y = dot(chroma, np.cos(angle)) / total, dot(chroma, np.sin(angle)) / total
    found = {f"hue.{place}": float(share) for place, share in enumerate(shares)}
    found["hue.agree"] = float(np.hypot(x, y))
    found["hue.count"] = float((shares > 0.05).sum())
    found["hue.top"] = float(shares.max())
    return found


def _palette(planes: Floats) -> Features:
    """Computes the number of colours and the shares of the most frequent ones."""
    steps = (planes * np.float32(255) + np.float32(0.5)).astype(np.uint32)
    packed = reduce(lambda whole, step: whole << 8 | step, steps)
    counts = _counts(packed)
    top = _largest(counts, 256).astype(np.float32) / packed.size
    coarse = steps[:3] >> 4
    boxes = np.bincount((coarse[0] << 8 | coarse[1] << 4 | coarse[2]).astype(np.int64), minlength=4096)
    shares = boxes[boxes > 0] / packed.size
    return {
        "palette.count": float(np.log2(len(counts))),
        "palette.variety": len(counts) / packed.size,
        "palette.top1": float(top[0]),
        "palette.top2": float(top[:2].sum()),
        "palette.top8": float(top[:8].sum()),
        "palette.top32": float(top[:32].sum()),
        "palette.top256": float(top.sum()),
        "palette.boxes": float(np.log2(len(shares))),
        "palette.entropy": float(-(shares * np.log2(shares)).sum()),
        "palette.box_top": float(shares.max()),
    }


def _counts(values: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Returns the number of occurrences of each value."""
    rising = np.sort(values)
    ends = np.flatnonzero(rising[1:] != rising[:-1]) + 1
    bounds = np.concatenate(([0], ends, [len(rising)]))
    return np.asarray(bounds[1:] - bounds[:-1])


def _largest(counts: NDArray[np.intp], many: int) -> NDArray[np.intp]:
    """Returns the largest counts in descending order."""
    # There are few different counts, so their frequencies replace sorting.
    times = np.bincount(counts)
    present = np.flatnonzero(times)[::-1]
    return np.repeat(present, times[present])[:many]


def _relations(rgb: Floats, chroma: Floats, luma: Floats) -> Features:
    """Computes relations of channels: those of colours correlate, as one light falls on one surface; those of
    packed data don't."""
    strays = rgb - rgb.mean(axis=1, keepdims=True)
    covariance = np.array([[dot(one, other) for other in strays] for one in strays]) / rgb.shape[1]
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0))
    floor = np.maximum(deviations, 1 / 255)
    correlations = covariance / np.outer(floor, floor)
    values, vectors = np.linalg.eigh(covariance)
    # Eigenvalues of 0 come out as some eps of the largest, with a sign that depends on the processor.
    values[np.abs(values) < _RESIDUE * values[2]] = 0
    total = max(1e-9, float(values.sum()))
    main = vectors[:, 2] * np.sign(dot(vectors[:, 2], _UPWARD) or 1.0)
    pairs = [float(correlations[one, other]) for one, other in ((0, 1), (0, 2), (1, 2))]
    spread = sorted(float(one) for one in deviations)
    return {
        "corr.rg": pairs[0],
        "corr.rb": pairs[1],
        "corr.gb": pairs[2],
        "corr.least": min(pairs),
        "corr.most": max(pairs),
        "axis.first": float(values[2]) / total,
        "axis.second": float(values[1]) / total,
        "axis.third": float(values[0]) / total,
        "axis.r": float(main[0]),
        "axis.g": float(main[1]),
        "axis.b": float(main[2]),
        "constant.channels": float((deviations < 1.5 / 255).sum()),
        "spread.least": spread[0],
        "spread.most": spread[2],
        "chroma.luma": _correlation(chroma, luma),
        "equal.rg": share(np.abs(rgb[0] - rgb[1]) < 3 / 255),
        "equal.rb": share(np.abs(rgb[0] - rgb[2]) < 3 / 255),
        "equal.gb": share(np.abs(rgb[1] - rgb[2]) < 3 / 255),
        "order.blue": share(rgb[2] >= np.maximum(rgb[0], rgb[1])),
        "order.red": share(rgb[0] >= np.maximum(rgb[1], rgb[2])),
        "order.warm": share((rgb[0] >= rgb[1]) & (rgb[1] >= rgb[2])),
    }


def _correlation(one: Floats, other: Floats) -> float:
    one, other = centred(one), centred(other)
    size = float(np.sqrt(dot(one, one) * dot(other, other)))
    return dot(one, other) / size if size > 1e-4 * one.size else 0.0


def _opacity(view: Views, alpha: Floats, luma: Floats, chroma: Floats, high: Floats) -> Features:
    """Computes features of alpha: cut-outs, blending, a further data channel, or none."""
    weight = float(alpha.sum()) + 1e-3
    seen = dot(alpha, luma) / weight

    def seen_where(found: NDArray[np.bool_]) -> float:
        return (np.count_nonzero(found) if view.opaque else dot(alpha, found)) / weight

    return (_FULL if view.opaque else _alpha(alpha, luma, chroma, high)) | {
        "alpha.there": float(view.has_alpha),
        "seen.luma": seen,
        "seen.luma_std": float(np.sqrt(max(0.0, dot(alpha, (luma - np.float32(seen)) ** 2) / weight))),
        "seen.chroma": dot(alpha, chroma) / weight,
        "seen.grey": seen_where(chroma < 6 / 255),
        "seen.white": seen_where(high - chroma > 0.95),
        "seen.black": seen_where(high < 0.05),
        "seen.vivid": seen_where(chroma > 0.4),
    }


def _alpha(alpha: Floats, luma: Floats, chroma: Floats, high: Floats) -> Features:
    clear, full = alpha < 2 / 255, alpha > 253 / 255
    share_clear, share_full = share(clear), share(full)
    black, white = share(clear & (high < 3 / 255)), share(clear & (high - chroma > 0.98))
    return {
        "alpha.clear": share_clear,
        "alpha.full": share_full,
        "alpha.between": 1 - share_clear - share_full,
        "alpha.mean": mean(alpha),
        "alpha.std": deviation(alpha),
        "alpha.luma": _correlation(alpha, luma),
        "alpha.levels": share(_histogram(alpha) > 0),
        "alpha.faint": share((alpha > 2 / 255) & (alpha < 0.5)),
        "under.black": black,
        "under.white": white,
        "under.color": share_clear - black - white,
    }


# The features of full alpha don't depend on colours.
_FULL = _alpha(*np.ones((4, 1), np.float32))


def _light(luma: Floats, high: Floats, chroma: Floats) -> Features:
    """Computes the share of bright texels, as of light on black."""
    lit = high > 0.25
    count = np.count_nonzero(lit) + 1e-3
    return {
        "lit.share": share(lit),
        "lit.mean": dot(high, lit) / count,
        "lit.chroma": dot(chroma, lit) / count,
        "lit.white": mean((high - chroma)[lit]) if count > 1 else 0.0,
        "lit.between": share((high > 0.05) & (high < 0.25)),
        "lit.middle": share((luma > 0.3) & (luma < 0.7)),
    }


def vector_features(view: Views) -> Features:
    """Computes whether texels are unit vectors, in the layouts that engines use."""
    x, y, z, alpha = view.sample.reshape(4, -1) * 2 - 1
    length = np.sqrt(x * x + y * y + z * z)
    flat = (np.abs(x) < 9 / 255) & (np.abs(y) < 9 / 255)
    up = flat & (z > 1 - 12 / 255)
    bent = ~up
    unit = np.abs(length - 1)
    mean_x, mean_y = mean(x), mean(y)
    found = {
        "unit.tight": share(unit < 0.02),
        "unit.near": share(unit < 0.05),
        "unit.loose": share(unit < 0.15),
        "unit.bent": share(bent & (unit < 0.06)) / (share(bent) + 0.002),
        "unit.mean": mean(length),
        "unit.std": deviation(length),
        "unit.flat": share(flat),
        "unit.up": share(up),
        "unit.toward": share(z > 0),
        "unit.steep": share(z > 0.6),
        "unit.x": mean_x,
        "unit.y": mean_y,
        "unit.x_std": deviation(x),
        "unit.y_std": deviation(y),
        "unit.balance": abs(mean_x) + abs(mean_y),
        "unit.z_tied": _z_correlation(x, y, z),
    }
    found |= _two_channels(x, y, z, alpha)
    return found


def _z_correlation(x: Floats, y: Floats, z: Floats) -> float:
    """Returns the correlation of z with its value by x and y, -1..1: high in normal maps of any strength."""
    expected = np.sqrt(np.maximum(0, 1 - x * x - y * y))
    expected, z = centred(expected), centred(z)
    size = float(np.sqrt(dot(expected, expected) * dot(z, z)))
    return dot(expected, z) / size if size > 1e-5 * x.size else 0.0


def _two_channels(red: Floats, green: Floats, blue: Floats, alpha: Floats) -> Features:
    """Computes features of two-channel vectors: red and green (BC5), or alpha and green (DXT5nm)."""
    disc = red * red + green * green
    swizzled = alpha * alpha + green * green
    return {
        "pair.disc": share(disc <= 1.02),
        "pair.centre": share(disc < 0.25),
        "pair.no_blue": share(blue < -0.98),
        "pair.swizzled": share(swizzled < 0.6),
        "pair.red_full": share(red > 0.98),
    }


def vector_fields(view: Views) -> Features:
    """Computes features of gradients: surfaces have no curl, and packed channels don't share edges."""
    patches = view.patches
    right = patches[:3, :, 1:-1, 2:] - patches[:3, :, 1:-1, :-2]
    down = patches[:3, :, 2:, 1:-1] - patches[:3, :, :-2, 1:-1]
    # p = -x / z, q = y / z for green up; see accel.image.normal_maps.
    a, b = -down[0], right[1]
    energy = float((a * a).sum() + (b * b).sum())
    curl = 2 * float((a * b).sum()) / energy if energy > 1e-3 else 0.0
    sizes = np.abs(right) + np.abs(down)
    flat = sizes.reshape(3, -1)
    total = flat.sum(axis=1)
    strong = flat > 0.06
    both = [
        np.count_nonzero(strong[one] & strong[other]) / (np.count_nonzero(strong[one] | strong[other]) + 1)
        for one, other in ((0, 1), (0, 2), (1, 2))
    ]
    shared, agree = _likeness(flat), _likeness(right.reshape(3, -1))
    count = flat.shape[1]
    return {
        "curl.sign": curl,
        "curl.size": abs(curl),
        "edge.rg": shared[0],
        "edge.rb": shared[1],
        "edge.gb": shared[2],
        "edge.agree_rg": agree[0],
        "edge.agree_rb": agree[1],
        "edge.agree_gb": agree[2],
        "edge.both_rg": both[0],
        "edge.both_rb": both[1],
        "edge.both_gb": both[2],
        "edge.r": float(total[0]) / count,
        "edge.g": float(total[1]) / count,
        "edge.b": float(total[2]) / count,
    }


def _likeness(rgb: Floats) -> tuple[float, float, float]:
    """Returns the cosine similarities of red and green, red and blue, green and blue; -1..1."""
    red, green, blue = rgb
    r, g, b = (np.sqrt((rgb * rgb).sum(axis=1)) + 1e-3).tolist()
    return dot(red, green) / (r * g), dot(red, blue) / (r * b), dot(green, blue) / (g * b)
