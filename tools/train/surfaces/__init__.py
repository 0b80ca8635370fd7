"""Trains and measures the network that guesses a surface's height and roughness from its colours."""
