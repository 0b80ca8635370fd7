"""Benchmarks: each against its peer in one run, as ratios; `report.py` writes docs/performance.md."""
