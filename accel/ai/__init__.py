"""Workloads that run neural networks. `accel.models` has the records of the models."""
