"""Workloads and steps with their parameters, as they are typed."""

from __future__ import annotations

from typing import Any

import pytest

from accel.image.operations.geometry import convert, thumbnail
from accel.image.operations.pipeline import pipeline
from bridge.commands.run.plan import Plan, make_plan
from bridge.core.errors import UserError
from tests.commands.run import workloads

KNOWN = {
    **workloads.ALL,
    **{each.workload.name: each.workload for each in (convert, pipeline, thumbnail)},
}


def steps(text: str, *params: str) -> list[dict[str, Any]]:
    found = make_plan(text, dict(param.split("=", 1) for param in params), KNOWN)
    assert found.workload.name == "image.pipeline"
    return found.params["steps"]


def refused(text: str, *params: str) -> str:
    with pytest.raises(UserError) as caught:
        make_plan(text, dict(param.split("=", 1) for param in params), KNOWN)
    return str(caught.value)


def test_steps_become_a_pipeline_with_the_parameters_of_each() -> None:
    assert steps("test.blur+image.convert", "blur.radius=3", "convert.format=tga", "2.bits=16") == [
        {"workload": "test.blur", "params": {"radius": 3}},
        {"workload": "image.convert", "params": {"format": "tga", "bits": "16"}},
    ]


def test_spaces_around_the_plus_are_none_of_the_name() -> None:
    assert [step["workload"] for step in steps("test.blur + image.convert")] == ["test.blur", "image.convert"]


def test_a_step_may_be_named_whole() -> None:
    assert steps("test.blur+test.merge", "test.merge.radius=3")[1]["params"] == {"radius": 3}


def test_no_step_is_named_where_one_alone_takes_the_parameter() -> None:
    assert steps("test.blur+image.convert", "bits=8")[1]["params"] == {"bits": "8"}


def test_how_files_are_written_is_said_to_the_last_step_and_how_they_are_read_to_the_first() -> None:
    first, second = steps("image.convert+image.convert", "format=webp", "lossless=true", "transfer=linear")
    assert first["params"] == {"transfer": "linear"}
    assert second["params"] == {"format": "webp", "lossless": True}


def test_a_parameter_that_several_steps_take_is_asked_after() -> None:
    said = "Several steps have a parameter 'radius'. Use 1.radius or 3.radius."
    assert refused("test.blur+image.convert+test.blur", "radius=8") == said
    said = "Several steps have a parameter 'radius'. Use blur.radius or merge.radius."
    assert refused("test.blur+test.merge", "radius=8") == said


def test_a_short_name_that_several_steps_have_is_asked_after() -> None:
    said = refused("image.convert+image.convert", "convert.bits=8")
    assert said == "Several steps are called 'convert'. Use 1.bits or 2.bits."


def test_a_parameter_that_would_be_passed_over_is_refused() -> None:
    assert refused("test.blur+image.convert", "blur.format=tga") == (
        "format has no effect in this step. Use convert.format."
    )
    assert refused("test.blur+image.convert", "2.transfer=linear").endswith("Use blur.transfer.")
    says_nothing = "format only has an effect in the last step, but test.measure writes no image."
    assert refused("test.blur+test.measure", "blur.format=tga") == says_nothing
    assert refused("test.blur+test.measure", "format=tga") == says_nothing


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (["3.bits=8"], "--param 3.bits: no step '3'. Steps: 1 blur, 2 convert."),
        (["resize.width=8"], "no step 'resize'"),
        (["width=8"], "No step has a parameter 'width'"),
        (["blur.radius=far"], 'Step 1, test.blur: radius is "far"; it must be a whole number'),
        (["convert.colour=1"], "Step 2, image.convert: there is no parameter 'colour'"),
    ],
)
def test_what_no_step_takes_is_refused(params: list[str], says: str) -> None:
    assert says in refused("test.blur+image.convert", *params)


def test_what_is_no_operation_is_no_step() -> None:
    assert refused("image.thumbnail+image.convert").startswith("image.thumbnail can't be a step.")


def test_an_unknown_workload_is_told_with_what_may_be_meant() -> None:
    assert refused("convert") == "Unknown workload 'convert'. Did you mean image.convert?"
    assert refused("image.convret+test.blur").endswith("Did you mean image.convert?")
    assert ": image.convert, image.pipeline" in refused("nonsense.of.mine")


def test_an_unknown_workload_may_be_that_of_a_disabled_plugin() -> None:
    for name in ("acme.count", "image.convret"):
        with pytest.raises(UserError) as raised:
            make_plan(name, {}, KNOWN, ["acme", "zeta"])
        assert "acme, zeta" in str(raised.value) and "`popbridge plugins`" in str(raised.value)


def test_a_single_workload_may_be_named_in_front_of_its_parameters() -> None:
    for name in ("radius", "blur.radius", "1.radius", "test.blur.radius"):
        assert make_plan("test.blur", {name: "3"}, KNOWN).params == {"radius": 3}
    assert "there is no parameter 'other.radius'" in refused("test.blur", "other.radius=3")


def test_files_are_taken_together_by_what_takes_several() -> None:
    def together(text: str, **params: str) -> bool:
        return make_plan(text, params, KNOWN).together

    assert together("test.merge") and together("test.merge+image.convert") and together("test.measure")
    assert not together("test.blur") and not together("image.convert+test.blur")
    given = '[{"workload": "%s"}]'
    assert together("image.pipeline", steps=given % "test.merge")
    assert not together("image.pipeline", steps=given % "test.blur")


def test_files_are_taken_together_where_a_later_step_takes_several() -> None:
    def found(text: str) -> tuple[bool, str]:
        made = make_plan(text, {}, KNOWN)
        return made.together, made.first.name

    assert found("test.blur+test.merge") == (True, "test.merge")
    assert found("test.blur+image.convert+test.measure") == (True, "test.measure")
    # What helps is a file of its own, and what a step makes of one file belongs together already.
    assert found("test.blur+test.helped") == (False, "test.blur")
    assert found("test.helped+test.merge") == (False, "test.helped")
    assert found("test.blur+test.parts+test.merge") == (False, "test.blur")


def test_what_spells_out_a_default_is_the_same() -> None:
    def essence(text: str, **params: str) -> Any:
        return make_plan(text, params, KNOWN).normalized_params

    assert essence("image.convert", bits="same") == essence("image.convert") == {}
    assert essence("image.convert", bits="8") == {"bits": "8"}
    spelled = essence("test.blur+image.convert", radius="1", format="png")
    assert spelled == essence("test.blur+image.convert", format="png") == {"steps": [{}, {"format": "png"}]}
    text = '[{"workload": "test.blur"}, {"workload": "image.convert", "params": {"format": "png"}}]'
    assert essence("image.pipeline", steps=text, transfer="auto") == spelled


def test_the_recipe_has_every_version_by_which_outputs_may_differ() -> None:
    found: Plan = make_plan("test.blur+image.convert", {}, KNOWN)
    assert found.recipe == [("test.blur", 3), ("image.convert", convert.workload.version)]
    assert found.title == "test.blur+image.convert"


def test_plugins_that_are_disabled_are_told_where_a_name_is_unknown() -> None:
    with pytest.raises(UserError, match=r"'acme\.x'.* acme, zeta.* `popbridge plugins`"):
        make_plan("acme.x", {}, KNOWN, ["acme", "zeta"])
