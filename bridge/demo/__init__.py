"""`popbridge demo`: the whole way on a project that it makes itself."""

from bridge.demo.run import run

__all__ = ["run"]
