"""Declarations of the image workloads: parameters, results, documentation. `accel.image` computes them.

The modules here are imported at start-up, so they import neither numpy nor pyvips.
"""
