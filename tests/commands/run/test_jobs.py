"""Which files are done together, and where their outputs belong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accel.image.operations.geometry import convert
from accel.workload import echo
from bridge.commands.run.inputs import InputFile, Problem, RunItem, find_files, make_jobs
from bridge.commands.run.plan import Plan
from bridge.core.errors import UserError
from tests.commands.run import workloads

ONE = Plan(convert.workload, {}, convert.workload, [("image.convert", 1)])
THREE = Plan(workloads.merge.workload, {}, workloads.merge.workload, [("test.merge", 1)])
TWO = Plan(workloads.measure.workload, {}, workloads.measure.workload, [("test.measure", 1)])
ECHO = Plan(echo.workload, {}, echo.workload, [("bridge.echo", 1)])
HELPED = Plan(workloads.helped.workload, {}, workloads.helped.workload, [("test.helped", 1)])


def places(made: list[RunItem]) -> list[tuple[str, str]]:
    return [(job.folder.replace(os.sep, "/"), job.stem) for job in made]


def test_each_file_is_a_job_in_the_folders_that_it_lies_in(textures: Path) -> None:
    made = make_jobs(find_files([str(textures)], recursive=True, out=None), ONE)
    assert places(made) == [(".", "wall"), ("stone", "rock.jpg"), ("stone", "rock.png"), ("wood", "rock")]


def test_files_keep_the_folders_below_the_one_that_they_have_in_common(textures: Path) -> None:
    files = [str(textures / "stone/rock.png"), str(textures / "wood/rock.png")]
    assert places(make_jobs(find_files(files, recursive=False, out=None), ONE)) == [
        ("stone", "rock"),
        ("wood", "rock"),
    ]
    assert places(make_jobs(find_files(files[:1], recursive=False, out=None), ONE)) == [(".", "rock")]


def test_files_that_have_only_a_drive_in_common_go_into_one_folder() -> None:
    root = os.path.abspath(os.sep)
    found = [InputFile(os.path.join(root, "a", "x.png")), InputFile(os.path.join(root, "b", "y.png"))]
    assert places(make_jobs(found, ONE)) == [(".", "x"), (".", "y")]


def test_a_file_that_is_named_twice_is_done_once(textures: Path) -> None:
    twice = [str(textures / "wall.png"), str(textures / "stone" / ".." / "wall.png")]
    assert len(make_jobs(find_files(twice, recursive=False, out=None), ONE)) == 1


def test_several_folders_have_folders_of_their_own(textures: Path) -> None:
    found = find_files([str(textures / "stone"), str(textures / "wood")], recursive=True, out=None)
    assert places(make_jobs(found, ONE)) == [("stone", "rock.jpg"), ("stone", "rock.png"), ("wood", "rock")]


def test_all_files_are_one_job_of_what_takes_several() -> None:
    (job,) = make_jobs([InputFile("a.png"), InputFile("b.png"), InputFile("a.png")], THREE)
    assert job == RunItem(("a.png", "b.png", "a.png"))
    (job,) = make_jobs([InputFile(f"{n}.png") for n in range(6)], ECHO, "sheet")
    assert job.stem == "sheet" and job.label == "0.png, 1.png, 2.png and 3 more"


def test_a_file_that_isnt_there_costs_the_job_of_all() -> None:
    (job,) = make_jobs(
        [InputFile("a.png"), InputFile("b.png", problem=Problem("not_found", "isn't there"))], TWO
    )
    assert job.problem is not None and str(job.problem.reason) == "b.png isn't there"
    (job,) = make_jobs([InputFile("b.png", problem=Problem("not_found", "isn't there"))], THREE)
    assert job.problem == Problem("not_found", "isn't there")


@pytest.mark.parametrize(
    ("plan", "count", "says"),
    [
        (TWO, 3, "test.measure takes 2 files, not 3."),
        (TWO, 1, "test.measure takes 2 files, not 1."),
        (THREE, 4, "test.merge takes 1 to 3 files, not 4. Add --each to run it on each of them."),
        (ONE, 0, "image.convert needs a file."),
    ],
)
def test_the_wrong_number_of_files_is_told(plan: Plan, count: int, says: str) -> None:
    with pytest.raises(UserError) as caught:
        make_jobs([InputFile(f"{n}.png") for n in range(count)], plan)
    assert str(caught.value) == says


def test_what_takes_no_file_needs_none() -> None:
    assert make_jobs([], ECHO) == [RunItem(())]


def test_a_name_is_for_the_outputs_of_one_job() -> None:
    assert make_jobs([InputFile("a.png")], ONE, "b")[0].stem == "b"
    # The suffix comes by itself.
    for name, stem in (("b.png", "b"), ("b.JPEG", "b"), ("b.v2", "b.v2"), (".png", ".png")):
        assert make_jobs([InputFile("a.png")], ONE, name)[0].stem == stem
    with pytest.raises(UserError, match="there are 2"):
        make_jobs([InputFile("a.png"), InputFile("c.png")], ONE, "b")


def test_files_that_differ_in_nothing_but_their_suffix_keep_it() -> None:
    made = make_jobs([InputFile("a.png"), InputFile("a.JPG"), InputFile("c.png")], ONE)
    assert [(job.stem, job.suffix) for job in made] == [("a.png", ".png"), ("a.JPG", ".jpg"), ("c", "")]


@pytest.mark.skipif(os.path.normcase("B") == "b", reason="they are one file here")
def test_of_files_that_differ_in_case_alone_none_loses_its_suffix() -> None:
    made = make_jobs([InputFile("b.png"), InputFile("B.PNG")], ONE)
    assert [(job.stem, job.suffix) for job in made] == [("b.png", ""), ("B.PNG", "")]


def test_files_of_what_takes_helpers_are_a_job_each_unless_the_person_says_otherwise() -> None:
    files = [InputFile("rock.png"), InputFile("rock_normal.png")]
    assert [job.files for job in make_jobs(files, HELPED)] == [("rock.png",), ("rock_normal.png",)]
    (job,) = make_jobs(files, HELPED, together=True)
    assert (job.files, job.stem) == (("rock.png", "rock_normal.png"), "rock")


def test_the_person_may_say_what_files_are_a_job() -> None:
    files = [InputFile("a.png"), InputFile("b.png")]
    assert len(make_jobs(files, THREE)) == 1 and len(make_jobs(files, THREE, together=False)) == 2
    with pytest.raises(UserError, match="takes 2 files, not 1"):
        make_jobs(files, TWO, together=False)
    with pytest.raises(UserError, match="Leave out --together"):
        make_jobs(files, ONE, together=True)
