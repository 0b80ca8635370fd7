"""Trains the surface network: fetches materials, trains, exports, evaluates and writes the card."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from accel.texture.pbr_maps import FILE, MARGIN
from tools.train.export import record_model
from tools.train.fetch import CACHE, DATA, PackageCache, SourceError, add_version_option
from tools.train.surfaces import card, network
from tools.train.surfaces.dataset import load_dataset
from tools.train.surfaces.evaluate import evaluate

MODEL = DATA.parent.parent / "accel" / "texture" / FILE
ROUGHNESS = "surface-roughness.json"
"""In the cache: the metrics of the network's own roughness, which isn't shipped."""
SEED = 7
MAX_SIZE = 1_500_000
"""Bytes of the shipped network."""
TOLERANCE = 0.1
"""Texels by which a height may differ after rounding the weights to 16 bits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains; 1 if the network is too large, differs from the trained one, or a source can't be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of packages and results")
    parser.add_argument("--steps", type=int, default=network.STEPS, help="batches to train on")
    parser.add_argument("--learned", action="store_true", help="export the trained network in the cache")
    parser.add_argument("--measure", action="store_true", help="only evaluate, and write the card")
    add_version_option(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    _log("fetching, reading and rendering the materials")
    try:
        split = load_dataset(PackageCache(options.cache, other_versions=options.other_versions))
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    if options.measure:
        _log(f"evaluating {len(split.held_out)} materials of other packages and generators")
        rough = json.loads((options.cache / ROUGHNESS).read_text(encoding="utf-8"))
        card.write(split, evaluate(split.held_out), rough, MODEL.stat().st_size)
        return 0
    weights = options.cache / "surface.pt"
    if not options.learned:
        _log(f"training on {len(split.training)} materials")
        torch.save(network.train(split.training, SEED, options.steps, _log).state_dict(), weights)
    trained = network.SurfaceNet()
    trained.load_state_dict(torch.load(weights))
    trained.eval()
    rough = {
        name: figures.means["network"]
        for name, figures in evaluate(
            split.held_out, lambda example: network.predict(trained, example)
        ).items()
    }
    (options.cache / ROUGHNESS).write_text(json.dumps(rough), encoding="utf-8")
    network.save(trained, MODEL)
    size, off = MODEL.stat().st_size, network.difference(trained, MODEL, MARGIN)
    record_model(MODEL)
    _log(f"wrote {FILE}: {size:,} bytes; heights differ by at most {off:.4f} texels from training")
    # A new process reads the new record, so the shipped network is evaluated.
    command = [sys.executable, "-m", "tools.train.surfaces.train", "--measure", "--cache", options.cache]
    failed = subprocess.call([str(argument) for argument in command])
    return int(bool(failed) or size > MAX_SIZE or off > TOLERANCE)


def _log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
