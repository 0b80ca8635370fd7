"""Gain and overhead of networks: upscaling, background removal and text embeddings.

The models are those that the tests pull into `.models`. All runs are on one thread, as in a worker.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from accel.ai.embeddings import _run, _tokenizer
from accel.ai.matting import SIDE
from accel.ai.preprocessing import resize_planes
from accel.ai.sessions import networks
from accel.ai.workloads import EmbedText, RemoveBackground, Upscale, embed_text, remove_background, upscale
from accel.image.pixel_data import vips_image
from accel.image.raster import Raster
from accel.workload import Limits
from bridge.demo.textures import noise, normals, tint

ROUNDS = 2
LARGE = 384
"""Side of the picture whose upscaling is timed, pixels."""
KINDS = (("rusty metal plate", "spaceship"), ("wooden door", "castle"), ("mossy rock", "forest floor"))
TEXTS = [f"{kind} {n} for a {place}" for n in range(32) for kind, place in KINDS]


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    limits = _limits()
    parts = [_quality(limits), _times(limits), _texts(limits)]
    return "\n\n".join(["## Models", *parts])


def _limits() -> Limits:
    """Returns limits with the models that the tests pull."""
    return Limits(models=str(Path(__file__).resolve().parents[2] / ".models"))


def _pictures() -> Mapping[str, NDArray[np.uint8]]:
    relief = noise(1, 256)
    y, x = np.mgrid[:256, :256]
    bricks = np.where(
        ((y % 64 < 6) | ((x + y // 64 % 2 * 64) % 128 < 6))[..., None], 0.8, tint(relief, (0.6, 0.3, 0.2))
    )
    shape = (np.hypot(x - 128, y - 120) < 80) ^ ((x * 2 + y) % 90 < 12)
    drawing = np.where(shape[..., None], [0.9, 0.4, 0.1], [0.1, 0.2, 0.4])
    made = {
        "noise, tinted": tint(relief, (0.5, 0.4, 0.3)),
        "bricks": bricks,
        "drawing": drawing,
        "normal map": normals(relief, 2.0),
    }
    return {name: (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8) for name, values in made.items()}


def _quality(limits: Limits) -> str:
    rows = []
    for name, wanted in _pictures().items():
        row = [name]
        for factor, style in ((2, "faithful"), (4, "faithful"), (4, "sharp")):
            small = np.asarray(vips_image(wanted, "srgb").shrink(factor, factor).numpy())
            params = Upscale(factor=factor, style=style, normals=name == "normal map")
            made = upscale.operate([_raster(small)], params, limits).images["upscaled"].pixels
            row.append(f"{_psnr(made, wanted) - _psnr(_cubic(small, factor), wanted):+.1f} dB")
        rows.append(f"| {' | '.join(row)} |")
    lines = "\n".join(rows)
    return f"""\
Textures of 256 x 256 pixels, reduced to a half and a quarter and upscaled again: how much closer to the
original than bicubic (OpenCV), in PSNR. The aim: closer than bicubic with `faithful`; `sharp` is for
looks.

| picture | 2, faithful | 4, faithful | 4, sharp |
|---|---|---|---|
{lines}"""


def _times(limits: Limits) -> str:
    given = np.random.default_rng(1).integers(0, 256, (LARGE, LARGE, 3), np.uint8)
    floats = given.astype(np.float32) / 255
    opened = networks(limits)
    rows = []
    for label, name, margin, params in (
        ("`image.upscale` 2, faithful", "waifu2x-upconv7-2x", 7, Upscale()),
        ("`image.upscale` 4, sharp", "realesr-animevideo-4x", 18, Upscale(factor=4, style="sharp")),
    ):
        padded = np.pad(floats, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        network = opened.get(name)
        ours, bare = _alternating(
            lambda params=params: upscale.operate([_raster(given)], params, limits),  # type: ignore[misc]
            lambda network=network, padded=padded: network.image(padded),  # type: ignore[misc]
        )
        rows.append(_row(label, ours, bare))
    cut = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8)
    small = resize_planes(cut.astype(np.float32) / 255, SIDE, SIDE)
    u2net = opened.get("u2netp")
    ours, bare = _alternating(
        lambda: remove_background.operate([_raster(cut)], RemoveBackground(), limits),
        lambda: u2net.image(small),
    )
    rows.append(_row("`image.remove_background`, 1024 x 1024", ours, bare))
    lines = "\n".join(rows)
    return f"""\
CPU time of the whole operation beside the bare model on the whole image ({LARGE} x {LARGE} for
upscaling), medians of {ROUNDS} alternating rounds (`tools/bench/networks.py`). The aim: at most 1.25 for
upscaling, in spite of overlapping tiles.

| operation | total | model alone | ratio |
|---|---|---|---|
{lines}"""


def _texts(limits: Limits) -> str:
    network = networks(limits).get("minilm-l6")
    ids = [_tokenizer(limits).ids(text, 256)[0] for text in TEXTS]

    def bare() -> None:
        for begin in range(0, len(ids), 16):
            _run(network, ids[begin : begin + 16])

    def one_by_one() -> None:
        for text in TEXTS:
            embed_text([], EmbedText(texts=[text]), limits)

    together, loop = _alternating(lambda: embed_text([], EmbedText(texts=list(TEXTS)), limits), bare)
    single, _ = _alternating(one_by_one, lambda: None)
    n = len(TEXTS)
    return f"""\
`text.embed` of {n} short texts, CPU time per text. The aim: at most 1.3 times the bare model, which gets
tokenised batches of 16.

| method | per text | ratio |
|---|---|---|
| all in one request | {together / n * 1000:.2f} ms | {together / loop:.2f} |
| one by one | {single / n * 1000:.2f} ms | {single / loop:.2f} |
| the bare model | {loop / n * 1000:.2f} ms | 1 |"""


def _alternating(ours: Callable[[], Any], peer: Callable[[], Any]) -> tuple[float, float]:
    """Returns the median CPU seconds of both, run in turn; the first run of each is a warm-up."""
    taken: Sequence[list[float]] = ([], [])
    for _ in range(ROUNDS + 1):
        for function, seconds in zip((ours, peer), taken, strict=True):
            begin = time.process_time()
            function()
            seconds.append(time.process_time() - begin)
    first, second = (statistics.median(seconds[1:]) for seconds in taken)
    return first, second


def _row(label: str, ours: float, bare: float) -> str:
    return f"| {label} | {ours:.2f} s | {bare:.2f} s | {ours / bare:.2f} |"


def _raster(pixels: NDArray[np.uint8]) -> Raster:
    return Raster("bench", np.ascontiguousarray(pixels), False, "srgb", "png")


def _cubic(small: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC))


def _psnr(made: NDArray[Any], wanted: NDArray[Any]) -> float:
    return float(10 * np.log10(255**2 / np.mean((made.astype(float) - wanted) ** 2)))


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
