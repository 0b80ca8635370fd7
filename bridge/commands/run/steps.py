"""Which step of a pipeline a parameter from the shell is meant for."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from accel.text import text
from bridge.commands.language import say
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.workload import Workload


def hint(name: str = "NAME") -> str:
    """Where the parameters of a workload are listed."""
    return say(text("`popbridge workloads {name}` lists the parameters.", name=name))


def place(name: str, steps: Sequence[Workload]) -> tuple[int, str]:
    """Which step takes the parameter `name`, from 0, and the name without the step in front.

    A step is named by its position from 1, its short name (`resize`) or its whole name; where one step alone
    takes the parameter, not at all. Raises UserError.
    """
    prefix, _, field = name.rpartition(".")
    if not prefix:
        return _taker(field, steps), field
    index = _step(prefix, name, steps)
    if _has(steps[index], field) and not _counts(index, field, steps):
        raise _idle(field, steps)
    return index, field


def _taker(field: str, steps: Sequence[Workload]) -> int:
    takers = [index for index in range(len(steps)) if _counts(index, field, steps)]
    if len(takers) == 1:
        return takers[0]
    if any(_has(step, field) for step in steps) and not takers:
        raise _idle(field, steps)
    if not takers:
        raise UserError(text("No step has a parameter {field}. {hint}", field=repr(field), hint=hint()))
    raise UserError(
        text(
            "Several steps have a parameter {field}: say {says}.",
            field=repr(field),
            says=_says(field, takers, steps),
        )
    )


def _step(prefix: str, name: str, steps: Sequence[Workload]) -> int:
    if prefix.isdecimal() and 1 <= int(prefix) <= len(steps):
        return int(prefix) - 1
    called = [index for index, step in enumerate(steps) if prefix in (step.name, _short(step))]
    if len(called) == 1:
        return called[0]
    if called:
        field = name.rpartition(".")[2]
        says = say(text(" or ")).join(f"{index + 1}.{field}" for index in called)
        raise UserError(
            text("Several steps are called {prefix}: say {says}.", prefix=repr(prefix), says=says)
        )
    listed = ", ".join(f"{index + 1} {_short(step)}" for index, step in enumerate(steps))
    raise UserError(
        text(
            "--param {name}: there is no step {prefix}; the steps are {steps}.",
            name=name,
            prefix=repr(prefix),
            steps=listed,
        )
    )


def _says(field: str, indexes: Sequence[int], steps: Sequence[Workload]) -> str:
    """What may be typed for one of several steps."""
    return say(text(" or ")).join(f"{_prefix(index, steps)}.{field}" for index in indexes)


def _prefix(index: int, steps: Sequence[Workload]) -> str:
    """What tells a step from the others."""
    alike = sum(_short(step) == _short(steps[index]) for step in steps)
    return _short(steps[index]) if alike == 1 else str(index + 1)


def _short(step: Workload) -> str:
    return step.name.rpartition(".")[2]


def _has(step: Workload, field: str) -> bool:
    return field in {each.encode_name for each in msgspec.structs.fields(step.params)}


def _counts(index: int, field: str, steps: Sequence[Workload]) -> bool:
    """Whether a step has a parameter that isn't passed over: how files are read counts in the first step
    alone, how they are written in the last."""
    from accel.image.operation import Reading, Writing

    if not _has(steps[index], field):
        return False
    owner = next(kind for kind in steps[index].params.__mro__ if field in inspect.get_annotations(kind))
    if owner is Reading:
        return index == 0
    return owner is not Writing or index == len(steps) - 1


def _idle(field: str, steps: Sequence[Workload]) -> UserError:
    counting = [index for index in range(len(steps)) if _counts(index, field, steps)]
    if says := _says(field, counting, steps):
        return UserError(text("{field} counts in another step alone: say {says}.", field=field, says=says))
    return UserError(
        text(
            "{field} counts in the last step alone, and {step} writes no image.",
            field=field,
            step=steps[-1].name,
        )
    )
