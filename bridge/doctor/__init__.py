"""Checks of this machine, of the daemon and of a project. They change nothing."""
