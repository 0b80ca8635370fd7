"""Godot's version strings: `4.2.1.stable.official.b09f793f5`; dev < alpha < beta < rc < stable."""

from bridge.api import VersionScheme

SCHEME = VersionScheme(
    engine="godot", stages={"dev": ".dev", "alpha": "a", "beta": "b", "rc": "rc", "stable": ""}
)
