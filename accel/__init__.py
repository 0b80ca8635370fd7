"""A compute library: workloads, the workers that run them, and nothing of the bridge."""
