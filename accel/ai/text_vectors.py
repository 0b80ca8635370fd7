"""Vectors of texts by MiniLM: word pieces in, the mean over them out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from accel.ai.digits import listed
from accel.ai.fitting import in_batches
from accel.ai.sessions import Network, networks
from accel.ai.wordpiece import WordPiece
from accel.buckets import bucket
from accel.models.catalogue import MINILM
from accel.workload import Limits

MOST = 256
"""Word pieces of one text, as the model was trained."""
LEAST = 8
"""Word pieces that shorter rows are rounded up to where shapes are to repeat."""


def vectors(texts: Sequence[str], limits: Limits) -> tuple[list[list[float]], list[int]]:
    """A vector of length 1 for each text, and the numbers of those that were cut.

    Raises WorkloadError where the model isn't on this machine.
    """
    network = networks(limits).get(MINILM.name)
    tokenizer = _tokenizer(limits)
    rows = [tokenizer.ids(text, MOST) for text in texts]
    made = np.empty((len(texts), 384), np.float32)
    assert network.file.graph is not None
    # Those of about the same length together, so that little is padded.
    order = sorted(range(len(texts)), key=lambda at: len(rows[at][0]))
    for chosen, found in in_batches(
        order, network.file.graph.batching.most, lambda part: _run(network, [rows[at][0] for at in part])
    ):
        made[chosen] = found
    return listed(made), [at for at, (_, cut) in enumerate(rows) if cut]


@cache
def _tokenizer(limits: Limits) -> WordPiece:
    """Read once in each process."""
    return WordPiece(networks(limits).read(MINILM.name, "tokenizer.json"))


def _run(network: Network, rows: Sequence[list[int]]) -> NDArray[np.float32]:
    longest = max(map(len, rows))
    feed = given = padded(rows, len(rows), longest)
    if network.fixes:
        # A few pieces of padding cost a GPU less than another shape.
        rounded = padded(rows, bucket(len(rows)), max(LEAST, bucket(longest)))
        given = rounded if network.may_fix(rounded) else feed
    (hidden,) = network.run(given)
    hidden = hidden[: len(rows), :longest]
    weights = feed["attention_mask"][..., None].astype(np.float32)
    mean = (hidden * weights).sum(1) / weights.sum(1)
    made: NDArray[np.float32] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return made


def padded(rows: Sequence[list[int]], count: int, length: int) -> dict[str, NDArray[np.int64]]:
    """What the network takes: `count` rows of `length` pieces, of which those that aren't there don't count.

    Rows beyond the given ones repeat the first: one without any piece has no mean.
    """
    ids, mask = (np.zeros((count, length), np.int64) for _ in range(2))
    for at in range(count):
        row = rows[at] if at < len(rows) else rows[0]
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
