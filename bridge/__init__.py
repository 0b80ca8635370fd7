"""PopBridge: the daemon between game-engine editors and a core that works on images."""

from importlib.metadata import version

__version__ = version("popbridge")
