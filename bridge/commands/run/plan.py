"""WORKLOAD+STEP and parameters."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct, structs
from msgspec import inspect as types

from accel.text import AnyText, sentences, text
from bridge.commands.terminal import say
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.image.operation import Operation
    from accel.workload import Workload


NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number as people type it, also where JSON has none: `.5`, `2.`, `+1`, `08`."""
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def value_of(params: type[Struct], name: str, text: str) -> Any:
    """`text` as the parameter's type takes it: as JSON, or as it stands (`8` may be a number or a choice).

    Choices may be typed in upper or lower case or by an alias (`JPG`), lists as `a,b`, what is true or
    false as `yes` or `0`, and numbers as `.5`.
    """
    kind = next((each.type for each in msgspec.structs.fields(params) if each.encode_name == name), Any)
    value = as_json(text)
    for each in (value, text):
        if _takes(kind, each):
            return each
    read = _read(types.type_info(kind), text, value)
    return value if read is None else read


def as_json(text: str) -> Any:
    """`text` as JSON, or as it stands."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _takes(kind: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _read(info: types.Type, text: str, value: Any) -> Any:
    """What `text`, or `value` as JSON, may mean; None where that is unknown."""
    from accel.param_errors import choices, items, suggestion

    if (item := items(info)) is not None:
        return _list(item, text, value)
    if allowed := choices(info):
        return suggestion(text, allowed)
    if any(isinstance(part, types.BoolType) for part in _parts(info)):
        return {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}.get(text.casefold())
    return _number(text) if _are_numbers(info) else None


def _number(text: str) -> int | float | None:
    if not NUMBER.fullmatch(text):
        return None
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        # More digits than Python takes (`sys.set_int_max_str_digits`).
        return None
    return number if isinstance(number, int) or math.isfinite(number) else None


def _are_numbers(info: types.Type) -> bool:
    return any(isinstance(part, types.IntType | types.FloatType) for part in _parts(info))


def _list(item: types.Type, text: str, value: Any) -> list[Any] | None:
    from accel.param_errors import choices, suggestion

    if isinstance(value, dict) or (isinstance(value, str) and value.startswith(("[", "{"))):
        return None
    given = value if isinstance(value, list) else [part.strip() for part in text.split(",")]
    if allowed := choices(item):
        return [_or(suggestion(each, allowed), each) if isinstance(each, str) else each for each in given]
    if isinstance(value, list):
        return None
    if any(isinstance(part, types.StrType) for part in _parts(item)):
        return given
    return [_or(_number(each), as_json(each)) for each in given] if _are_numbers(item) else None


def _or(found: Any, otherwise: Any) -> Any:
    return otherwise if found is None else found


def _parts(info: types.Type) -> Sequence[types.Type]:
    """The types that a value may have."""
    if isinstance(info, types.Metadata):
        return _parts(info.type)
    return (
        [part for each in info.types for part in _parts(each)]
        if isinstance(info, types.UnionType)
        else [info]
    )


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
    steps: Sequence[Workload] = ()
    """A pipeline's; empty for another workload."""

    @property
    def together(self) -> bool:
        """Whether all files are one job, as it takes several of equal rank."""
        return self.first.inputs[1] > 1 and not self.first.companions

    @property
    def names_outputs(self) -> bool:
        """Whether what the images are called is a parameter, as other outputs refer to them."""
        from accel.image.operation import Writing

        kind = (self.steps[-1] if self.steps else self.workload).params
        fields = {each.encode_name for each in msgspec.structs.fields(kind)}
        return issubclass(kind, Writing) and "name" in fields

    @property
    def essence(self) -> Mapping[str, Any]:
        """The parameters without those that only spell out a default: equal for what does the same."""
        if not self.steps:
            return _essence(self.workload, self.params)
        given = zip(self.steps, self.params["steps"], strict=True)
        steps = [_essence(step, each.get("params", {})) for step, each in given]
        return {**_essence(self.workload, self.params), "steps": steps}

    @property
    def operations(self) -> tuple[tuple[str, str], ...]:
        """The steps, as `Limits` has them."""
        return tuple((step.name, step.target) for step in self.steps)

    @property
    def own_name(self) -> bool:
        """Whether that parameter is given."""
        return self.names_outputs and "name" in self._last_given()

    def given(self, name: str) -> Mapping[str, Any]:
        """The parameters of a job whose images are called `name`; empty for those of all jobs."""
        if not name:
            return self.params
        named = {**self._last_given(), "name": name}
        if not self.steps:
            return named
        *before, step = self.params["steps"]
        return {**self.params, "steps": [*before, {**step, "params": named}]}

    def _last_given(self) -> Mapping[str, Any]:
        if not self.steps:
            return self.params
        given: Mapping[str, Any] = self.params["steps"][-1].get("params", {})
        return given

    @property
    def title(self) -> str:
        """For progress bars and messages."""
        return JOIN.join(name for name, _ in self.recipe)


def plan(
    asked: str,
    assigned: Mapping[str, str],
    workloads: Mapping[str, Workload],
    disabled: Sequence[str] = (),
) -> Plan:
    """What `asked` (`NAME` or `NAME+NAME`) and the texts of the parameters ask for; `disabled` plugins add
    nothing. Raises UserError."""
    names = [name.strip() for name in asked.split(JOIN)]
    if "" in names:
        raise UserError(
            text(
                "{text} lacks a step: names are joined by +, as image.resize+image.convert.",
                text=repr(asked),
            )
        )
    records = [known(name, workloads, disabled) for name in names]
    if len(records) == 1:
        return _single(records[0], assigned, workloads)
    return _steps(names, assigned, workloads)


def known(name: str, workloads: Mapping[str, Workload], disabled: Sequence[str] = ()) -> Workload:
    """The workload that is called `name`. Raises UserError, which says what may be meant, and which plugins
    are `disabled`."""
    found = workloads.get(name)
    if found is not None:
        return found
    alike = [each for each in sorted(workloads) if each.rpartition(".")[2] == name]
    alike += difflib.get_close_matches(name, workloads, 1)
    lacking: AnyText = ""
    if disabled:
        lacking = text(
            "Plugins that are disabled add none: {names}; `popbridge plugins` says why.", names=[*disabled]
        )
    if alike:
        said = text("There is no workload {name}; did you mean {close}?", name=repr(name), close=alike[0])
    else:
        names = sorted(workloads) or text("none")
        said = text("There is no workload {name}; there are {names}.", name=repr(name), names=names)
    raise UserError(sentences((said, lacking)))


def _single(record: Workload, assigned: Mapping[str, str], workloads: Mapping[str, Workload]) -> Plan:
    from accel.image.operations.pipeline import Pipeline

    short = record.name.rpartition(".")[2]
    # A pipeline's prefixes said of a single workload mean the same.
    texts = {_bare(name, ("1", short, record.name)): text for name, text in assigned.items()}
    values = {name: value_of(record.params, name, text) for name, text in texts.items()}
    parsed = _parsed(record, values, record.name)
    if isinstance(parsed, Pipeline):
        steps = [_operation(step.workload, workloads) for step in parsed.steps]
        _check_steps(steps, [step.params for step in parsed.steps])
        return _pipeline(record, values, steps)
    return Plan(record, values, record, [(record.name, record.version)])


def _bare(name: str, prefixes: Sequence[str]) -> str:
    prefix, _, rest = name.rpartition(".")
    return rest if prefix in prefixes else name


def _steps(names: Sequence[str], assigned: Mapping[str, str], workloads: Mapping[str, Workload]) -> Plan:
    from accel.image.operations.pipeline import pipeline

    # Each is a workload's name, so that no other can be meant.
    steps = [_operation(name, workloads, alike=False) for name in names]
    given: list[dict[str, Any]] = [{} for _ in steps]
    for name, value in assigned.items():
        index, field = place(name, steps)
        given[index][field] = value_of(steps[index].params, field, value)
    _check_steps(steps, given)
    params = [{"workload": name, "params": values} for name, values in zip(names, given, strict=True)]
    return _pipeline(pipeline.workload, {"steps": params}, steps)


def _essence(record: Workload, values: Mapping[str, Any]) -> Mapping[str, Any]:
    parsed = record.parse(dict(values))
    given = {
        each.encode_name: (getattr(parsed, each.name), _default(each)) for each in structs.fields(parsed)
    }
    return {
        name: msgspec.to_builtins(value, enc_hook=str)
        for name, (value, default) in given.items()
        if value != default
    }


def _default(field: structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _check_steps(steps: Sequence[Workload], given: Sequence[Mapping[str, Any]]) -> None:
    """Raises UserError for what would fail with every file."""
    from accel.image.operation import Writing

    for index, (record, values) in enumerate(zip(steps, given, strict=True)):
        where = {"number": index + 1, "name": record.name}
        _parsed(record, values, text("Step {number}, {name}", **where))
        if index < len(steps) - 1 and not issubclass(record.params, Writing):
            raise UserError(
                text("Step {number}, {name}, gives no image, so that it must be the last.", **where)
            )


def _taking(steps: Sequence[Workload]) -> Workload:
    """The step by whose inputs files are jobs."""
    for step in steps:
        if step.inputs[1] > 1 or cast("Operation", step.load()).splits:
            return step if step.inputs[1] > 1 and not step.companions else steps[0]
    return steps[0]


def _pipeline(record: Workload, values: Mapping[str, Any], steps: Sequence[Workload]) -> Plan:
    return Plan(record, values, _taking(steps), [(each.name, each.version) for each in steps], steps)


def _operation(name: str, workloads: Mapping[str, Workload], *, alike: bool = True) -> Workload:
    """Raises UserError, which says what may be meant if one `alike` may."""
    found = workloads.get(name)
    if found is None or not found.operation:
        operations = sorted(each.name for each in workloads.values() if each.operation)
        if alike and (close := difflib.get_close_matches(name, operations, 1)):
            raise UserError(
                text("{name} is no operation on images; did you mean {close}?", name=name, close=close[0])
            )
        raise UserError(
            text(
                "{name} is no operation on images, so that it can't be a step; there are {names}.",
                name=name,
                names=", ".join(operations),
            )
        )
    return found


def _parsed(record: Workload, values: Mapping[str, Any], name: AnyText) -> Any:
    from accel.workload import WorkloadError

    try:
        return record.parse(dict(values))
    except WorkloadError as error:
        wrong = text("{what}: {reason}.", what=name, reason=error.reason)
        raise UserError(sentences((wrong, hint(record.name)))) from None
