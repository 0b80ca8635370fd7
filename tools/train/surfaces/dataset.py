"""All examples: brought, read and rendered once, then kept in the cache."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.train.surfaces.examples import Example, Floats
from tools.train.surfaces.materials import examples, fetch_materials
from tools.train.surfaces.rendered import rendered

HELD_OUT = ("apt-castle-game-engine-doc", "apt-cube2-data", "apt-qt3d5-examples", "apt-ufoai-textures")
"""Packages that nothing is learned from."""
RENDERED, RENDERED_HELD_OUT = 240, 48
TWINS = 0.9
"""Correlation of two thumbnails from which they show the same material: packages share textures."""
_THUMB = 24


@dataclass
class Split:
    """What is learned from, and what is measured by: other packages and other generators."""

    learned: list[Example]
    held_out: list[Example]
    twins: int
    """Materials of the packages that are learned from that were left out, as a held-out one is the same."""


def dataset(cache: Path) -> Split:
    """The examples, from the cache where they were made before."""
    kept = cache / "surfaces.pickle"
    if kept.is_file():
        split: Split = pickle.loads(kept.read_bytes())
        return split
    real = examples(fetch_materials(cache))
    held = [one for one in real if one.source in HELD_OUT]
    rest = [one for one in real if one.source not in HELD_OUT]
    seen = np.array([thumb(one) for one in held])
    fresh = [one for one in rest if float(np.abs(seen @ thumb(one)).max()) < TWINS]
    split = Split(
        fresh + rendered(RENDERED, 1000, held_out=False),
        held + rendered(RENDERED_HELD_OUT, 90000, held_out=True),
        len(rest) - len(fresh),
    )
    kept.write_bytes(pickle.dumps(split))
    return split


def thumb(example: Example) -> Floats:
    """Its brightness at few places, of mean 0 and length 1."""
    grey = example.albedo.mean(-1, dtype=np.float32)
    rows, columns = (np.arange(_THUMB + 1) * side // _THUMB for side in grey.shape)
    small = np.add.reduceat(np.add.reduceat(grey, rows[:-1], 0), columns[:-1], 1)
    small /= np.diff(rows)[:, None] * np.diff(columns)
    small -= small.mean()
    values: Floats = small.ravel() / max(float(np.linalg.norm(small)), 1e-6)
    return values
