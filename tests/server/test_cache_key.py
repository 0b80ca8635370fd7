"""Equal questions have equal keys, and different ones different keys."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.execution.executor import Job
from accel.image.operations.pipeline import OPERATIONS, pipeline
from accel.models import catalog
from accel.models.manifest import Model
from accel.texture.workloads import classify
from accel.workload import Input, Limits, Output, Params, Workload, WorkloadError, workload
from bridge.server.cache_key import CacheKey, CacheKeys


class Many(Params, frozen=True):
    """Each kind of parameter."""

    number: float = 0.5
    count: int = 3
    kind: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ()
    chosen: frozenset[int] = frozenset()
    table: dict[str, int] = {}  # noqa: RUF012 (msgspec copies it)
    anything: Any = None


@workload("test.many", version=1, params=Many, inputs=(0, 9))
def many(inputs: Sequence[Input], params: Many, limits: Limits) -> Output:
    """Gives nothing."""
    return Output()


MANY = many.workload
TEXTS = st.text(max_size=5)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | TEXTS | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "number": st.floats(allow_nan=False) | st.integers(-1000, 1000),
        "count": st.integers(-(2**63), 2**63 - 1),
        "kind": st.sampled_from(["a", "b"]),
        "names": st.lists(TEXTS, max_size=3),
        "chosen": st.lists(st.integers(0, 9), max_size=5),
        "table": st.dictionaries(TEXTS, st.integers(0, 9), max_size=4),
        "anything": ANYTHING,
    },
)


def questions(*workloads: Workload, origins: dict[str, str] | None = None, pixels: int = 100) -> CacheKeys:
    return CacheKeys({one.name: one for one in workloads}, origins or {}, Limits(pixels))


def asked(params: dict[str, Any], names: Sequence[str] = (), one: Workload = MANY, **more: Any) -> CacheKey:
    question = questions(one, **more).of(Job.parse(one, params, [Input(name, "/nowhere") for name in names]))
    assert question is not None
    return question


def shuffled(value: Any) -> Any:
    """The same, each map in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(one) for one in value] if isinstance(value, list) else value


def exact(value: Any) -> Any:
    """Something by which only the same values are equal: not 1, 1.0 and True."""
    if isinstance(value, dict):
        return "map", frozenset((name, exact(one)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return "list", tuple(map(exact, value))
    return type(value).__name__, repr(value)


def parsed(params: dict[str, Any]) -> Any:
    found = MANY.parse(params)
    fields = {name: getattr(found, name) for name in Many.__struct_fields__}
    return exact(fields | {"chosen": sorted(fields["chosen"])})


@given(PARAMS)
def test_spelling_order_and_defaults_dont_matter(params: dict[str, Any]) -> None:
    filled = msgspec.structs.asdict(MANY.parse(params)) | params
    question = asked(params)
    assert question == asked(shuffled(params)) == asked(filled)
    assert question.with_contents([]) == asked(shuffled(filled)).with_contents([])
    assert question.outline([1]) == asked(filled).outline([1])


@given(PARAMS, PARAMS)
def test_different_parameters_are_different_questions(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (asked(one) == asked(other)) == (parsed(one) == parsed(other))


@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_names_of_inputs_count_and_dont_run_into_one_another(one: list[str], other: list[str]) -> None:
    assert (asked({}, one) == asked({}, other)) == (one == other)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=3), st.lists(st.integers(0, 2**40), max_size=3))
def test_contents_and_sizes_count_in_their_order(contents: list[bytes], sizes: list[int]) -> None:
    question = asked({})
    assert (question.with_contents(contents) == question.with_contents(contents[::-1])) == (
        contents == contents[::-1]
    )
    assert (question.outline(sizes) == question.outline(sizes[::-1])) == (sizes == sizes[::-1])
    assert -(2**63) <= question.outline(sizes) < 2**63


@pytest.mark.parametrize("value", [2**64, "\ud800", {1: 2}, {"a": {(1,): 1}}, {1, "x"}])
def test_what_cant_be_told_apart_is_no_question(value: Any) -> None:
    assert questions(MANY).of(Job.parse(MANY, {"anything": value})) is None


def test_a_name_that_is_no_text_is_no_question() -> None:
    assert questions(MANY).of(Job.parse(MANY, {}, [Input("\udcff.png", "/nowhere")])) is None


def test_bad_parameters_are_refused_in_the_workload_s_words() -> None:
    with pytest.raises(WorkloadError, match='count is "x"; it must be a whole number'):
        asked({"count": "x"})
    with pytest.raises(WorkloadError, match="takes 0 to 9 inputs, got 10"):
        asked({}, ["x"] * 10)


def test_version_release_and_limit_count() -> None:
    newer = msgspec.structs.replace(MANY, version=2)
    found = {
        asked({}).digest,
        asked({}, one=newer).digest,
        asked({}, origins={"test.many": "acme 1.0"}).digest,
        asked({}, origins={"test.many": "acme 1.1"}).digest,
        asked({}, origins={"test.other": "acme 1.1"}, pixels=101).digest,
    }
    assert len(found) == 5


def test_how_images_are_read_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = asked({})
    monkeypatch.setattr("accel.image.records.VERSION", 99)
    assert asked({}) != before


def test_the_code_of_a_workload_counts_so_that_its_author_sees_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for text in ("ONE", "TWO", "ONE"):
        (tmp_path / "acme_changing.py").write_text(f"# {text}\n")
        importlib.invalidate_caches()
        one = msgspec.structs.replace(MANY, target="acme_changing:many")
        found.append(asked({}, one=one))
    assert found[0] == found[2] != found[1]
    assert "acme_changing" not in sys.modules
    assert asked({}, one=msgspec.structs.replace(MANY, target="acme_missing:many"))


def changed(model: Model) -> Model:
    file = msgspec.structs.replace(model.files[0], sha256="0" * 64)
    return msgspec.structs.replace(model, files=(file, *model.files[1:]))


def test_another_model_is_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    one = classify.workload
    before = asked({}, ["a.png"], one)
    assert before == asked({}, ["a.png"], one)
    assert asked({}, one=MANY) == asked({}, one=MANY)
    other = asked({}, one=MANY)
    monkeypatch.setitem(catalog.MODELS, "texture-kind", changed(catalog.TEXTURE_KIND))
    assert asked({}, ["a.png"], one) != before
    assert asked({}, one=MANY) == other


def steps(*given: tuple[str, dict[str, Any]]) -> CacheKey:
    params = {"steps": [{"workload": name, "params": params} for name, params in given]}
    return asked(params, ["a.png"], pipeline.workload)


def test_a_pipeline_s_steps_are_spelled_as_anybody_likes() -> None:
    assert steps(("image.resize", {"width": 8})) == steps(("image.resize", {"width": 8, "transfer": "auto"}))
    assert steps(("image.resize", {"width": 8})) != steps(("image.resize", {"width": 9}))
    with pytest.raises(WorkloadError, match=r"step 1, image\.resize"):
        steps(("image.resize", {"width": -1}))


def test_a_pipeline_depends_on_the_versions_and_models_of_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    resized, estimated = steps(("image.resize", {"width": 8})), steps(("texture.estimate_pbr", {}))
    monkeypatch.setitem(catalog.MODELS, "estimate-pbr", changed(catalog.ESTIMATE_PBR))
    assert steps(("image.resize", {"width": 8})) == resized
    assert steps(("texture.estimate_pbr", {})) != estimated
    resize = OPERATIONS["image.resize"]
    monkeypatch.setattr(resize, "workload", msgspec.structs.replace(resize.workload, version=99))
    assert steps(("image.resize", {"width": 8})) != resized


def test_a_pipeline_with_a_step_that_isn_t_to_be_kept_is_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    resize = OPERATIONS["image.resize"]
    monkeypatch.setattr(resize, "workload", msgspec.structs.replace(resize.workload, cached=False))
    params = {"steps": [{"workload": "image.resize", "params": {"width": 8}}]}
    asks = questions(pipeline.workload)
    assert asks.of(Job.parse(pipeline.workload, params, [Input("a.png", "/nowhere")])) is None
