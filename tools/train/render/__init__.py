"""Procedural textures of every kind: one material, its true maps, wide ranges of everything."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from accel.texture.kinds import LEARNED_KINDS, Kind
from tools.train.render import albedo, data
from tools.train.render.atlas import atlas, swatches
from tools.train.render.degrade import LEAST, MOST, Pixels, degrade
from tools.train.render.environment import environment
from tools.train.render.field import Field, Random, Shape, chance, pick, pixels, spread
from tools.train.render.ground import GROWN, leaves
from tools.train.render.masonry import LAID
from tools.train.render.material import Surface
from tools.train.render.sprite import sprite
from tools.train.render.terrain import globe, painted
from tools.train.render.ui import ui

__all__ = ["degrade", "render", "render_many", "surface"]

_SIDES = (32, 64, 96, 128, 192, 200, 256, 300, 384, 512)
_SIDE_WEIGHTS = (1, 4, 1, 12, 2, 1, 30, 1, 1, 2)
_SMALL = (16, 20, 24, 32, 40, 48, 64, 80, 100)
"""Sides of many pictures of 2D worlds and interfaces."""

_DATA = {
    "normal": data.normal, "height": data.height, "roughness": data.roughness, "specular": data.specular,
    "ao": data.ambient, "packed": data.packed, "emissive": data.emissive,
}  # fmt: skip


def _shape(rng: Random, small: float = 0) -> Shape:
    side = int(pick(rng, _SMALL)) if chance(rng, small) else int(pick(rng, _SIDES, _SIDE_WEIGHTS))
    if chance(rng, 0.8):
        return side, side
    if chance(rng, 0.7):
        other = max(LEAST, min(MOST, side // int(pick(rng, (2, 2, 2, 4, 8)))))
    else:
        other = int(rng.integers(LEAST, 300))
    return pick(rng, ((side, other), (other, side)))


def _picture_shape(rng: Random) -> Shape:
    """The sides of a picture of a 2D world or an interface: as large as the thing drawn, so often odd."""
    if chance(rng, 0.45):
        return _shape(rng, 0.5)
    tall, wide = spread(rng, 16, 300), spread(rng, 16, 300)
    return (round(tall), round(tall)) if chance(rng, 0.35) else (round(tall), round((tall * wide) ** 0.5))


def surface(seed: int, shape: Shape | None = None) -> Surface:
    """The material of a seed: the same for all the maps that `render` makes of it."""
    rng = np.random.default_rng([seed, 0])
    shape = shape or _shape(rng)
    form = pick(rng, ("laid", "grown", "atlas", "planet"), (4, 4, 5.5, 0.4))
    if form == "atlas":
        return atlas(rng, shape)
    if form == "planet":
        return globe(rng, (max(LEAST, shape[1] // 2), shape[1]))
    if chance(rng, 0.35):
        larger = (shape[0] * 5 // 4, shape[1] * 5 // 4)
        material = pick(rng, LAID if form == "laid" else GROWN)(rng, larger)
        material.frame = shape
        return material
    return pick(rng, LAID if form == "laid" else GROWN)(rng, shape)


def framed(field: Field, material: Surface) -> Field:
    """The part of a map that is shown of its material."""
    return field[: material.frame[0], : material.frame[1]] if material.frame else field


def veiled(rng: Random, field: Field, material: Surface) -> Field:
    """A map of one colour, sometimes transparent where its material is not."""
    if material.cover is None or field.shape[2:] == (4,) or not chance(rng, 0.1):
        return field
    rgb = np.repeat(field[..., None], 3, -1) if field.ndim == 2 else field
    return np.dstack([rgb, material.cover])


def _albedo(rng: Random, seed: int) -> tuple[str, Field]:
    form = pick(
        rng,
        ("skin", "cutout", "planet", "blocks", "fitted", "decal", "swatches", "smooth", "drawn", "patched"),
        (12, 1.2, 0.6, 1.8, 1, 0.9, 0.5, 0.5, 1.6, 1.5),
    )
    shape = _shape(rng)
    if form == "skin":
        material = surface(seed)
        return material.name, framed(albedo.finish(rng, albedo.skin(rng, material)), material)
    if form == "cutout":
        return form, albedo.finish(rng, albedo.skin(rng, leaves(rng, shape)))
    if form == "planet":
        return form, painted(rng, (max(LEAST, shape[1] // 2), shape[1]))
    if form == "fitted":
        return form, albedo.finish(rng, albedo.fitted(rng, surface(seed)))
    if form == "swatches":
        return form, albedo.skin(rng, swatches(rng, shape))
    return form, getattr(albedo, form)(rng, shape)


def _named(kind: Kind, seed: int) -> tuple[str, Pixels]:
    if kind not in LEARNED_KINDS:
        raise ValueError(f"{kind!r} is no kind of texture; the kinds are {', '.join(LEARNED_KINDS)}.")
    rng = np.random.default_rng([seed, 1 + LEARNED_KINDS.index(kind)])
    if kind in _DATA:
        material = surface(seed)
        name, field = material.name, framed(veiled(rng, _DATA[kind](rng, material), material), material)
    elif kind == "albedo":
        name, field = _albedo(rng, seed)
    elif kind == "environment":
        name, field = environment(rng, int(pick(rng, (64, 128, 256, 384, 512), (1, 4, 10, 2, 2))))
    else:
        name, field = (sprite if kind == "sprite" else ui)(rng, _picture_shape(rng))
    return name, _fit(pixels(field))


def _fit(texture: Pixels) -> Pixels:
    """Sides from 16 to 512: short ones repeat their edge, long ones are cut."""
    texture = texture[:MOST, :MOST]
    short = [max(0, LEAST - side) for side in texture.shape[:2]]
    return np.ascontiguousarray(np.pad(texture, ((0, short[0]), (0, short[1]), (0, 0)), "edge"))


def render(kind: Kind, seed: int) -> Pixels:
    """A texture of a kind, (height, width, channels) of bytes, 1 to 4 channels, sides 16 to 512.

    The same kind and seed give the same texture; another data kind of the same seed shows the same material.
    """
    return _named(kind, seed)[1]


def render_many(count_per_kind: int, seed0: int) -> Iterator[tuple[Kind, str, Pixels]]:
    """`count_per_kind` textures of every kind, with the material's or form's name, from seed `seed0` on."""
    for seed in range(seed0, seed0 + count_per_kind):
        for kind in LEARNED_KINDS:
            yield (kind, *_named(kind, seed))
