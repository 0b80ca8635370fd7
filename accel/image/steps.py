"""What fails in a step of a pipeline is told by the step's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accel.devices.faults import fault_of
from accel.text import text
from accel.workload import WorkloadError


@contextmanager
def at_step(step: str) -> Iterator[None]:
    """Raises WorkloadError, by what `step` is called, for whatever is raised in it; of a device and of memory
    others know what to do."""
    try:
        yield
    # A plugin's code may raise anything.
    except (Exception, SystemExit) as error:
        if not isinstance(error, WorkloadError) and fault_of(error):
            raise
        raise _told(step, error) from _cause(error)


def _told(step: str, error: BaseException) -> WorkloadError:
    if not isinstance(error, WorkloadError):
        error = WorkloadError("internal", text("the workload failed ({name})", name=type(error).__name__))
    return WorkloadError(error.code, f"{step}: {error.reason}", error.name, fault=error.fault, step=step)


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ if isinstance(error, WorkloadError) else error
