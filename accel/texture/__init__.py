"""Texture classification from pixels, names and context."""
