"""Repeats the audits of public Unity projects that docs/reference/audits-unity.md describes.

`python -m tools.unity_audits [OWNER/NAME...]` unpacks each project at its commit, from `--mirror FOLDER` or
from a clone, audits it, and compares the findings with the verdicts of `tools/audits/unity_findings.tsv`. A
full clone has the large files that the snapshots behind the verdicts lack; findings about them have no
verdict. Exit code 1 if a finding with the verdict `wrong` or `harmful` is back, or one that was right is
gone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tools.train.fetch import SourceError, read_table
from tools.train.repositories import Repository, RepositoryCache

DATA = Path(__file__).parent / "audits"
PROJECTS, FINDINGS = "unity_projects.tsv", "unity_findings.tsv"
PROJECT_COLUMNS = ("project", "commit", "sha256", "round", "engine", "textures")
FINDING_COLUMNS = ("project", "path", "code", "severity", "verdict", "still", "reason")
IMAGES = (".bmp", ".dds", ".exr", ".gif", ".hdr", ".jpeg", ".jpg", ".png", ".psd", ".tga", ".tif", ".tiff")
TEXTS = (
    ".anim", ".asset", ".cginc", ".cs", ".hlsl", ".json", ".mat", ".meta", ".prefab", ".shader",
    ".shadergraph", ".spriteatlas", ".spriteatlasv2", ".terrainlayer", ".txt", ".unity",
)  # fmt: skip
"""The files that an audit reads besides pictures."""

Told = tuple[str, str]
"""The path of a texture and the code of a finding."""


class Comparison(NamedTuple):
    """What changed since the verdicts."""

    back: list[Told]
    """Wrong and harmful findings that were mended once."""
    gone: list[Told]
    """Right findings that are no longer said."""
    new: list[Told]
    """Findings without a verdict."""


def compare(verdicts: Iterable[Mapping[str, str]], told: Collection[Told]) -> Comparison:
    """Compares the findings of a project with the rows of `FINDINGS` about it."""
    known = {(row["path"], row["code"]): row for row in verdicts}
    bad = [
        one for one, row in known.items() if row["verdict"] in ("wrong", "harmful") and row["still"] == "no"
    ]
    right = [one for one, row in known.items() if row["verdict"] == "right" and row["still"] == "yes"]
    return Comparison(
        sorted(set(bad) & set(told)), sorted(set(right) - set(told)), sorted(set(told) - known.keys())
    )


def digest_of(report: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of the output of `sha256sum` for the audited textures, sorted by path."""
    files = sorted((row["file"], row["sha256"]) for row in report["files"] if row["sha256"])
    return hashlib.sha256("".join(f"{sha256}  {file}\n" for file, sha256 in files).encode()).hexdigest()


def unpack(cache: RepositoryCache, repository: Repository, folder: str) -> Path:
    """Unpacks what an audit reads, without the settings of pictures that can't be had. Raises SourceError."""
    paths = [path for path in cache.paths(repository) if path.startswith(folder)]
    absent = cache.unpack(repository, [path for path in paths if path.lower().endswith(IMAGES)])
    without = {f"{path}.meta" for path in absent}
    cache.unpack(repository, [one for one in paths if one.lower().endswith(TEXTS) and one not in without])
    return cache.file(repository, folder or ".")


def audit(project: Path) -> dict[str, Any]:
    """Returns the report of `popbridge audit`. Raises SourceError if there is none."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.json")
        command = [sys.executable, "-m", "bridge.cli", "audit", str(project), "--all", "-q"]
        command += ["--json", str(file), "--fail-on", "never"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not file.is_file():
            raise SourceError(f"{project}: {done.stderr.strip() or 'no report'}")
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="*", metavar="OWNER/NAME")
    parser.add_argument(
        "--mirror", type=Path, help="folder of git repositories, as for tools.train.repositories"
    )
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir(), "popbridge-unity-audits"))
    options = parser.parse_args(arguments)
    cache, failed = RepositoryCache(options.cache, options.mirror), False
    verdicts = read_table(DATA / FINDINGS, FINDING_COLUMNS)
    for row in read_table(DATA / PROJECTS, PROJECT_COLUMNS):
        name, _, folder = row["project"].partition(":")
        if options.projects and name not in options.projects:
            continue
        repository = Repository(
            name, row["commit"], row["sha256"], "", f"unity {row['engine']}", "measurement"
        )
        try:
            report = audit(unpack(cache, repository, folder))
        except SourceError as error:
            print(error, file=sys.stderr)
            failed = True
            continue
        told = {(each["file"], one["code"]) for each in report["files"] for one in each["findings"]}
        found = compare((one for one in verdicts if one["project"] == row["project"]), told)
        same = "same textures" if digest_of(report) == row["sha256"] else "other textures"
        print(
            f"{row['project']}: {report['textures']} textures ({same}), {dict(Counter(c for _, c in told))}"
        )
        for title, ones in zip(("back", "gone", "without a verdict"), found, strict=True):
            for path, code in ones:
                print(f"  {title}: {code} {path}")
        failed = failed or bool(found.back or found.gone)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
