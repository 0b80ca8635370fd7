"""Alternating measurements, so that other load on the machine affects all peers alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def alternating_medians(peers: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Returns the median CPU time of a call of each peer, in milliseconds; the first round is a warm-up."""
    spent: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name, call in peers.items():
            begin = time.process_time()
            call()
            if number:
                spent[name].append((time.process_time() - begin) * 1000)
    return {name: statistics.median(each) for name, each in spent.items()}
