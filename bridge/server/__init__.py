"""The daemon: the only place with an event loop."""

# First of all, as it loads sqlite-utils without numpy.
import bridge.store  # noqa: F401
