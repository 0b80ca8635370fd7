"""Peers measured in turns, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians(peers: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Milliseconds of CPU of one call of each, medians of so many rounds after one that doesn't count."""
    spent: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 1):
        for name, call in peers.items():
            begin = time.process_time()
            call()
            if number:
                spent[name].append((time.process_time() - begin) * 1000)
    return {name: statistics.median(each) for name, each in spent.items()}
