"""What PopBridge's own plugins contribute, whatever else is installed here."""

from __future__ import annotations

import configparser
import importlib
from functools import cache
from pathlib import Path

from bridge.host import host

SETUP = Path(__file__).parent.parent.parent / "setup.cfg"


@cache
def registry() -> host.Registry:
    """Raises ValueError where one of them is broken: documents that lack it would be wrong."""
    loaded = host.load({name: _module(target) for name, target in _entry_points().items()}, installed=False)
    if broken := [f"{plugin}: {plugin.reason}" for plugin in loaded.plugins if plugin.status != "ok"]:
        raise ValueError("; ".join(broken))
    return loaded


def release() -> str:
    """The version that is being made."""
    parser = configparser.ConfigParser()
    parser.read(SETUP, encoding="utf-8")
    return parser["metadata"]["version"]


def _entry_points() -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.read(SETUP, encoding="utf-8")
    lines = parser["options.entry_points"]["popbridge"].strip().splitlines()
    return {name.strip(): target.strip() for name, _, target in (line.partition("=") for line in lines)}


def _module(target: str) -> object:
    return importlib.import_module(target)
