"""The entry point of a worker process: `python -m accel.execution`."""

# Workloads import `worker` too, so running it as `__main__` would load it twice.
from accel.execution.worker import main

main()
