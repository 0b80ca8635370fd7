"""A plugin that mistypes a hook."""

from bridge.api import hookimpl


@hookimpl
def popbridge_adaptors():
    return []
