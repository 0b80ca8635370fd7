"""The daemon: the only package with an event loop."""

# Import this first: it loads sqlite-utils without numpy.
import bridge.store  # noqa: F401
