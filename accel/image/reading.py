"""Which pixels files give, as a number for those who keep what was made of them."""

VERSION = 4
"""Raised by whoever has `load` or `open_raster` give other pixels of some file, or open what they refused:
what was kept of such files is made anew then."""
