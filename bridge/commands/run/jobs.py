"""From files to jobs: one for each of them, or one for all, and where their outputs belong."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from accel.image.suffixes import ALIASES, SUFFIXES
from accel.text import text
from bridge.commands.language import say
from bridge.commands.run.files import Found, Problem
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.commands.run.plan import Plan

UNFIT = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
"""What no file name may have on Windows, whose rules are the strictest."""
LISTED = 3
"""How many files of one job a line names."""


class Job(Struct, frozen=True):
    """One call of the workload."""

    files: tuple[str, ...]
    """As the person named them."""
    folder: str = os.curdir
    """Where its outputs belong, below the folder of all outputs."""
    stem: str = ""
    """How its outputs' names begin; empty for their own names alone."""
    suffix: str = ""
    """With what `stem` ends, as others differ in nothing else; an output that has it anyway gets no second
    one. In lower case; empty for a stem without."""
    problem: Problem | None = None
    """Why it can't be done."""
    name: str = ""
    """What the workload calls its images, where that is a parameter; empty for what all jobs have."""
    exact: bool = False
    """Whether its outputs refer to one another, so that none may be called otherwise."""

    @property
    def label(self) -> str:
        """What lines about it begin with; empty for no file."""
        files, more = ", ".join(self.files[:LISTED]), len(self.files) - LISTED
        return say(text("{files} and {count} more", files=files, count=more)) if more > 0 else files


def jobs(
    found: Sequence[Found], plan: Plan, name: str | None = None, *, together: bool | None = None
) -> list[Job]:
    """All jobs, in the files' order; `name` is what the outputs of a single one are called.

    `together` says whether all files are one job; the workload knows it best (None). Raises UserError for too
    few or too many files, and for names that can't be right.
    """
    made = _made(found, plan, together)
    if name is None and not plan.names_outputs:
        return made
    if len(made) > 1 and (name is not None or plan.own_name):
        option = "--name" if name is not None else "--param name"
        raise UserError(
            text(
                "{option} is for the outputs of one job; {count} are given: leave it out.",
                option=option,
                count=len(made),
            )
        )
    if name is not None and plan.own_name:
        raise UserError(text("--name and --param name say the same: leave one of them out."))
    if name is not None:
        made = [replace(made[0], stem=_bare(name))]
    return [_naming(job, plan) for job in made] if plan.names_outputs else made


def _naming(job: Job, plan: Plan) -> Job:
    """A job that is told what to call its images, instead of them being called otherwise afterwards."""
    return replace(job, stem="", name="" if plan.own_name else UNFIT.sub("_", job.stem), exact=True)


def _bare(name: str) -> str:
    """A name without the suffix that it gets by its format."""
    path = Path(name)
    return path.stem if path.suffix.lower() in (*SUFFIXES.values(), *ALIASES) else name


def _made(found: Sequence[Found], plan: Plan, together: bool | None) -> list[Job]:
    if not found or (plan.together if together is None else together):
        _check(plan, len(found))
        return [_all_in_one(found, plan)]
    _check(plan, 1)
    return _one_each(list({os.path.normcase(os.path.abspath(each.file)): each for each in found}.values()))


def _check(plan: Plan, count: int) -> None:
    low, high = plan.first.inputs
    if high == 1 and count != 1:
        raise UserError(
            (
                text("{workload} takes each file by itself: leave out --together.")
                if count
                else text("{workload} takes each file by itself: name one file or more.")
            ).fill(workload=plan.title)
        )
    if not low <= count <= high:
        wanted = str(low) if low == high else say(text("{low} to {high}", low=low, high=high))
        takes = (
            text("{workload} takes {wanted} file, not {count}.")
            if wanted == "1"
            else text("{workload} takes {wanted} files, not {count}.")
        )
        hint = say(text(" Add --each to run it on each of them.")) if low == 1 < high < count else ""
        raise UserError(say(takes.fill(workload=plan.title, wanted=wanted, count=count)) + hint)


def _all_in_one(found: Sequence[Found], plan: Plan) -> Job:
    problems = (
        Problem(
            each.problem.code, f"{each.file} {each.problem.reason}" if len(found) > 1 else each.problem.reason
        )
        for each in found
        if each.problem
    )
    # Where the others only help, the first one's name is that of the output.
    stem = Path(found[0].file).stem if plan.first.companions and found else ""
    return Job(tuple(each.file for each in found), stem=stem, problem=next(problems, None))


def _one_each(found: Sequence[Found]) -> list[Job]:
    common = _common(each.file for each in found if each.root is None and not each.problem)
    places = [(_folder(each, common), Path(each.file).stem) for each in found]
    # Files that differ in their suffix alone keep it in their outputs' names, whatever else is given.
    alike = Counter((folder.casefold(), stem.casefold()) for folder, stem in places)
    names = Counter(
        (folder.casefold(), Path(each.file).name.casefold())
        for each, (folder, _) in zip(found, places, strict=True)
    )
    made = []
    for each, (folder, stem) in zip(found, places, strict=True):
        path, suffix = Path(each.file), ""
        if alike[folder.casefold(), stem.casefold()] > 1:
            usual = stem + ALIASES.get(path.suffix.lower(), path.suffix)
            stem = path.name
            # Of names that differ in case alone, neither has a better right to it; of `.jpg` and `.jpeg` the
            # first.
            rivals = {name.casefold() for name in (stem, usual)}
            alone = sum(names[folder.casefold(), name] for name in rivals) == 1
            suffix = path.suffix.lower() if alone else ""
        made.append(Job((each.file,), folder, stem, suffix, each.problem))
    return made


def _common(files: Iterable[str]) -> str | None:
    """The folder that all files lie below; None where that is a whole drive, or where there is none."""
    folders = {os.path.dirname(os.path.abspath(file)) for file in files}
    try:
        common = os.path.commonpath(folders)
    except ValueError:
        return None
    return None if len(folders) > 1 and os.path.dirname(common) == common else common


def _folder(found: Found, common: str | None) -> str:
    above = common if found.root is None else os.path.abspath(found.root)
    if above is None or found.problem:
        return os.curdir
    below = os.path.relpath(os.path.dirname(os.path.abspath(found.file)), above)
    return os.path.normpath(os.path.join(found.under, below))
