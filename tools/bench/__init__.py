"""Benchmarks: each compares PopBridge with a peer in the same run.

`report.py` writes docs/explanation/performance.md.
"""
