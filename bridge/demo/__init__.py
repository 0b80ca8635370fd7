"""`popbridge demo`: the whole way on a project that it makes itself."""

from bridge.demo.demo import run

__all__ = ["run"]
