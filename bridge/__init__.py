"""PopBridge: the daemon between game-engine editors and the accelerated core."""

from importlib.metadata import version

__version__ = version("popbridge")
