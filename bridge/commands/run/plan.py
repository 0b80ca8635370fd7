"""What is asked for: one workload, or operations as the steps of a pipeline, with their parameters."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from bridge.commands.run.steps import HINT, place
from bridge.commands.run.values import value_of
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.image.operation import Operation
    from accel.workload import Workload

JOIN = "+"


class Plan(Struct, frozen=True):
    """One workload and all its parameters; what is done with each job."""

    workload: Workload
    params: Mapping[str, Any]
    first: Workload
    """What takes the files: the same, or a pipeline's first step; of steps that take several images the
    first, where none before it makes several of one."""
    recipe: Sequence[tuple[str, int]]
    """Names and versions of all that is done, in this order."""

    @property
    def together(self) -> bool:
        """Whether all files are one job, as it takes several of equal rank."""
        return self.first.inputs[1] > 1 and not self.first.companions

    @property
    def title(self) -> str:
        """For progress bars and messages."""
        return JOIN.join(name for name, _ in self.recipe)


def plan(text: str, assigned: Mapping[str, str], workloads: Mapping[str, Workload]) -> Plan:
    """What `text` (`NAME` or `NAME+NAME`) and the texts of the parameters ask for. Raises UserError."""
    names = text.split(JOIN)
    records = [_known(name, workloads) for name in names]
    if len(records) == 1:
        return _single(records[0], assigned)
    return _steps(names, assigned)


def _known(name: str, workloads: Mapping[str, Workload]) -> Workload:
    found = workloads.get(name)
    if found is not None:
        return found
    alike = [known for known in sorted(workloads) if known.rpartition(".")[2] == name]
    alike += difflib.get_close_matches(name, workloads, 1)
    if alike:
        raise UserError(f"There is no workload {name!r}; did you mean {alike[0]}?")
    raise UserError(f"There is no workload {name!r}; there are {', '.join(sorted(workloads)) or 'none'}.")


def _single(record: Workload, assigned: Mapping[str, str]) -> Plan:
    from accel.image.pipeline import Pipeline

    short = record.name.rpartition(".")[2]
    # A pipeline's prefixes said of a single workload mean the same.
    texts = {_bare(name, ("1", short, record.name)): text for name, text in assigned.items()}
    values = {name: value_of(record.params, name, text) for name, text in texts.items()}
    parsed = _parsed(record, values, record.name)
    if isinstance(parsed, Pipeline):
        operations = [_operation(step.workload) for step in parsed.steps]
        return Plan(record, values, _taking(operations), _recipe(operations))
    return Plan(record, values, record, [(record.name, record.version)])


def _bare(name: str, prefixes: Sequence[str]) -> str:
    prefix, _, rest = name.rpartition(".")
    return rest if prefix in prefixes else name


def _steps(names: Sequence[str], assigned: Mapping[str, str]) -> Plan:
    from accel.image.pipeline import pipeline

    operations = [_operation(name) for name in names]
    given: list[dict[str, Any]] = [{} for _ in operations]
    for name, text in assigned.items():
        index, field = place(name, [each.workload for each in operations])
        given[index][field] = value_of(operations[index].workload.params, field, text)
    for index, (operation, values) in enumerate(zip(operations, given, strict=True)):
        _parsed(operation.workload, values, f"Step {index + 1}, {operation.workload.name}")
    steps = [{"workload": name, "params": values} for name, values in zip(names, given, strict=True)]
    return Plan(pipeline.workload, {"steps": steps}, _taking(operations), _recipe(operations))


def _taking(operations: Sequence[Operation]) -> Workload:
    """The step by whose inputs files are jobs."""
    for operation in operations:
        if operation.workload.inputs[1] > 1 or operation.splits:
            taking = operation.workload
            return taking if taking.inputs[1] > 1 and not taking.companions else operations[0].workload
    return operations[0].workload


def _operation(name: str) -> Operation:
    from accel.image.catalogue import OPERATIONS

    found = OPERATIONS.get(name)
    if found is None:
        known = ", ".join(sorted(OPERATIONS))
        raise UserError(f"{name} is no operation on images, so that it can't be a step; there are {known}.")
    return found


def _recipe(operations: Iterable[Operation]) -> list[tuple[str, int]]:
    return [(each.workload.name, each.workload.version) for each in operations]


def _parsed(record: Workload, values: Mapping[str, Any], name: str) -> Any:
    from accel.workload import WorkloadError

    try:
        return record.parse(dict(values))
    except WorkloadError as error:
        raise UserError(f"{name}: {error.reason.rstrip('?')}. {HINT}") from None
