"""Job execution: worker processes, batching and the choice of a device."""
