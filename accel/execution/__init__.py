"""Where jobs run: worker processes, batches, and the choice of a device."""
