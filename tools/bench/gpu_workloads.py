"""What `tools.bench.gpu` measures: networks, graphs of image operations, and session variants."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from msgspec import Struct

from accel.ai.sessions import (
    BINDING,
    GRAPH,
    TENSORRT,
    TENSORRT_GRAPH,
    open_session,
    run_plainly,
    session_variants,
    session_wish,
)
from accel.ai.shape_tuning import prove_variant
from accel.devices import current
from accel.devices.autotune import TOLERANCES, Array, sample_inputs
from accel.execution.executor import cores
from accel.gpu_ops.graph import Runner
from accel.gpu_ops.operators import normal_map_graph, scale
from accel.gpu_ops.resample import PixelCoding, mip_feed, mips_graph, steps
from accel.image.height_map import HeightField, height_to_normal
from accel.image.mip_levels import level_sizes, pixel_levels
from accel.image.pixel_coding import coding_of
from accel.image.raster import Raster
from accel.models.catalog import MODELS
from accel.models.manifest import File
from accel.models.store import ModelStore
from bridge.paths import Paths

SIDE = 2048
"""Side of the images of the graphs, pixels."""

Feed = Mapping[str, Any]
Run = Callable[[], object]
On = Callable[[Runner, int], Run]
"""Returns a function that runs a batch of that size; preparing it isn't measured."""


class Work(Struct, frozen=True):
    """One thing that is measured on either device."""

    name: str
    unit: str
    """What is counted, as a plural."""
    demanded: int
    """Required ratio of the GPU's rate to the CPU's."""
    on_cpu: On
    on_gpu: On
    most: int = 64
    """The largest batch."""


class Net(Struct, frozen=True):
    """How a network is fed."""

    model: str
    file: str
    shown: str
    unit: str
    feed: Callable[[int], Feed]
    most: int = 64


INFERENCE, MEDIA = 3, 10
"""The required ratios."""

_random = np.random.default_rng(1)


def _floats(*shape: int) -> Any:
    return _random.random(shape, np.float32)


def _image(name: str, high: int, wide: int) -> Callable[[int], Feed]:
    return lambda batch: {name: _floats(batch, 3, high, wide)}


def _textures(batch: int) -> Feed:
    views = {name: _random.integers(0, 256, (batch, 4, side, side), np.uint8)
             for name, side in (("picture", 128), ("patch", 96))}  # fmt: skip
    return {"features": _floats(batch, 454), **views}


def _words(length: int) -> Callable[[int], Feed]:
    def feed(batch: int) -> Feed:
        ids = _random.integers(1000, 20000, (batch, length))
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}

    return feed


_PICTURE = _image("image", 224, 224)

NETS = (
    Net("texture-kind", "kinds.onnx", "texture-kind", "textures", _textures),
    Net("u2netp", "model.onnx", "background, u2netp, 320²", "images", _image("input.1", 320, 320), most=1),
    Net("waifu2x-upconv7-2x", "model.onnx", "upscale 2x, waifu2x, 128²", "tiles", _image("image", 142, 142)),
    Net(
        "realesr-animevideo-4x", "model.onnx", "upscale 4x, realesr, 256²", "tiles", _image("image", 292, 292)
    ),
    Net("minilm-l6", "model.onnx", "text, MiniLM, 8 word pieces", "texts", _words(8)),
    Net("minilm-l6", "model.onnx", "text, MiniLM, 128 word pieces", "texts", _words(128)),
    Net("pp-ocrv6", "det.onnx", "OCR, finding, 736²", "images", _image("x", 736, 736)),
    Net("pp-ocrv6", "rec.onnx", "OCR, reading, 320 x 48", "lines", _image("x", 48, 320)),
    Net("efficientnet-lite0", "model.onnx", "image vectors, EfficientNet, 224²", "images", _PICTURE),
)
"""Sizes as the workloads use them; upscaling includes the margin of a tile."""


def works(store: ModelStore) -> tuple[list[Work], list[str]]:
    """Returns everything that can be measured, and the missing models."""
    found, missing = [], []
    for net in NETS:
        model = MODELS[net.model]
        if store.is_intact(model, model.file(net.file)):
            found.append(_network(net, store.read(model, model.file(net.file))))
        else:
            missing.append(net.model)
    return [*found, *_graphs()], list(dict.fromkeys(missing))


def _network(net: Net, contents: bytes) -> Work:
    graph = MODELS[net.model].file(net.file).graph
    assert graph is not None
    wanted = graph.outputs[0].name

    def on(runner: Runner, batch: int) -> Run:
        feed = net.feed(batch)
        return lambda: runner.run(contents, feed)[wanted].fetch()

    return Work(net.shown, net.unit, INFERENCE, on, on, net.most)


def _graphs() -> Iterator[Work]:
    relief = HeightField(8.0, "sobel", False, False, "luminance")
    heights = _random.integers(0, 256, (SIDE, SIDE, 1), np.uint8)
    grey = Raster("heights.png", heights, False, "linear", "png")
    to_normals = normal_map_graph("uint8", "uint8", relief.kernel, relief.wrap, relief.green_down)
    strength = {"scale": scale(relief, heights.dtype)}
    yield from _both(
        f"normal map, {SIDE}²",
        lambda: height_to_normal(grey, relief, "uint8"),
        to_normals,
        lambda batch: {"heights": np.repeat(heights[None, ..., 0], batch, 0), **strength},
    )
    texture = _random.integers(0, 256, (SIDE, SIDE, 4), np.uint8)
    how = coding_of(Raster("texture.png", texture, True, "srgb", "png"), "color", True, True)
    size, levels = (SIDE, SIDE), level_sizes(SIDE, SIDE)
    weights = mip_feed(PixelCoding.of(how), size, levels, "box", "clamp")
    yield from _both(
        f"mip chain of RGBA in light, {SIDE}²",
        lambda: pixel_levels(texture, how, levels, "box", "clamp"),
        mips_graph(PixelCoding.of(how), steps(size, levels, "box", "clamp")),
        lambda batch: {"pixels": np.repeat(texture[None], batch, 0), **weights},
    )


def _both(name: str, by_cpu: Run, graph: bytes, feed: Callable[[int], Feed]) -> Iterator[Work]:
    """Runs an operation from memory to memory, and as a step between others on the device.

    On the CPU, it is the program's own code, with one image per core at a time.
    """
    pool = ThreadPoolExecutor(cores())

    def on_cpu(runner: Runner, batch: int) -> Run:
        return lambda: [one.result() for one in [pool.submit(by_cpu) for _ in range(batch)]]

    def there_and_back(runner: Runner, batch: int) -> Run:
        given = feed(batch)
        return lambda: [value.fetch() for value in runner.run(graph, given).values()]

    def kept(runner: Runner, batch: int) -> Run:
        given = {key: runner.put(value) for key, value in feed(batch).items()}
        return lambda: runner.run(graph, given)

    yield Work(name, "images", MEDIA, on_cpu, there_and_back)
    yield Work(f"{name}, kept on the GPU", "images", MEDIA, on_cpu, kept)


BATCHES = (1, 16)
COLUMNS = (BINDING, GRAPH, TENSORRT, TENSORRT_GRAPH)
NOT_MEASURED = "not measured"

TEMPLATE = """\
Milliseconds of a run of one shape on the GPU, from memory to memory: plain, with inputs and outputs bound
to permanent buffers, and replayed as a CUDA graph. Each method is first compared with plain runs on two
inputs, as in a worker. TensorRT is measured if `popbridge tune` has built its engines.

| network | batch | plainly | {columns} |
|---|---|---|{lines}|
{rows}
{notes}"""


def section(store: ModelStore, provider: str = "") -> str:
    """Returns the table of a provider's session variants; without one, of what would be measured."""
    # The folder of `popbridge tune`.
    os.environ.setdefault(current.CACHE, str(Paths.find().cache))
    rows, notes = [], []
    for net, file in _there(store):
        for batch in sorted({min(batch, net.most) for batch in BATCHES}):
            cells, refused = _measured(net, file, batch, store, provider)
            rows.append(f"| {net.shown} | {batch} | {' | '.join(cells)} |")
            notes += [f"{net.shown}, batch {batch}: {each}." for each in refused]
    return TEMPLATE.format(
        columns=" | ".join(COLUMNS), lines="|".join(["---"] * len(COLUMNS)), rows="\n".join(rows),
        notes="\n" + "\n".join(notes) if notes else "",
    )  # fmt: skip


def _there(store: ModelStore) -> Iterator[tuple[Net, File]]:
    for net in NETS:
        file = MODELS[net.model].file(net.file)
        if store.is_intact(MODELS[net.model], file):
            yield net, file


def _measured(
    net: Net, file: File, batch: int, store: ModelStore, provider: str
) -> tuple[list[str], list[str]]:
    """Returns the cells of plain runs and of every variant, and why variants were rejected."""
    if not provider:
        return [NOT_MEASURED] * (1 + len(COLUMNS)), []
    assert file.graph is not None
    contents, feed = store.read(MODELS[net.model], file), net.feed(batch)
    session = open_session(contents, current.for_provider(provider, session_wish(file)))
    wanted = [file.graph.outputs[0].name]

    def plain(given: Feed) -> list[Array]:
        return run_plainly(session)(given, wanted)

    sample, tolerance = sample_inputs(plain, feed), TOLERANCES[file.graph.precision]
    proofs = {
        way.name: prove_variant(way, plain, sample, wanted, tolerance)[1]
        for way in session_variants(provider, contents, file, session)
    }
    best = min((one.plain_ms for one in proofs.values() if one.plain_ms), default=0.0)
    cells = [_ms(best), *(_ms(proofs[name].ms if name in proofs else 0.0) for name in COLUMNS)]
    return cells, [f"{name} {one.refused}" for name, one in proofs.items() if one.refused]


def _ms(value: float) -> str:
    return f"{value:.2f} ms" if value else NOT_MEASURED
