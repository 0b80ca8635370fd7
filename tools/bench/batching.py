"""Dynamic batching: many clients, one worker process, beside the same network in a bare loop.

Clients are coroutines of this process with one request in flight each; requests cross the pipe to a worker
and back as they do in a daemon. Rounds alternate, so that other load on the machine affects all alike.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accel.execution.batching import Batcher
from accel.execution.executor import Job, LocalExecutor
from accel.workload import Limits, Workload
from tools.bench import nets, served

CLIENTS = 64
ROUNDS = 5
COUNTS = {"tiny": 6_000, "small": 1_500, "texts": 600}
"""Requests per round."""
BATCH = 16
"""Texts per batch of the bare loop."""
WORDS = """rusty metal plate brick wall mossy rock oak planks sunset icon stone floor grass wood leaf bark
sand snow glass cloth leather rope chain wire pipe door window roof tile marble gold silver copper iron steel
paint paper stain crack dust mud lava ice water foam cloud smoke fire spark star moon sky tree root flower
vine coral shell bone skull""".split()  # noqa: SIM905
MODELS = Path(__file__).resolve().parents[2] / ".models"

TEMPLATE = """## Dynamic batching

{clients} clients with one request at a time each, one worker process on the CPU
(`tools/bench/batching.py`, medians of {rounds} alternating rounds). A batch is whatever waits when the
worker is free, up to 64 requests. "One by one" takes the same way through queue, pipe and worker without
batching.

| model | requests/s in batches | one by one | ratio | bare loop, one at a time | bare loop in batches |
|---|---|---|---|---|---|
{rows}

The aims: at least 10,000 requests/s for the tiny net; 5 times one by one for the small one; for texts at
least the bare loop in batches of 16, and more than LitServe and Ray Serve.
"""

Round = Callable[[], Awaitable[float]]
"""Requests per second."""


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    rows = [
        "| a network with layers of 16, 32, 8 | " + _row(asyncio.run(_nets("tiny"))),
        "| a network with layers of 256, 1024, 1024, 16 | " + _row(asyncio.run(_nets("small"))),
        "| `text.embed`, 2 to 6 words each | " + (_row(asyncio.run(_texts())) if _pulled() else _NOT),
    ]
    parts = [TEMPLATE.format(clients=CLIENTS, rounds=ROUNDS, rows="\n".join(rows))]
    if _pulled():
        texts = various(served.COUNT + served.COUNT // 4)
        parts.append(served.table(texts, MODELS, CLIENTS, lambda: _in_batches(texts)))
    return "\n".join(parts)


def various(count: int) -> list[str]:
    """Returns different texts of 2 to 6 words."""
    return [
        " ".join(WORDS[(n // 5 // len(WORDS) ** at + at * n) % len(WORDS)] for at in range(2 + n % 5))
        for n in range(count)
    ]


def _in_batches(texts: Sequence[str]) -> float:
    from accel.ai.embeddings import embed_texts_with_model

    limits = Limits(models=str(MODELS))
    return _bare(lambda n: embed_texts_with_model(texts[n : n + BATCH], limits), 40 * BATCH, BATCH)


_NOT = "not measured: `popbridge models pull minilm-l6` | | | | |"


def _row(found: Mapping[str, float]) -> str:
    ratio = found["batches"] / found["singles"]
    return (
        f"{found['batches']:,.0f} | {found['singles']:,.0f} | {ratio:.1f} "
        f"| {found['bare']:,.0f} | {found['bare batches']:,.0f} |"
    )


async def _nets(net: str) -> dict[str, float]:
    params = [{"net": net, "value": n / 64} for n in range(64)]
    count = COUNTS[net]

    async def bare() -> float:
        return _bare(lambda n: nets.run(net, [n / 64]), count // 2, 1)

    async def bare_batches() -> float:
        return _bare(lambda n: nets.run(net, [at / 64 for at in range(64)]), count, 64)

    return await _beside(nets.one.workload, params, count, {"bare": bare, "bare batches": bare_batches})


async def _texts() -> dict[str, float]:
    from accel.ai.embeddings import embed_texts_with_model
    from accel.ai.workloads import embed_text

    words = ["rusty", "metal", "plate", "brick", "wall", "mossy", "rock", "oak", "planks", "sunset", "icon"]
    texts = [" ".join(words[(n * 3 + at) % len(words)] for at in range(2 + n % 5)) for n in range(256)]
    limits, count = Limits(models=str(MODELS)), COUNTS["texts"]

    async def bare() -> float:
        return _bare(lambda n: embed_texts_with_model([texts[n % 256]], limits), count // 4, 1)

    async def bare_batches() -> float:
        return _bare(
            lambda n: embed_texts_with_model([texts[(n + at) % 256] for at in range(BATCH)], limits),
            count,
            BATCH,
        )

    params = [{"texts": [text]} for text in texts]
    return await _beside(embed_text.workload, params, count, {"bare": bare, "bare batches": bare_batches})


def _bare(call: Callable[[int], object], count: int, rows: int) -> float:
    begin = time.perf_counter()
    for n in range(0, count, rows):
        call(n)
    return -(-count // rows) * rows / (time.perf_counter() - begin)


async def _beside(
    workload: Workload, params: list[dict[str, Any]], count: int, peers: Mapping[str, Round]
) -> dict[str, float]:
    """Measures requests/s through the executor, in batches and one by one, and those of the peers."""
    executor = LocalExecutor(1, Limits(models=str(MODELS)), 0, warm=())
    await executor.start()
    ways: dict[str, Round] = {
        "batches": lambda: _clients(Batcher(executor, lambda w: 64), workload, params, count),
        "singles": lambda: _clients(Batcher(executor, lambda w: 1), workload, params, count // 2),
        **peers,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            found[name].append(await way())
    await executor.close()
    # The first round is a warm-up.
    return {name: statistics.median(rates[1:]) for name, rates in found.items()}


async def _clients(batcher: Batcher, workload: Workload, params: list[dict[str, Any]], count: int) -> float:
    async def client(first: int) -> None:
        for n in range(first, count, CLIENTS):
            await batcher.run(Job.parse(workload, params[n % len(params)], [], deadline_s=60))

    begin = time.perf_counter()
    await asyncio.gather(*map(client, range(CLIENTS)))
    return count / (time.perf_counter() - begin)


def _pulled() -> bool:
    from accel.models.catalog import MINILM
    from accel.models.store import ModelError, ModelStore

    try:
        ModelStore(MODELS).read(MINILM, MINILM.file("model.onnx"))
    except ModelError:
        return False
    return True


if __name__ == "__main__":
    print(measure())
