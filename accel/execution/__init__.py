"""Job execution: worker processes, batches, and the choice of a device."""
