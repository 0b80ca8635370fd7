"""Finds the input files of a run and groups them into jobs."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from accel.image.records import ALIASES, SUFFIXES
from accel.text import AnyText, Text, sentences, text
from accel.texture.kinds import CLASS_OF, KINDS
from bridge.commands.terminal import say
from bridge.core.errors import UserError
from bridge.project.files import is_hidden, walk

if TYPE_CHECKING:
    from bridge.commands.run.plan import Plan


class Problem(Struct, frozen=True):
    """Why a file can't be processed."""

    code: str
    """An error code."""
    reason: AnyText
    """A predicate: it follows the file's name."""


class InputFile(Struct, frozen=True):
    """A file to process, or an argument that names none."""

    file: str
    """The path as typed; in a folder, the folder as typed and the path below it."""
    root: str | None = None
    """The folder as typed; None for a file."""
    under: str = ""
    """The subfolder of outputs that separates several folders."""
    problem: Problem | None = None


def find_files(
    arguments: Sequence[str],
    *,
    recursive: bool,
    out: Path | None,
    is_output: Callable[[str], bool] | None = None,
) -> list[InputFile]:
    """Returns the files that `arguments` name, in their order, without files in the folder `out`.

    If `out` is one of the folders or contains one, `is_output` identifies outputs of earlier runs, which are
    left out.

    Patterns (`*`, `?`, `[]`, `**`) are expanded, because Windows' shells don't. A file whose name looks like
    a pattern is that file.
    """
    folders = [argument for argument in arguments if recursive and os.path.isdir(argument)]
    subfolders = _subfolders(folders) if len(folders) > 1 else {}
    found: list[InputFile] = []
    for argument in arguments:
        found += _named(argument, subfolders.get(argument, ""), recursive, out, is_output)
    return found


def _subfolders(folders: Sequence[str]) -> dict[str, str]:
    """Returns the subfolder for the outputs of each folder: its name; for folders of the same name, their
    paths below the common folder.
    """
    paths = {folder: os.path.abspath(folder) for folder in folders}
    same_name: dict[str, set[str]] = {}
    for path in paths.values():
        same_name.setdefault(os.path.basename(path).casefold(), set()).add(path)
    return {
        folder: _below_common(path, same_name[os.path.basename(path).casefold()])
        for folder, path in paths.items()
    }


def _below_common(path: str, same_name: Set[str]) -> str:
    if len(same_name) == 1:
        return os.path.basename(path)
    try:
        common = os.path.commonpath(same_name)
    except ValueError:
        # They are on several drives.
        return os.path.basename(path)
    return os.path.relpath(path, os.path.dirname(common) if common in same_name else common)


def _named(
    argument: str, under: str, recursive: bool, out: Path | None, is_output: Callable[[str], bool] | None
) -> Iterator[InputFile]:
    if os.path.isfile(argument):
        yield InputFile(argument, problem=_device(argument))
    elif os.path.isdir(argument) and recursive:
        yield from _images_in(argument, under, out, is_output)
    elif os.path.isdir(argument):
        yield _missing(argument, text("is a folder; name the files in it, or add --recursive"), "bad_input")
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        yield from _matching(argument, out)
    else:
        yield _inaccessible(argument) or _missing(argument, text("does not exist, or isn't a file"))


def _inaccessible(argument: str) -> InputFile | None:
    """Returns an error for a path that can't be examined, such as one in another user's folder."""
    try:
        os.stat(argument)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _missing(argument, text("can't be read ({reason})", reason=error.strerror), "bad_input")
    except ValueError:
        # No file can have that name.
        return None
    return None


def _device(file: str) -> Problem | None:
    """Returns a problem for files of other systems whose names Windows lists but opens as a device."""
    for path in (file, os.path.dirname(file)):
        # The names of devices differ between versions of Windows.
        if os.path.abspath(path).startswith("\\\\.\\"):
            name = os.path.basename(path)
            return Problem(
                "bad_input", text("can't be read: on Windows, {name} is a device; rename it", name=name)
            )
    return None


def _missing(argument: str, reason: AnyText, code: str = "not_found") -> InputFile:
    return InputFile(argument, problem=Problem(code, reason))


def _images_in(
    folder: str, under: str, out: Path | None, is_output: Callable[[str], bool] | None
) -> Iterator[InputFile]:
    # It needs numpy.
    from bridge.audit.project import IMAGES

    outputs = None if out is None else _key(out)
    in_place = outputs is not None and os.path.join(_key(folder), "").startswith(os.path.join(outputs, ""))
    found = skipped = False
    for each in walk(
        Path(folder),
        lambda below, names: is_hidden(below, names) or _key(os.path.join(folder, below)) == outputs,
    ):
        file = os.path.join(folder, *each.file.split("/"))
        if each.problem:
            found = True
            yield InputFile(os.path.normpath(file), folder, under, Problem("bad_input", each.problem))
        elif file.lower().endswith(IMAGES):
            if in_place and is_output is not None and is_output(file):
                skipped = True
                continue
            found = True
            yield InputFile(file, folder, under, _device(file))
    if not found:
        yield _missing(
            folder,
            text("has no images except outputs of earlier runs") if skipped else text("has no images"),
        )


def _matching(pattern: str, out: Path | None) -> Iterator[InputFile]:
    outputs = None if out is None or "**" not in pattern else os.path.join(_key(out), "")
    found = False
    for file in sorted(glob.iglob(pattern, recursive=True)):
        if os.path.isfile(file) and not (outputs and _key(file).startswith(outputs)):
            found = True
            yield InputFile(file, problem=_device(file))
    if not found:
        yield _missing(pattern, text("matches no file"))


def _key(path: str | Path) -> str:
    return os.path.normcase(os.path.abspath(path))


INVALID_CHARACTERS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
"""Characters that Windows, whose rules are the strictest, doesn't allow in file names."""
LISTED = 3
"""Files of a job that its label names."""


UNIT_SHARE = 0.9
"""Share of texels with unit vectors from which the channels of a normal map are x, y and z; others are stored
in ways that only the engine decodes."""
SHOWN = 2


class TextureKind(Struct, frozen=True):
    """The classifier's answer for one file."""

    kind: str
    """The most probable kind."""
    share: float
    """Its probability."""
    sure: bool
    """Whether the answer is certain enough to decide how channels are read."""
    channels: str
    """The value for the parameter `kind` of image workloads; empty if unsure: they decide by pixels alone."""
    others: tuple[tuple[str, float], ...] = ()
    """The next most probable kinds, where unsure."""

    @classmethod
    def of(cls, examined: Mapping[str, Any]) -> TextureKind:
        """Returns the answer from the value of `texture.examine`."""
        found = examined["classification"]
        ranked = sorted(found["probabilities"].items(), key=lambda each: -each[1])
        kind, share = ranked[0]
        if not found["advise"]:
            return cls(kind, share, False, "", tuple(ranked[1:SHOWN]))
        return cls(kind, share, True, _channels(kind, examined["inspection"]))

    def describe(self) -> str:
        """Returns the answer for the line of a file."""
        if self.sure:
            return say(_TAKEN.fill(kind=self.kind, share=f"{self.share:.0%}"))
        shares = [f"{kind} {share:.0%}" for kind, share in ((self.kind, self.share), *self.others)]
        return say(text("unsure of its kind ({kinds})", kinds=shares))


_TAKEN: Text = text("taken for {kind} ({share})")


def _channels(kind: str, inspection: Mapping[str, Any]) -> str:
    # A plugin's classifier may know more kinds.
    family = CLASS_OF[kind] if kind in KINDS else ""
    if family == "normal":
        normals = inspection.get("normals")
        return "normal" if normals and normals["unit_length"] >= UNIT_SHARE else "data"
    if not family:
        return ""
    return "data" if family in ("data", "packed") else "color"


class RunItem(Struct, frozen=True):
    """One call of the workload."""

    files: tuple[str, ...]
    """The paths as typed."""
    folder: str = os.curdir
    """The folder of its outputs, below --out."""
    stem: str = ""
    """The prefix of its outputs' names; empty to use the names that the workload assigns."""
    suffix: str = ""
    """The extension that is part of `stem` because inputs differ only in it; an output of the same format
    doesn't repeat it. Lower case; empty if `stem` has none."""
    problem: Problem | None = None
    """Why the job can't run."""
    name: str = ""
    """The value of the workload's parameter `name`; empty to leave it unset."""
    plan: Plan | None = None
    """Set if the file has parameters of its own."""
    texture: TextureKind | None = None
    """What the classifier takes the file for, if it was asked."""
    exact: bool = False
    """Whether outputs refer to one another by name, so that they can't be renamed."""

    @property
    def label(self) -> str:
        """Prefix of lines about the job; empty for no file."""
        files, more = ", ".join(self.files[:LISTED]), len(self.files) - LISTED
        return say(text("{files} and {count} more", files=files, count=more)) if more > 0 else files


def make_jobs(
    found: Sequence[InputFile], plan: Plan, name: str | None = None, *, together: bool | None = None
) -> list[RunItem]:
    """Returns all jobs, in the files' order; `name` is the name of a single job's outputs.

    `together`: all files are one job; None leaves it to the workload. Raises UserError for a wrong number of
    files and for a name that can't apply.
    """
    jobs = _group(found, plan, together)
    if name is None and not plan.names_outputs:
        return jobs
    if len(jobs) > 1 and (name is not None or plan.has_name):
        option = "--name" if name is not None else "--param name"
        raise UserError(
            text("{option} is for a single job, but there are {count}.", option=option, count=len(jobs))
        )
    if name is not None and plan.has_name:
        raise UserError(text("--name and --param name are the same. Give one of them."))
    if name is not None:
        jobs = [replace(jobs[0], stem=_without_extension(name))]
    return [_with_name_parameter(job, plan) for job in jobs] if plan.names_outputs else jobs


def _with_name_parameter(job: RunItem, plan: Plan) -> RunItem:
    """Returns the job with its stem as the workload's parameter `name`."""
    return replace(
        job, stem="", name="" if plan.has_name else INVALID_CHARACTERS.sub("_", job.stem), exact=True
    )


def _without_extension(name: str) -> str:
    """Returns `name` without the extension of an image format."""
    path = Path(name)
    return path.stem if path.suffix.lower() in (*SUFFIXES.values(), *ALIASES) else name


def _group(found: Sequence[InputFile], plan: Plan, together: bool | None) -> list[RunItem]:
    if not found or (plan.together if together is None else together):
        _check_count(plan, len(found))
        return [_single_job(found, plan)]
    _check_count(plan, 1)
    return _job_per_file(
        list({os.path.normcase(os.path.abspath(each.file)): each for each in found}.values())
    )


def _check_count(plan: Plan, count: int) -> None:
    low, high = plan.first.inputs
    if high == 1 and count != 1:
        raise UserError(
            (
                text("{workload} takes one file at a time. Leave out --together.")
                if count
                else text("{workload} needs a file.")
            ).fill(workload=plan.title)
        )
    if not low <= count <= high:
        expected = str(low) if low == high else text("{low} to {high}", low=low, high=high)
        problem = (
            text("{workload} takes {expected} file, not {count}.")
            if expected == "1"
            else text("{workload} takes {expected} files, not {count}.")
        ).fill(workload=plan.title, expected=expected, count=count)
        hint = text("Add --each to run it on each of them.") if low == 1 < high < count else ""
        raise UserError(sentences((problem, hint)))


def _single_job(found: Sequence[InputFile], plan: Plan) -> RunItem:
    problems = (
        Problem(
            each.problem.code,
            text("{file} {reason}", file=each.file, reason=each.problem.reason)
            if len(found) > 1
            else each.problem.reason,
        )
        for each in found
        if each.problem
    )
    # Companions only help with the first file, which names the output.
    stem = Path(found[0].file).stem if plan.first.companions and found else ""
    return RunItem(tuple(each.file for each in found), stem=stem, problem=next(problems, None))


def _job_per_file(found: Sequence[InputFile]) -> list[RunItem]:
    common = _common(each.file for each in found if each.root is None and not each.problem)
    places = [(_folder(each, common), Path(each.file).stem) for each in found]
    # Files that differ only in their extension keep it in their outputs' names.
    same_stem = Counter((folder.casefold(), stem.casefold()) for folder, stem in places)
    names = Counter(
        (folder.casefold(), Path(each.file).name.casefold())
        for each, (folder, _) in zip(found, places, strict=True)
    )
    jobs = []
    for each, (folder, stem) in zip(found, places, strict=True):
        path, suffix = Path(each.file), ""
        if same_stem[folder.casefold(), stem.casefold()] > 1:
            usual = stem + ALIASES.get(path.suffix.lower(), path.suffix)
            stem = path.name
            # An output can share the extension only if no other input claims the name: one that differs in
            # case, or `.jpeg` beside `.jpg`.
            rivals = {name.casefold() for name in (stem, usual)}
            unique = sum(names[folder.casefold(), name] for name in rivals) == 1
            suffix = path.suffix.lower() if unique else ""
        jobs.append(RunItem((each.file,), folder, stem, suffix, each.problem))
    return jobs


def _common(files: Iterable[str]) -> str | None:
    """Returns the folder that contains all files; None if that is a whole drive or there is none."""
    folders = {os.path.dirname(os.path.abspath(file)) for file in files}
    try:
        common = os.path.commonpath(folders)
    except ValueError:
        return None
    return None if len(folders) > 1 and os.path.dirname(common) == common else common


def _folder(found: InputFile, common: str | None) -> str:
    above = common if found.root is None else os.path.abspath(found.root)
    if above is None or found.problem:
        return os.curdir
    below = os.path.relpath(os.path.dirname(os.path.abspath(found.file)), above)
    return os.path.normpath(os.path.join(found.under, below))
