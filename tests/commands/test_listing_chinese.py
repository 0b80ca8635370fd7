"""Workloads in Chinese: each sentence and each parameter has it, with the same names in it as in English."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest

from accel.param_errors import words
from accel.text import AnyText
from accel.workload import Params, Workload
from bridge.commands.listing import _split_description, _structs, constants, describe_workload
from bridge.host import host
from bridge.locale import look_up
from tests.messages import in_chinese

NAMES = re.compile(r"`[^`]+`|(?<![\w.])\d+(?:\.\d+)*\b")
"""What stands as it is: names, and numbers."""
WORKLOADS = sorted(host.load().workloads.values(), key=lambda workload: workload.name)


def names(text: str) -> set[str]:
    return set(NAMES.findall(" ".join(text.split())))


def fields(kind: type) -> Iterator[tuple[str, msgspec.inspect.Type, str]]:
    """Of all parameters: class and name, type, description."""
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        owner = next(each for each in kind.__mro__ if field.name in inspect.get_annotations(each))
        bare, said = _split_description(field.type)
        yield f"{owner.__name__}.{field.encode_name}", bare, said
        for inner in _structs(bare):
            yield from fields(inner)


FIELDS = {name: (bare, said) for workload in WORKLOADS for name, bare, said in fields(workload.params)}


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_what_a_workload_says_names_the_same_in_both_languages(workload: Workload) -> None:
    for english in filter(None, constants(workload)):
        assert names(english) == names(look_up(english, "zh")), english


@pytest.mark.parametrize("said", [said for bare, _ in FIELDS.values() if (said := words(bare))], ids=str)
def test_which_values_a_parameter_takes_is_told_in_chinese_alone(said: AnyText) -> None:
    told = in_chinese(said)
    assert told != str(said) and not re.findall(
        r"\b(?:one|from|to|or|list|number|text|each|above)\b(?!\")", told
    )


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_one_workload_is_shown_in_chinese_alone(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, workload: Workload
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    code, out, _ = popbridge("workloads", workload.name)
    prose = re.sub(r"`[^`]*`|\([^)]*\)|\[[^]]*\]|\d x \d", "", out)
    assert code == 0 and f"（版本 {workload.version}）" in out
    assert not re.findall(r"[a-z']{2,} [a-z]{2,}", prose), prose
    assert popbridge("workloads", workload.name, "--json")[1].count(workload.summary) == 2


def test_a_plugins_workload_speaks_for_itself(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, acme: None
) -> None:
    english = popbridge("workloads", "acme.size")[1]
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert english.split("\n\n")[1] in popbridge("workloads", "acme.size")[1]
    assert "acme.size  " in popbridge("workloads")[1]


class Span(msgspec.Struct):
    first: Annotated[int, msgspec.Meta(description="The lowest line.")]


class Lines(Params, frozen=True):
    span: Span | None = None


def test_what_an_object_has_inside_is_shown_also_where_there_may_be_none() -> None:
    lines = list(describe_workload(Workload("acme.lines", 1, Lines, "a:b", (1, 1), False, "", "")))
    assert lines[lines.index("  span=null  an object or null") + 1].split() == [
        "first", "(required)", "a", "whole", "number",
    ]  # fmt: skip
    assert lines[-1].strip() == "The lowest line."
