"""Files to jobs."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from accel.image.records import ALIASES, SUFFIXES
from accel.text import AnyText, text
from bridge.commands.terminal import say
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from bridge.commands.run.plan import Plan


class Problem(Struct, frozen=True):
    """Why there is nothing to do."""

    code: str
    """One of the error codes."""
    reason: AnyText
    """For people; it reads well after the file's name."""


class Found(Struct, frozen=True):
    """A file to work on, or why what was named is none."""

    file: str
    """As the person named it; below a folder that was named, with that in front."""
    root: str | None = None
    """The folder that was named; None for a file."""
    under: str = ""
    """Keeps apart the outputs of several folders."""
    problem: Problem | None = None


def find(
    arguments: Sequence[str], *, recursive: bool, out: Path | None, made: Callable[[str], bool] | None = None
) -> list[Found]:
    """Every file that `arguments` name, in their order, without what lies in `out`, where outputs go.

    Where `out` is a folder that is named itself, or one around it, what earlier runs `made` isn't taken.

    Patterns (`*`, `?`, `[]`, `**`) are expanded here, as Windows' shells leave that to programs; a file that
    is called like a pattern is that file.
    """
    folders = [argument for argument in arguments if recursive and os.path.isdir(argument)]
    apart = _apart(folders) if len(folders) > 1 else {}
    found: list[Found] = []
    for argument in arguments:
        found += _named(argument, apart.get(argument, ""), recursive, out, made)
    return found


def _apart(folders: Sequence[str]) -> dict[str, str]:
    """What keeps the outputs of each folder apart: its name, or of those of one name their paths below what
    they have in common."""
    paths = {folder: os.path.abspath(folder) for folder in folders}
    alike: dict[str, set[str]] = {}
    for path in paths.values():
        alike.setdefault(os.path.basename(path).casefold(), set()).add(path)
    return {
        folder: _below_common(path, alike[os.path.basename(path).casefold()])
        for folder, path in paths.items()
    }


def _below_common(path: str, alike: Set[str]) -> str:
    if len(alike) == 1:
        return os.path.basename(path)
    try:
        common = os.path.commonpath(alike)
    # Of several drives.
    except ValueError:
        return os.path.basename(path)
    return os.path.relpath(path, os.path.dirname(common) if common in alike else common)


def _named(
    argument: str, under: str, recursive: bool, out: Path | None, made: Callable[[str], bool] | None
) -> Iterator[Found]:
    if os.path.isfile(argument):
        yield Found(argument, problem=_device(argument))
    elif os.path.isdir(argument) and recursive:
        yield from _walked(argument, under, out, made)
    elif os.path.isdir(argument):
        yield _nothing(argument, text("is a folder; name the files in it, or add --recursive"), "bad_input")
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        yield from _matching(argument, out)
    else:
        yield _hidden(argument) or _nothing(argument, text("isn't there, or is no file"))


def _hidden(argument: str) -> Found | None:
    """That nobody may say whether it is there, as in a folder of somebody else."""
    try:
        os.stat(argument)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _nothing(argument, text("can't be read ({strerror})", strerror=error.strerror), "bad_input")
    # A name that no file can have.
    except ValueError:
        return None
    return None


def _device(file: str) -> Problem | None:
    """Of what other systems put on a share or a disk, and Windows lists but opens as something else."""
    for path in (file, os.path.dirname(file)):
        # Which names are devices' differs between versions of Windows.
        if os.path.abspath(path).startswith("\\\\.\\"):
            name = os.path.basename(path)
            return Problem(
                "bad_input", text("can't be read: Windows takes {name} for a device; rename it", name=name)
            )
    return None


def _nothing(argument: str, reason: AnyText, code: str = "not_found") -> Found:
    return Found(argument, problem=Problem(code, reason))


def _walked(folder: str, under: str, out: Path | None, made: Callable[[str], bool] | None) -> Iterator[Found]:
    from bridge.audit.project import IMAGES
    from bridge.project.files import is_hidden, walk

    outputs = None if out is None else _key(out)
    in_place = outputs is not None and os.path.join(_key(folder), "").startswith(os.path.join(outputs, ""))
    there = passed = False
    for each in walk(
        Path(folder),
        lambda below, names: is_hidden(below, names) or _key(os.path.join(folder, below)) == outputs,
    ):
        file = os.path.join(folder, *each.file.split("/"))
        if each.problem:
            there = True
            yield Found(os.path.normpath(file), folder, under, Problem("bad_input", each.problem))
        elif file.lower().endswith(IMAGES):
            if in_place and made is not None and made(file):
                passed = True
                continue
            there = True
            yield Found(file, folder, under, _device(file))
    if not there:
        made_here = text("has no images in it but what earlier runs made")
        yield _nothing(folder, made_here if passed else text("has no images in it"))


def _matching(pattern: str, out: Path | None) -> Iterator[Found]:
    made = None if out is None or "**" not in pattern else os.path.join(_key(out), "")
    there = False
    for file in sorted(glob.iglob(pattern, recursive=True)):
        if os.path.isfile(file) and not (made and _key(file).startswith(made)):
            there = True
            yield Found(file, problem=_device(file))
    if not there:
        yield _nothing(pattern, text("matches no file"))


def _key(path: str | Path) -> str:
    return os.path.normcase(os.path.abspath(path))


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
