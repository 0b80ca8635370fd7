"""The entry point of a worker process: `python -m accel.execution`."""

# Workloads import this module too: run as `__main__`, it would be loaded a second time.
from accel.execution.worker import main

main()
