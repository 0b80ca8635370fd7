"""The daemon: the only place with an event loop."""
