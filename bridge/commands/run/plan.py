"""The plan of a run: the workload or the joined steps, and their parameters from the command line."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import inspect
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct, structs
from msgspec import inspect as types

from accel.image.operation import Operation, Reading, Writing
from accel.image.operations.pipeline import Pipeline, pipeline
from accel.param_errors import choices, items, suggestion
from accel.text import AnyText, Text, joined, sentences, text
from accel.workload import Workload, WorkloadError
from bridge.core.errors import UserError

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number, including forms that JSON lacks: `.5`, `2.`, `+1`, `08`."""
TRUE_WORDS, FALSE_WORDS = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def value_of(params: type[Struct], name: str, text: str) -> Any:
    """Returns the value of `text` for the parameter's type: as JSON or as a string (`8` may be either).

    Accepts choices in any case or by alias (`JPG`), lists as `a,b`, booleans as `yes` or `0`, and numbers as
    `.5`.
    """
    kind = next((each.type for each in msgspec.structs.fields(params) if each.encode_name == name), Any)
    value = as_json(text)
    for each in (value, text):
        if _takes(kind, each):
            return each
    read = _read(types.type_info(kind), text, value)
    return value if read is None else read


def as_json(text: str) -> Any:
    """Returns `text` as JSON, or the string itself."""
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
    """Returns the value that `text`, or `value` as JSON, means for that type; None if unknown."""
    if (item := items(info)) is not None:
        return _list(item, text, value)
    if allowed := choices(info):
        return suggestion(text, allowed)
    if any(isinstance(part, types.BoolType) for part in _parts(info)):
        return {**dict.fromkeys(TRUE_WORDS, True), **dict.fromkeys(FALSE_WORDS, False)}.get(text.casefold())
    return _number(text) if _are_numbers(info) else None


def _number(text: str) -> int | float | None:
    if not NUMBER.fullmatch(text):
        return None
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        # Too many digits (`sys.set_int_max_str_digits`).
        return None
    return number if isinstance(number, int) or math.isfinite(number) else None


def _are_numbers(info: types.Type) -> bool:
    return any(isinstance(part, types.IntType | types.FloatType) for part in _parts(info))


def _list(item: types.Type, text: str, value: Any) -> list[Any] | None:
    if isinstance(value, dict) or (isinstance(value, str) and value.startswith(("[", "{"))):
        return None
    parts = value if isinstance(value, list) else [part.strip() for part in text.split(",")]
    if allowed := choices(item):
        return [_or(suggestion(each, allowed), each) if isinstance(each, str) else each for each in parts]
    if isinstance(value, list):
        return None
    if any(isinstance(part, types.StrType) for part in _parts(item)):
        return parts
    return [_or(_number(each), as_json(each)) for each in parts] if _are_numbers(item) else None


def _or(found: Any, otherwise: Any) -> Any:
    return otherwise if found is None else found


def _parts(info: types.Type) -> Sequence[types.Type]:
    """Returns the members of a union, or the type itself."""
    if isinstance(info, types.Metadata):
        return _parts(info.type)
    return (
        [part for each in info.types for part in _parts(each)]
        if isinstance(info, types.UnionType)
        else [info]
    )


def parameters_hint(name: str = "NAME") -> Text:
    """Returns the command that lists the parameters of a workload."""
    return text("`popbridge workloads {name}` lists the parameters.", name=name)


def disabled_plugins(names: Sequence[str]) -> AnyText:
    """Returns a hint that disabled plugins may lack; empty without any."""
    if not names:
        return ""
    return text("Disabled plugins: {names}. See `popbridge plugins`.", names=[*names])


def locate_parameter(name: str, steps: Sequence[Workload]) -> tuple[int, str]:
    """Returns the index of the step that takes the parameter, and the parameter's name without the step.

    The step is its number from 1, its short name (`resize`) or its full name; it may be left out if only one
    step has the parameter. Raises UserError.
    """
    prefix, _, field = name.rpartition(".")
    if not prefix:
        return _only_step(field, steps), field
    index = _named_step(prefix, name, steps)
    if _has(steps[index], field) and not _has_effect(index, field, steps):
        raise _without_effect(field, steps)
    return index, field


def _only_step(field: str, steps: Sequence[Workload]) -> int:
    indexes = [index for index in range(len(steps)) if _has_effect(index, field, steps)]
    if len(indexes) == 1:
        return indexes[0]
    if indexes:
        raise UserError(
            text(
                "Several steps have a parameter {name}. Use {options}.",
                name=repr(field),
                options=_alternatives(field, indexes, steps),
            )
        )
    if any(_has(step, field) for step in steps):
        raise _without_effect(field, steps)
    raise UserError(sentences((text("No step has a parameter {name}.", name=repr(field)), parameters_hint())))


def _named_step(prefix: str, name: str, steps: Sequence[Workload]) -> int:
    if prefix.isdecimal() and 1 <= int(prefix) <= len(steps):
        return int(prefix) - 1
    indexes = [index for index, step in enumerate(steps) if prefix in (step.name, _short(step))]
    if len(indexes) == 1:
        return indexes[0]
    if indexes:
        field = name.rpartition(".")[2]
        numbered = joined((f"{index + 1}.{field}" for index in indexes), ALTERNATIVES)
        raise UserError(
            text("Several steps are called {name}. Use {options}.", name=repr(prefix), options=numbered)
        )
    raise UserError(
        text(
            "--param {param}: no step {name}. Steps: {steps}.",
            param=name,
            name=repr(prefix),
            steps=[f"{index + 1} {_short(step)}" for index, step in enumerate(steps)],
        )
    )


ALTERNATIVES = text("{head} or {rest}")


def _alternatives(field: str, indexes: Sequence[int], steps: Sequence[Workload]) -> AnyText:
    """Returns the names to type for one of several steps: `1.width or 2.width`."""
    return joined((f"{_prefix(index, steps)}.{field}" for index in indexes), ALTERNATIVES)


def _prefix(index: int, steps: Sequence[Workload]) -> str:
    """Returns the step's short name if it is unique, else its number."""
    same_name = sum(_short(step) == _short(steps[index]) for step in steps)
    return _short(steps[index]) if same_name == 1 else str(index + 1)


def _short(step: Workload) -> str:
    return step.name.rpartition(".")[2]


def _has(step: Workload, field: str) -> bool:
    return field in {each.encode_name for each in msgspec.structs.fields(step.params)}


def _has_effect(index: int, field: str, steps: Sequence[Workload]) -> bool:
    """Whether a step has the parameter and uses it: only the first step reads files, only the last writes."""
    if not _has(steps[index], field):
        return False
    owner = next(kind for kind in steps[index].params.__mro__ if field in inspect.get_annotations(kind))
    if owner is Reading:
        return index == 0
    return owner is not Writing or index == len(steps) - 1


def _without_effect(field: str, steps: Sequence[Workload]) -> UserError:
    indexes = [index for index in range(len(steps)) if _has_effect(index, field, steps)]
    if options := _alternatives(field, indexes, steps):
        return UserError(
            text("{name} has no effect in this step. Use {options}.", name=field, options=options)
        )
    return UserError(
        text(
            "{name} only has an effect in the last step, but {step} writes no image.",
            name=field,
            step=steps[-1].name,
        )
    )


SEPARATOR = "+"


class Plan(Struct, frozen=True):
    """A workload and its parameters, for all jobs of a run."""

    workload: Workload
    params: Mapping[str, Any]
    first: Workload
    """The workload or step whose number of inputs decides how files form jobs: in a pipeline the first step,
    or a later one that takes several images if no step before it splits one into several."""
    recipe: Sequence[tuple[str, int]]
    """Names and versions of the workload or the steps."""
    steps: Sequence[Workload] = ()
    """The steps of a pipeline; empty for other workloads."""

    @property
    def together(self) -> bool:
        """Whether all files are one job: the workload takes several, and not just as companions."""
        return self.first.inputs[1] > 1 and not self.first.companions

    @property
    def names_outputs(self) -> bool:
        """Whether the outputs' name is a parameter, because other outputs refer to them by name."""
        kind = (self.steps[-1] if self.steps else self.workload).params
        fields = {each.encode_name for each in msgspec.structs.fields(kind)}
        return issubclass(kind, Writing) and "name" in fields

    @property
    def normalized_params(self) -> Mapping[str, Any]:
        """The parameters without defaults: equal for plans with the same result."""
        if not self.steps:
            return _normalized(self.workload, self.params)
        pairs = zip(self.steps, self.params["steps"], strict=True)
        steps = [_normalized(step, each.get("params", {})) for step, each in pairs]
        return {**_normalized(self.workload, self.params), "steps": steps}

    @property
    def makes_files(self) -> bool:
        """Whether each job makes output files."""
        return (self.steps[-1] if self.steps else self.workload).makes_files

    @property
    def kind_steps(self) -> Sequence[int]:
        """The steps whose parameter `kind` is `auto`; 0 is a single workload."""
        given = [each.get("params", {}) for each in self.params["steps"]] if self.steps else [self.params]
        if any("transfer" in each for each in given):
            return ()
        return [
            index
            for index, (step, params) in enumerate(zip(self.steps or [self.workload], given, strict=True))
            if params.get("kind", "auto") == "auto" and "auto" in _choices(step, "kind")
        ]

    @property
    def operations(self) -> tuple[tuple[str, str], ...]:
        """The names and targets of the steps, for `Limits`."""
        return tuple((step.name, step.target) for step in self.steps)

    @property
    def has_name(self) -> bool:
        """Whether the outputs' name is among the parameters."""
        return self.names_outputs and "name" in self._last_params()

    def params_for(self, name: str, kind: str = "") -> Mapping[str, Any]:
        """Returns the parameters of a job whose outputs are called `name` and whose channels are of `kind`.

        Empty ones are left unset.
        """
        each = [step.get("params", {}) for step in self.params["steps"]] if self.steps else [self.params]
        if name:
            each[-1] = {**each[-1], "name": name}
        for index in self.kind_steps if kind else ():
            each[index] = {**each[index], "kind": kind}
        if not self.steps:
            return each[0]
        steps = zip(self.params["steps"], each, strict=True)
        return {**self.params, "steps": [{**step, "params": params} for step, params in steps]}

    def _last_params(self) -> Mapping[str, Any]:
        if not self.steps:
            return self.params
        params: Mapping[str, Any] = self.params["steps"][-1].get("params", {})
        return params

    @property
    def title(self) -> str:
        """Name for progress bars and messages."""
        return SEPARATOR.join(name for name, _ in self.recipe)


class Plans:
    """The plans of a run's files: those that match a pattern have parameters of their own."""

    def __init__(
        self,
        asked: str,
        assigned: Mapping[str, str],
        patterns: Sequence[tuple[str, Mapping[str, str]]],
        workloads: Mapping[str, Workload],
        disabled: Sequence[str] = (),
    ) -> None:
        """Raises UserError as `make_plan`, also for the parameters of each pattern."""
        self._patterns = [pattern for pattern, _ in patterns]
        self._overrides = [params for _, params in patterns]
        self._assigned = assigned
        self._make = functools.partial(make_plan, asked, workloads=workloads, disabled=disabled)
        self._plans: dict[tuple[int, ...], Plan] = {}
        self._matched: set[int] = set()
        self.usual = self._plan(())
        for index in range(len(patterns)):
            self._plan((index,))

    def plan_of(self, file: str) -> Plan:
        """Returns the plan of a file. Patterns with `/` are for paths, others for names; later ones win."""
        path = file.replace(os.sep, "/").casefold()
        name = path.rpartition("/")[2]
        matching = tuple(
            index
            for index, pattern in enumerate(self._patterns)
            if fnmatch.fnmatchcase(path if "/" in pattern else name, pattern.casefold())
        )
        self._matched.update(matching)
        return self._plan(matching)

    def check_all_matched(self) -> None:
        """Raises UserError for a pattern that no file has matched: it would have no effect."""
        for index, pattern in enumerate(self._patterns):
            if index not in self._matched:
                raise UserError(text("--param-for {pattern} matches no file.", pattern=pattern))

    def _plan(self, matching: tuple[int, ...]) -> Plan:
        if matching not in self._plans:
            params = dict(self._assigned)
            for index in matching:
                params.update(self._overrides[index])
            self._plans[matching] = self._make(assigned=params)
        return self._plans[matching]


def make_plan(
    asked: str,
    assigned: Mapping[str, str],
    workloads: Mapping[str, Workload],
    disabled: Sequence[str] = (),
) -> Plan:
    """Returns the plan for `asked` (`NAME` or `NAME+NAME`) and the parameters as typed.

    Raises UserError, which mentions `disabled` plugins.
    """
    names = [name.strip() for name in asked.split(SEPARATOR)]
    if "" in names:
        raise UserError(
            text(
                "{steps} lacks a step. Join names by +, as in image.resize+image.convert.",
                steps=repr(asked),
            )
        )
    records = [find_workload(name, workloads, disabled) for name in names]
    if len(records) == 1:
        return _single_plan(records[0], assigned, workloads)
    return _pipeline_plan(names, assigned, workloads)


def find_workload(name: str, workloads: Mapping[str, Workload], disabled: Sequence[str] = ()) -> Workload:
    """Returns the workload `name`. Raises UserError, which suggests one and mentions `disabled` plugins."""
    workload = workloads.get(name)
    if workload is not None:
        return workload
    similar = [each for each in sorted(workloads) if each.rpartition(".")[2] == name]
    similar += difflib.get_close_matches(name, workloads, 1)
    if similar:
        problem = text("Unknown workload {name}. Did you mean {close}?", name=repr(name), close=similar[0])
    else:
        names = sorted(workloads) or text("none")
        problem = text("Unknown workload {name}. Workloads: {names}.", name=repr(name), names=names)
    raise UserError(sentences((problem, disabled_plugins(disabled))))


def _single_plan(record: Workload, assigned: Mapping[str, str], workloads: Mapping[str, Workload]) -> Plan:
    short = record.name.rpartition(".")[2]
    # A single workload accepts the prefixes of a step.
    texts = {_without_prefix(name, ("1", short, record.name)): text for name, text in assigned.items()}
    values = {name: value_of(record.params, name, text) for name, text in texts.items()}
    parsed = _parsed(record, values, record.name)
    if isinstance(parsed, Pipeline):
        steps = [_operation(step.workload, workloads) for step in parsed.steps]
        _check_steps(steps, [step.params for step in parsed.steps])
        return _pipeline(record, values, steps)
    return Plan(record, values, record, [(record.name, record.version)])


def _without_prefix(name: str, prefixes: Sequence[str]) -> str:
    prefix, _, rest = name.rpartition(".")
    return rest if prefix in prefixes else name


def _pipeline_plan(
    names: Sequence[str], assigned: Mapping[str, str], workloads: Mapping[str, Workload]
) -> Plan:
    # Each is a known workload: no suggestions.
    steps = [_operation(name, workloads, suggest=False) for name in names]
    values: list[dict[str, Any]] = [{} for _ in steps]
    for name, typed in assigned.items():
        index, field = locate_parameter(name, steps)
        values[index][field] = value_of(steps[index].params, field, typed)
    _check_steps(steps, values)
    params = [{"workload": name, "params": each} for name, each in zip(names, values, strict=True)]
    return _pipeline(pipeline.workload, {"steps": params}, steps)


def _normalized(record: Workload, values: Mapping[str, Any]) -> Mapping[str, Any]:
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
    """Raises UserError for parameters and orders of steps that would fail with every file."""
    for index, (record, values) in enumerate(zip(steps, given, strict=True)):
        where = {"number": index + 1, "name": record.name}
        _parsed(record, values, text("Step {number}, {name}", **where))
        if index < len(steps) - 1 and not issubclass(record.params, Writing):
            raise UserError(text("Step {number}, {name}, returns no image, so it must be the last.", **where))


def _first_step(steps: Sequence[Workload]) -> Workload:
    """Returns the step for `Plan.first`."""
    for step in steps:
        if step.inputs[1] > 1 or cast("Operation", step.load()).splits:
            return step if step.inputs[1] > 1 and not step.companions else steps[0]
    return steps[0]


def _pipeline(record: Workload, values: Mapping[str, Any], steps: Sequence[Workload]) -> Plan:
    return Plan(record, values, _first_step(steps), [(each.name, each.version) for each in steps], steps)


def _operation(name: str, workloads: Mapping[str, Workload], *, suggest: bool = True) -> Workload:
    """Returns the operation `name`. Raises UserError, with a suggestion if asked to `suggest`."""
    found = workloads.get(name)
    if found is None or not found.operation:
        operations = sorted(each.name for each in workloads.values() if each.operation)
        if suggest and (close := difflib.get_close_matches(name, operations, 1)):
            raise UserError(text("{name} can't be a step. Did you mean {close}?", name=name, close=close[0]))
        raise UserError(
            text(
                "{name} can't be a step. Workloads that can: {names}.",
                name=name,
                names=operations,
            )
        )
    return found


def _choices(step: Workload, name: str) -> Sequence[str]:
    """Returns the choices of a parameter; empty if it has none or doesn't exist."""
    for field in structs.fields(step.params):
        if field.encode_name == name:
            return choices(types.type_info(field.type)) or ()
    return ()


def _parsed(record: Workload, values: Mapping[str, Any], name: AnyText) -> Any:
    try:
        return record.parse(dict(values))
    except WorkloadError as error:
        problem = text("{name}: {reason}.", name=name, reason=error.reason)
        raise UserError(sentences((problem, parameters_hint(record.name)))) from None
