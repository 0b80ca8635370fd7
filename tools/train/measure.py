"""Measures the shipped model on projects that nothing was trained on or chosen by.

`python -m tools.train.measure` classifies the labelled textures of the repositories for measurement as the
product does, and writes the figures to the model's card.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accel.texture.context import Context
from accel.texture.judgement import judge_all
from accel.texture.kinds import CLASS_OF, KINDS, Classification
from accel.texture.workloads import Surroundings
from tools.train.fetch import CACHE, DATA, SourceError, sample_unlabelled
from tools.train.projects import Look, ProjectFolder, ProjectTexture, look_at, read_projects
from tools.train.repositories import (
    OTHER,
    Repository,
    RepositoryCache,
    add_mirror_option,
    labels,
    repositories,
)

CARD = DATA.parent.parent / "docs" / "explanation" / "models" / "texture-kind.md"
BEGIN, END = "<!-- measured on projects -->", "<!-- end -->"

OTHERS = 40
"""Unlabelled textures of a project that are its context."""

WAYS = ("by pixels", "with names", "in the project")
"""The evidence: pixels alone; the name and its siblings too; also the other textures. A texture's own
slots and settings never count, as labels come from them."""
AIMS = {"by pixels": (0.78, 0.88, 0.50), "with names": (0.90, 0.95, 0.82)}
"""Shares of right kinds, of right classes, and of advised textures that are aimed at."""


@dataclass(frozen=True)
class Measured:
    """One labelled texture and its classification in each of WAYS."""

    repository: str
    engine: str
    path: str
    label: str
    found: Mapping[str, Classification]


@dataclass(frozen=True)
class Figures:
    """Shares of textures."""

    count: int
    kinds: float
    classes: float
    advised: float
    right: float
    """Right classes among those that are advised; 1 if none is."""


def measure(cache: RepositoryCache, wanted: Sequence[Repository], jobs: int) -> list[Measured]:
    """Classifies the labelled textures of repositories. Raises `SourceError`."""
    every, measured = labels(), []
    for repository in wanted:
        of_paths = {each.path: each.kind for each in every.get(repository.name, ())}
        for project in read_projects(cache, repository):
            if chosen := _chosen(project, of_paths):
                looks = look_at(chosen, cache.folder / "looks", jobs)
                measured += _measure(
                    project, of_paths, [each for each in chosen if each.location in looks], looks
                )
    return measured


def _chosen(project: ProjectFolder, of_paths: Mapping[str, str]) -> list[ProjectTexture]:
    """Returns the labelled textures of a project and a sample of the others, which are its context."""
    labelled = {each.path for each in project.textures} & of_paths.keys()
    if not labelled:
        return []
    others = set(sample_unlabelled([each.path for each in project.textures], labelled, OTHERS))
    return [each for each in project.textures if each.path in labelled | others]


def _measure(
    project: ProjectFolder,
    of_paths: Mapping[str, str],
    chosen: Sequence[ProjectTexture],
    looks: Mapping[Path, Look],
) -> Iterator[Measured]:
    labelled = [each for each in chosen if each.path in of_paths]
    alone = {
        "by pixels": _judge(labelled, looks, [Surroundings(use_name=False)] * len(labelled)),
        "with names": _judge(
            labelled, looks, [Surroundings(siblings=each.surroundings.siblings) for each in labelled]
        ),
    }
    around = [
        Surroundings(siblings=each.surroundings.siblings) if each.path in of_paths else each.surroundings
        for each in chosen
    ]
    classified = _judge(chosen, looks, around)
    context, images = Context(), [looks[each.location].pixels.image for each in chosen]
    for each, image, found in zip(chosen, images, classified, strict=True):
        context.add(each.file, image.extent, found)
    in_context = context.judge([each.file for each in chosen], images, classified)
    audited = dict(zip((each.path for each in chosen), in_context, strict=True))
    for place, each in enumerate(labelled):
        found = {way: outcomes[place] for way, outcomes in alone.items()} | {
            "in the project": audited[each.path]
        }
        yield Measured(each.repository, project.engine, each.path, of_paths[each.path], found)


def _judge(
    textures: Sequence[ProjectTexture], looks: Mapping[Path, Look], surroundings: Sequence[Surroundings]
) -> list[Classification]:
    pairs = zip(textures, surroundings, strict=True)
    return judge_all([(looks[each.location].pixels, each.file, around) for each, around in pairs])


def figures(measured: Sequence[Measured], way: str) -> Figures:
    """Returns the figures of textures that have a role; `OTHER` is never right to advise on."""
    rows = [(each.label, each.found[way]) for each in measured if each.label != OTHER]
    kinds = np.array([found.kind == label for label, found in rows])
    classes = np.array([_class(found.kind) == _class(label) for label, found in rows])
    advised = np.array([found.advise for _, found in rows])
    right = float(classes[advised].mean()) if advised.any() else 1.0
    return Figures(len(rows), float(kinds.mean()), float(classes.mean()), float(advised.mean()), right)


def _class(kind: str) -> str:
    classes: Mapping[str, str] = dict(CLASS_OF)
    return classes[kind]


def recall(measured: Sequence[Measured], way: str) -> dict[str, tuple[int, float]]:
    """Returns by labelled kind: its textures, and the share of which the kind is found."""
    found: dict[str, list[bool]] = {}
    for each in measured:
        found.setdefault(each.label, []).append(each.found[way].kind == each.label)
    return {kind: (len(found[kind]), float(np.mean(found[kind]))) for kind in KINDS if kind in found}


def text(measured: Sequence[Measured]) -> str:
    """Returns the card's section as Markdown."""
    names = sorted({(each.repository.removeprefix("github-"), each.engine) for each in measured})
    engines = {engine: sum(one == engine for _, one in names) for engine in sorted({one for _, one in names})}
    of_other = [each for each in measured if each.label == OTHER]
    rows = []
    for way in WAYS:
        all_of = figures(measured, way)
        rows.append([way, *_cells(all_of), _shares(AIMS.get(way, ()))])
        for engine in engines:
            rows.append(
                [f"{way}, {engine}", *_cells(figures([e for e in measured if e.engine == engine], way)), ""]
            )
    counts = ", ".join(f"{count} of {engine.title()}" for engine, count in engines.items())
    advised = {way: sum(each.found[way].advise for each in of_other) for way in WAYS}
    count = figures(measured, WAYS[0]).count
    return f"""{count:,} textures of {len(names)} public repositories ({counts}), which no part of the model
was trained or calibrated on. Labels come from material slots, declarations and import settings; where they
disagree, or contradict the pixels, each texture was looked at. No asset pack is in a measured repository and
in one that was trained on. The thresholds for advice come from other projects, but how they are chosen
was settled with these figures in view: in projects that are new to it too, fewer may be advised or right.

{_table(("", "right kind", "right class", "advised", "right class if advised", "aims"), rows)}

- *In the project*: with the project's other textures, as in `popbridge audit`, but without the texture's own
  material slots and import settings, from which the labels come.
- *Aims*: right kinds, right classes, and advised.

{len(of_other)} further textures are of the kind `other` (noise, ramps, masks, lookup tables), which should
get no advice. Advised nevertheless: {advised["by pixels"]} by pixels, {advised["with names"]} with names,
{advised["in the project"]} in the project.

Share of the textures of each kind of which the kind is found:

{_table(("kind", "textures", *WAYS), _recall_rows(measured))}

The repositories, each with its commit in tools/train/repositories.tsv:

{_list(name.replace("+", "/") for name, _ in names)}"""


def _list(names: Iterable[str]) -> str:
    return "\n".join(f"- {name}" for name in names)


def _recall_rows(measured: Sequence[Measured]) -> Iterator[list[str]]:
    by_way = [recall(measured, way) for way in WAYS]
    for kind, (count, _) in by_way[0].items():
        yield [kind, str(count), *(f"{found[kind][1]:.0%}" for found in by_way)]


def _cells(found: Figures) -> list[str]:
    return [f"{share:.1%}" for share in (found.kinds, found.classes, found.advised, found.right)]


def _shares(aims: Sequence[float]) -> str:
    return " / ".join(f"{share:.0%}" for share in aims)


def _table(head: Sequence[str], rows: Iterator[list[str]] | Sequence[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def update_card(section: str, card: Path = CARD) -> None:
    """Replaces the section between the marks in the card."""
    before, _, rest = card.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise SourceError(f"{card.name} has no place for the figures of projects")
    card.write_text(f"{before}{BEGIN}\n\n{section}\n\n{END}{after}", encoding="utf-8", newline="\n")


def errors(measured: Sequence[Measured], way: str) -> Iterator[str]:
    """Yields a line for each texture whose class is wrong, or that is `OTHER` and is advised on."""
    for each in measured:
        found = each.found[way]
        wrong = found.advise if each.label == OTHER else _class(found.kind) != _class(each.label)
        if wrong:
            share = found.probabilities[found.kind]
            mark = "ADVISED " if found.advise else ""
            yield f"{mark}{each.label} -> {found.kind} {share:.0%} {each.repository} {each.path}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 1 if a repository can't be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"folder (default {CACHE.name})")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel processes")
    parser.add_argument("--errors", choices=WAYS, help="list the wrong ones, and don't write the card")
    add_mirror_option(parser)
    options = parser.parse_args(arguments)
    wanted = [each for each in repositories() if each.purpose == "measurement"]
    try:
        measured = measure(RepositoryCache(options.cache, options.mirror), wanted, options.jobs)
        if options.errors:
            print("\n".join(errors(measured, options.errors)))
        else:
            update_card(text(measured))
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    print(text(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
