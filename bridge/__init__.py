"""PopBridge: the daemon between game-engine editors and a core that analyses images."""

from importlib.metadata import version

__version__ = version("popbridge")
