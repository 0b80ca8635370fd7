"""Labels the textures of repositories by how their projects use, import and name them.

`python -m tools.train.labelling propose` writes `proposals.tsv` to the cache. Where material slots,
declarations, import settings and the role in the name agree, it has the kind. Where they don't, or where the
pixels contradict them, the kind is empty: look at the numbered pictures of the contact sheets beside it, and
fill it in, or enter `-` for a texture that has no kind. `accept` moves all decided rows to
`repository_labels.tsv` and writes the digests of `repositories.tsv`.

Copies of one asset pack in several repositories count once: see `pack_owners`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from accel.image.decode import decode_image
from accel.image.hashes import find_groups
from accel.image.operations.analysis import Fingerprint
from accel.texture.judgement import judge_all
from accel.texture.kinds import CLASS_OF, KINDS, Kind
from accel.texture.naming import read_name
from accel.texture.workloads import Surroundings
from accel.workload import Input, Limits
from tools.train.fetch import CACHE, DATA, SourceError, read_table, write_table
from tools.train.projects import MAX_PIXELS, Look, ProjectTexture, look_at, read_projects
from tools.train.repositories import (
    LABEL_COLUMNS,
    REPOSITORY_LABELS,
    Purpose,
    Repository,
    RepositoryCache,
    add_mirror_option,
    record_digests,
    repositories,
)

PROPOSALS, SHEETS = "proposals.tsv", "sheets"
PROPOSAL_COLUMNS = (*LABEL_COLUMNS, "number", "why")
NO_KIND = "-"
"""A decision: the texture has no kind, or several."""
USE, SEEN = "use", "seen"
"""How a label was decided; see `Label.evidence`."""

MOST = 20
"""Labelled textures of a kind in one repository, those whose digests come first: a sample by chance."""
MOST_SEEN = 25
"""The same for those that are looked at."""
UNLIKELY = 0.03
"""Probability of a class by pixels below which a label is looked at."""
OTHER_NAMES = re.compile(
    r"noise|perlin|voronoi|worley|simplex|fbm|\blut|_lut|lut_|palette|ramp|gradient|grad_|mask|flowmap|flow_map"
    r"|dudv|distort|dissolve|caustic|bluenoise|falloff|brush|curve|ditter|dither|cookie|curl|splat|foam|weight"
    r"|area_?tex|search_?tex|lookup|turbulence|cloud|jitter|spectrum|hatch|bayer",
    re.IGNORECASE,
)
"""Names of textures that may be none of the kinds; they are looked at if nothing says how they are used, as
those that have a role in their name are."""

COLUMNS, ROWS, CELL, CAPTION = 10, 6, 128, 44
"""Pictures of a contact sheet, and their sizes in pixels."""


@dataclass
class Proposal:
    """A texture with the kind that its project's evidence agrees on; empty if it must be looked at."""

    texture: ProjectTexture
    kind: str
    why: str
    sha256: str


def decide(
    slots: Iterable[Kind], imported_as: Kind | None, role: Sequence[Kind], *, varying_alpha: bool
) -> str | None:
    """Returns the kind on which the evidence agrees, an empty text if it doesn't, and None without any.

    `role` are the kinds that the role in the name may mean.
    """
    used = list(dict.fromkeys(slots))
    if {"normal", "packed"} & set(used) and "sprite" in used:
        # The normal map or the mask of a sprite.
        used.remove("sprite")
    if set(used) == {"specular", "packed"}:
        # Unity's metallic map: its alpha is the smoothness, if it has one.
        used = ["packed" if varying_alpha else "specular"]
        role = () if "specular" in role or "packed" in role else role
    if not used:
        return imported_as if imported_as in role else None
    if len(used) > 1:
        return ""
    contradicted = imported_as is not None and CLASS_OF[imported_as] != CLASS_OF[used[0]]
    return "" if contradicted or (role and used[0] not in role) else used[0]


def role_of(texture: ProjectTexture) -> tuple[Kind, ...]:
    """Returns the kinds that a whole role word at the end of the name means."""
    cues = read_name(texture.file, texture.surroundings.siblings)
    found = (cue.kinds for cue in cues if cue.source == "name" and cue.strength == "word")
    return next(found, ())


def candidates(found: Sequence[ProjectTexture]) -> list[ProjectTexture]:
    """Returns those textures of a repository of which something says what they are.

    At most MOST of a kind and MOST_SEEN that must be looked at: those whose digests come first.
    """
    digests = {each.location: hashlib.sha256(each.location.read_bytes()).hexdigest() for each in found}
    counts: Counter[str] = Counter()
    chosen = []
    for each in sorted(found, key=lambda each: digests[each.location]):
        kind = _decide(each, varying_alpha=False)
        if kind is not None:
            counts[kind] += 1
            if counts[kind] <= (MOST if kind else MOST_SEEN):
                chosen.append(each)
    return chosen


def _decide(texture: ProjectTexture, *, varying_alpha: bool) -> str | None:
    around = texture.surroundings
    kind = decide(around.slots, around.imported_as, role_of(texture), varying_alpha=varying_alpha)
    named = bool(role_of(texture)) or OTHER_NAMES.search(texture.location.stem)
    return "" if kind is None and named and around.imported_as in (None, "normal", "sprite") else kind


def propose(found: Sequence[ProjectTexture], looks: Mapping[Path, Look]) -> list[Proposal]:
    """Returns the proposals for textures of one repository that could be decoded."""
    proposals = []
    for texture in _distinct(found, looks):
        look, around = looks[texture.location], texture.surroundings
        kind = _decide(texture, varying_alpha=look.varying_alpha)
        if kind is None:
            continue
        (seen,) = judge_all([(look.pixels, texture.file, Surroundings(use_name=False))])
        if kind and _class_share(seen.probabilities, kind) < UNLIKELY:
            kind = ""
        role = "/".join(role_of(texture))
        why = f"{'+'.join(around.slots)}|{around.imported_as or ''}|{role}|{seen.kind}"
        proposals.append(Proposal(texture, kind, why, look.fingerprint.file))
    return proposals


def _distinct(found: Sequence[ProjectTexture], looks: Mapping[Path, Look]) -> list[ProjectTexture]:
    """Leaves out all but one of similar textures, such as the frames of an animation."""
    seen = {str(each.location): each for each in found if each.location in looks}
    groups = find_groups({name: looks[each.location].fingerprint for name, each in seen.items()})
    similar = {name for group in groups for name in group.names[1:]}
    return [each for name, each in seen.items() if name not in similar]


def _class_share(probabilities: Mapping[str, float], kind: str) -> float:
    return sum(share for one, share in probabilities.items() if _class(one) == _class(kind))


def _class(kind: str) -> str:
    return str(dict(CLASS_OF).get(kind, kind))  # type: ignore[call-overload]


def pack_owners(
    places: Mapping[tuple[str, str], Fingerprint], purposes: Mapping[str, Purpose]
) -> dict[tuple[str, str], str]:
    """Returns the repository to which each folder belongs that shares textures with another repository.

    `places` are the fingerprints by repository and path. Folders of several repositories that share a file,
    its pixels or its look are one asset pack. It belongs to the first of its repositories, those for
    measurement first; the textures of the others' folders mustn't be used.
    """
    names = {f"{repository}\n{path}": (repository, path) for repository, path in places}
    prints = {name: places[place] for name, place in names.items()}
    packs: dict[tuple[str, str], tuple[str, str]] = {}

    def root(folder: tuple[str, str]) -> tuple[str, str]:
        while packs.setdefault(folder, folder) != folder:
            folder = packs[folder]
        return folder

    for group in find_groups(prints):
        folders = [(names[name][0], names[name][1].rpartition("/")[0]) for name in group.names]
        if len({repository for repository, _ in folders}) > 1:
            for folder in folders[1:]:
                packs[root(folder)] = root(folders[0])
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for folder in list(packs):
        members[root(folder)].append(folder[0])
    owners = {
        pack: min(found, key=lambda name: (purposes[name] != "measurement", name))
        for pack, found in members.items()
    }
    return {folder: owners[root(folder)] for folder in list(packs)}


def _folder(texture: ProjectTexture) -> tuple[str, str]:
    return texture.repository, texture.path.rpartition("/")[0]


def write_sheets(proposals: Sequence[Proposal], folder: Path) -> list[Path]:
    """Draws the proposals in order, numbered from 0, and returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    count, files = COLUMNS * ROWS, []
    for start in range(0, len(proposals), count):
        sheet = Image.new("RGB", (COLUMNS * CELL, ROWS * (CELL + CAPTION)), "white")
        draw = ImageDraw.Draw(sheet)
        for place, each in enumerate(proposals[start : start + count]):
            left, top = place % COLUMNS * CELL, place // COLUMNS * (CELL + CAPTION)
            sheet.paste(_thumbnail(each.texture.location), (left, top))
            slots, imported, role, seen = each.why.split("|")
            lines = (f"{start + place} {each.kind or '?'}", each.texture.location.name[-21:],
                     f"{slots or '-'} {imported}"[:21], f"{role or '-'} > {seen}"[:21])  # fmt: skip
            for line, text in enumerate(lines):
                draw.text((left + 1, top + CELL + 10 * line), text, "red" if line == 0 else "black")
        files.append(folder / f"{start // count:03}.png")
        sheet.save(files[-1])
    return files


def _thumbnail(place: Path) -> Image.Image:
    """Returns a picture of CELL - 2 pixels; transparency shows a pink background."""
    pixels = decode_image(Input(place.name, str(place)), Limits(MAX_PIXELS)).pixels
    if pixels.dtype.kind == "f":
        pixels = np.clip(pixels, 0, 1) ** np.float32(1 / 2.2) * 255
    elif pixels.dtype == np.uint16:
        pixels = pixels >> 8
    grey, alpha = np.repeat(pixels[..., :1], 3, axis=2), pixels[..., 1:2]
    pixels = [pixels, grey, np.concatenate([grey, alpha], axis=2), pixels, pixels][min(pixels.shape[2], 4)]
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :4].astype(np.uint8))).convert("RGBA")
    side = CELL - 2
    factor = side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    image = image.resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.NEAREST)
    picture = Image.new("RGBA", (side, side), "#ffd0f0")
    picture.alpha_composite(image)
    return picture.convert("RGB")


def _read_all(
    cache: RepositoryCache, wanted: Sequence[Repository], jobs: int
) -> Iterator[tuple[Repository, list[ProjectTexture], dict[Path, Look]]]:
    for repository in wanted:
        found = [texture for project in read_projects(cache, repository) for texture in project.textures]
        # A texture may be listed by several projects.
        found = candidates(list({each.path: each for each in found}.values()))
        yield repository, found, look_at(found, cache.folder / "looks", jobs)


def run_proposals(cache: RepositoryCache, wanted: Sequence[Repository], jobs: int) -> None:
    """Writes the proposals and the contact sheets of those that must be looked at."""
    purposes = {each.id: each.purpose for each in repositories()}
    proposals: list[Proposal] = []
    prints: dict[tuple[str, str], Fingerprint] = {}
    for repository, found, looks in _read_all(cache, wanted, jobs):
        own = propose(found, looks)
        prints |= {
            (repository.id, each.path): looks[each.location].fingerprint
            for each in found if each.location in looks
        }  # fmt: skip
        proposals += own
        counts = Counter(each.kind or "?" for each in own)
        print(f"{repository.name}: {dict(counts)}", flush=True)
    owners = pack_owners(prints, purposes)
    kept = [
        each for each in proposals if owners.get(_folder(each.texture), "") in ("", each.texture.repository)
    ]
    kept.sort(key=lambda each: (bool(each.kind), each.kind))
    files = write_sheets(kept, cache.folder / SHEETS)
    names = {each.id: each.name for each in wanted}
    rows = [
        dict(zip(PROPOSAL_COLUMNS, (names[each.texture.repository], each.texture.path, each.sha256, each.kind,
                                    USE if each.kind else SEEN, str(number), each.why), strict=True))
        for number, each in enumerate(kept)
    ]  # fmt: skip
    write_table(cache.folder / PROPOSALS, PROPOSAL_COLUMNS, rows)
    print(f"{len(kept)} proposals, {len(proposals) - len(kept)} copies left out, {len(files)} contact sheets")


def accept(cache: RepositoryCache, data: Path = DATA) -> int:
    """Moves the decided proposals to the table of labels; returns how many rows it has now."""
    rows = {
        (row["repository"], row["path"]): row for row in read_table(data / REPOSITORY_LABELS, LABEL_COLUMNS)
    }
    for row in read_table(cache.folder / PROPOSALS, PROPOSAL_COLUMNS):
        if row["kind"] in KINDS:
            rows[row["repository"], row["path"]] = {name: row[name] for name in LABEL_COLUMNS}
        elif row["kind"] not in ("", NO_KIND):
            raise SourceError(f"{PROPOSALS}: {row['number']}: unknown kind {row['kind']!r}")
    write_table(data / REPOSITORY_LABELS, LABEL_COLUMNS, [rows[key] for key in sorted(rows)])
    record_digests(data)
    return len(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 1 if a repository can't be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=("propose", "accept"))
    parser.add_argument("name", nargs="*", help="repositories, OWNER/NAME (default: all)")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"folder (default {CACHE.name})")
    parser.add_argument("--jobs", type=int, default=1, help="parallel processes")
    add_mirror_option(parser)
    options = parser.parse_args(arguments)
    cache = RepositoryCache(options.cache, options.mirror)
    try:
        if options.action == "accept":
            print(f"{accept(cache)} labels")
        else:
            wanted = [each for each in repositories() if not options.name or each.name in options.name]
            run_proposals(cache, wanted, options.jobs)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
