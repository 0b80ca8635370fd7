"""A plugin that fails when it is asked what it adds."""

from bridge.api import hookimpl


@hookimpl
def popbridge_adapters():
    raise ZeroDivisionError("acme's licence server gave 0 seats")
