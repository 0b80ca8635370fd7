"""A game project on disk: its configuration, its files, what an engine plugin offers for it."""
