"""What packs pixels into the blocks that GPUs read."""
