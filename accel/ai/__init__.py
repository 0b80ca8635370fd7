"""Workloads that compute with trained networks; the models themselves are records in accel.models."""
