"""The networks on a GPU, shape by shape: plainly, in buffers that stay, and as CUDA graphs."""

from __future__ import annotations

import os
from collections.abc import Iterator

from accel.ai.contest import proven
from accel.ai.opening import BINDING, GRAPH, TENSORRT, TENSORRT_GRAPH, opened, plainly, ways_by, wish_of
from accel.devices import here
from accel.devices.bound import Array, Feed
from accel.devices.proving import TOLERANCES, sampled
from accel.models.catalogue import MODELS
from accel.models.manifest import File
from accel.models.store import ModelStore
from bridge.paths import Paths
from tools.bench.gpu_works import NETS, Net

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
    """The table, of a provider's ways or, without one, of what is to be measured."""
    # Where `popbridge tune` puts engines.
    os.environ.setdefault(here.CACHE, str(Paths.find().cache))
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
        if store.right(MODELS[net.model], file):
            yield net, file


def _measured(
    net: Net, file: File, batch: int, store: ModelStore, provider: str
) -> tuple[list[str], list[str]]:
    """The cells of plain runs and of every way, and what speaks against those that are refused."""
    if not provider:
        return [NOT_MEASURED] * (1 + len(COLUMNS)), []
    assert file.graph is not None
    contents, feed = store.read(MODELS[net.model], file), net.feed(batch)
    session = opened(contents, here.for_provider(provider, wish_of(file)))
    wanted = [file.graph.outputs[0].name]

    def plain(given: Feed) -> list[Array]:
        return plainly(session)(given, wanted)

    sample, tolerance = sampled(plain, feed), TOLERANCES[file.graph.precision]
    proofs = {
        way.name: proven(way, plain, sample, wanted, tolerance)[1]
        for way in ways_by(provider, contents, file, session)
    }
    best = min((one.plain_ms for one in proofs.values() if one.plain_ms), default=0.0)
    cells = [_ms(best), *(_ms(proofs[name].ms if name in proofs else 0.0) for name in COLUMNS)]
    return cells, [f"{name} {one.refused}" for name, one in proofs.items() if one.refused]


def _ms(value: float) -> str:
    return f"{value:.2f} ms" if value else NOT_MEASURED
