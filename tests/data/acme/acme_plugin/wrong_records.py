"""A plugin that gives something else than records."""

from bridge.api import hookimpl


@hookimpl
def popbridge_workloads():
    return ["acme.size"]
