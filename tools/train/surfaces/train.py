"""The training from its first step to the last: materials, learning, measuring, the network and its card."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from accel.texture.surface_net import FILE, MARGIN
from tools.train.fetch import CACHE, DATA
from tools.train.shipped import declare
from tools.train.surfaces import card, export, learning
from tools.train.surfaces.dataset import dataset
from tools.train.surfaces.measure import measured
from tools.train.surfaces.network import SurfaceNet

NETWORK = DATA.parent.parent / "accel" / "texture" / FILE
ROUGHNESS = "surface-roughness.json"
"""What the network's own roughness, which isn't shipped, is worth."""
SEED = 7
LARGEST = 1_500_000
"""Bytes that the shipped network may have."""
ROUNDING = 0.1
"""Texels by which a height may change when weights are stored in 16 bit."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains; 1 if the network became too large to ship, or another than was learned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where packages and results are kept")
    parser.add_argument("--steps", type=int, default=learning.STEPS, help="batches that are learned from")
    parser.add_argument("--learned", action="store_true", help="take what was learned before, in the cache")
    parser.add_argument("--measure", action="store_true", help="only measure and write the card anew")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    _say("bringing, reading and rendering the materials")
    split = dataset(options.cache)
    if options.measure:
        _say(f"measuring on {len(split.held_out)} materials of other packages and generators")
        rough = json.loads((options.cache / ROUGHNESS).read_text(encoding="utf-8"))
        card.write(split, measured(split.held_out), rough, NETWORK.stat().st_size)
        return 0
    weights = options.cache / "surface.pt"
    if not options.learned:
        _say(f"learning from {len(split.learned)} materials")
        torch.save(learning.learn(split.learned, SEED, options.steps, _say).state_dict(), weights)
    network = SurfaceNet()
    network.load_state_dict(torch.load(weights))
    network.eval()
    rough = {
        name: figures.means["network"]
        for name, figures in measured(split.held_out, lambda one: learning.guessed(network, one)).items()
    }
    (options.cache / ROUGHNESS).write_text(json.dumps(rough), encoding="utf-8")
    export.save(network, NETWORK)
    size, off = NETWORK.stat().st_size, export.difference(network, NETWORK, MARGIN)
    declare(NETWORK)
    _say(f"{FILE} is written: {size:,} bytes; off by at most {off:.4f} texels from what was learned")
    # In a process of its own, which knows the new record: what is measured is what is shipped.
    again = [sys.executable, "-m", "tools.train.surfaces.train", "--measure", "--cache", options.cache]
    failed = subprocess.call([str(one) for one in again])
    return int(bool(failed) or size > LARGEST or off > ROUNDING)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
