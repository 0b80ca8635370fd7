"""Tests of labelled textures in git repositories: pinned, licensed, of one asset pack on one side only."""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from accel.image.operations.analysis import Fingerprint
from tools.train import labelling
from tools.train.fetch import SourceError
from tools.train.labelling import decide, pack_owners
from tools.train.projects import look_at, read_projects
from tools.train.repositories import (
    ALLOWED,
    Label,
    Repository,
    RepositoryCache,
    digest_of,
    fetch,
    labels,
    record_digests,
    repositories,
)

NAME = "ann/walls"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror of one repository, a project of Godot with two materials."""
    folder = tmp_path / "mirror" / "ann+walls"
    (folder / "art").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "project.godot").write_text(
        'config_version=5\n[application]\nconfig/features=PackedStringArray("4.3")\n'
    )
    for name, color in (("stone", "grey"), ("stone_normal", "#8080ff"), ("moss_normal", "#7f7fff")):
        Image.new("RGB", (32, 32), color).save(folder / "art" / f"{name}.png")
    (folder / "art" / "stone.tres").write_text(
        '[gd_resource type="StandardMaterial3D" format=3]\n'
        '[ext_resource type="Texture2D" path="res://art/stone.png" id="1"]\n'
        '[ext_resource type="Texture2D" path="res://art/stone_normal.png" id="2"]\n'
        '[ext_resource type="Texture2D" path="res://art/moss_normal.png" id="3"]\n'
        '[resource]\nalbedo_texture = ExtResource("1")\nnormal_texture = ExtResource("2")\n'
        'roughness_texture = ExtResource("3")\n'
    )
    (folder / "large.png").write_bytes(POINTER)
    (folder / "link.png").symlink_to("art/stone.png")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Add walls")
    return tmp_path / "mirror"


@pytest.fixture
def data(tmp_path: Path, mirror: Path) -> Path:
    """Tables with one repository and one label, without a digest."""
    folder = tmp_path / "data"
    folder.mkdir()
    commit = git(mirror / "ann+walls", "rev-parse", "HEAD")
    write_repositories(folder, f"{NAME}\t{commit}\t\tMIT\tgodot\ttraining")
    content = (mirror / "ann+walls/art/stone.png").read_bytes()
    write_labels(folder, f"{NAME}\tart/stone.png\t{hashlib.sha256(content).hexdigest()}\talbedo\tuse")
    return folder


def write_repositories(folder: Path, *lines: str) -> None:
    head = "repository\tcommit\tsha256\tlicence\tengine\tpurpose"
    (folder / "repositories.tsv").write_text("\n".join((head, *lines, "")))


def write_labels(folder: Path, *lines: str) -> None:
    head = "repository\tpath\tsha256\tkind\tevidence"
    (folder / "repository_labels.tsv").write_text("\n".join((head, *lines, "")))


def never(repository: Repository, folder: Path) -> None:
    raise SourceError(f"{repository.name}: can't be cloned")


def test_labelled_textures_are_read_from_a_mirror(data: Path, tmp_path: Path, mirror: Path) -> None:
    record_digests(data)
    cache = RepositoryCache(tmp_path / "cache", mirror, never)
    (found,) = fetch(cache, "training", data=data)
    assert (found.source, found.path, found.kind) == ("github-ann+walls", "art/stone.png", "albedo")
    assert found.file.read_bytes() == (mirror / "ann+walls/art/stone.png").read_bytes()
    assert fetch(cache, "measurement", data=data) == []


def test_a_repository_that_no_mirror_has_is_cloned_once(data: Path, tmp_path: Path, mirror: Path) -> None:
    record_digests(data)

    def clone(repository: Repository, folder: Path) -> None:
        git(tmp_path, "clone", "--quiet", "--bare", str(mirror / "ann+walls"), str(folder))

    (found,) = fetch(RepositoryCache(tmp_path / "cache", None, clone), "training", data=data)
    found.file.unlink()
    assert fetch(RepositoryCache(tmp_path / "cache", None, never), "training", data=data) == [found]
    found.file.unlink()
    with pytest.raises(SourceError):
        fetch(RepositoryCache(tmp_path / "other", None, never), "training", data=data)


def test_labels_that_differ_from_the_recorded_digest_are_refused(
    data: Path, tmp_path: Path, mirror: Path
) -> None:
    with pytest.raises(SourceError):
        fetch(RepositoryCache(tmp_path / "cache", mirror, never), "training", data=data)


def test_a_file_that_differs_from_its_label_is_refused(data: Path, tmp_path: Path, mirror: Path) -> None:
    write_labels(data, f"{NAME}\tart/stone.png\t{'0' * 64}\talbedo\tuse")
    record_digests(data)
    with pytest.raises(SourceError):
        fetch(RepositoryCache(tmp_path / "cache", mirror, never), "training", data=data)


@pytest.mark.parametrize(
    "line",
    [
        f"{NAME}\t{'0' * 40}\t\tGPL-3.0\tgodot\ttraining",
        f"{NAME}\t{'0' * 40}\t\tMIT and unknown\tgodot\ttraining",
        f"{NAME}\tmain\t\tMIT\tgodot\ttraining",
        f"{NAME}\t{'0' * 40}\t\tMIT\tgodot\tboth",
    ],
)
def test_repositories_need_a_licence_a_commit_and_a_purpose(data: Path, line: str) -> None:
    write_repositories(data, line)
    with pytest.raises(SourceError):
        repositories(data)


@pytest.mark.parametrize("row", ["../stone.png\t0\talbedo\tuse", "stone.png\t0\tpicture\tuse"])
def test_wrong_labels_are_refused(data: Path, row: str) -> None:
    write_labels(data, f"{NAME}\t{row}")
    with pytest.raises(SourceError):
        labels(data)


def test_links_and_lfs_pointers_are_not_unpacked(data: Path, tmp_path: Path, mirror: Path) -> None:
    (repository,) = repositories(data)
    cache = RepositoryCache(tmp_path / "cache", mirror, never)
    assert "link.png" not in cache.paths(repository)
    assert cache.unpack(repository, ["large.png", "absent.png", "art/stone.png"]) == [
        "large.png",
        "absent.png",
    ]
    assert not cache.file(repository, "large.png").exists()


def test_the_digest_does_not_depend_on_the_order() -> None:
    one, two = Label("a", "1", "ui", "use"), Label("b", "2", "ui", "use")
    assert digest_of([one, two]) == digest_of([two, one]) != digest_of([one])


def test_projects_are_read_with_their_slots(data: Path, tmp_path: Path, mirror: Path) -> None:
    (repository,) = repositories(data)
    (project,) = read_projects(RepositoryCache(tmp_path / "cache", mirror, never), repository)
    slots = {each.path: each.surroundings.slots for each in project.textures}
    assert slots == {
        "art/stone.png": ("albedo",),
        "art/stone_normal.png": ("normal",),
        "art/moss_normal.png": ("roughness",),
    }
    chosen = labelling.candidates(project.textures)
    looks = look_at(chosen, tmp_path / "looks", 1)
    proposals = {each.texture.path: each.kind for each in labelling.propose(chosen, looks)}
    # The name of the last one says something else than its slot.
    assert proposals["art/moss_normal.png"] == ""
    assert proposals["art/stone_normal.png"] in ("normal", "")


@pytest.mark.parametrize(
    ("slots", "imported_as", "role", "varying_alpha", "kind"),
    [
        (("albedo",), None, (), False, "albedo"),
        (("normal",), "normal", ("normal",), False, "normal"),
        (("normal", "sprite"), None, (), False, "normal"),
        (("specular", "packed"), None, ("specular",), True, "packed"),
        (("specular", "packed"), None, (), False, "specular"),
        (("ui",), "sprite", (), False, "ui"),
        ((), "normal", ("normal",), False, "normal"),
        ((), "normal", (), False, None),
        ((), None, ("normal",), False, None),
        (("albedo",), "normal", (), False, ""),
        (("roughness",), None, ("normal",), False, ""),
        (("ui", "albedo"), None, (), False, ""),
    ],
)
def test_a_label_needs_evidence_that_agrees(slots, imported_as, role, varying_alpha, kind) -> None:
    assert decide(slots, imported_as, role, varying_alpha=varying_alpha) == kind


def test_an_asset_pack_belongs_to_one_repository() -> None:
    def looks(digit: str) -> Fingerprint:
        return Fingerprint(digit * 64, digit * 16, digit * 16, [int(digit, 16) / 16] * 3 + [1.0], 0.3)

    places = {
        ("one", "pack/a.png"): looks("1"),
        ("two", "copy/a.png"): looks("1"),
        ("two", "own/b.png"): looks("a"),
        ("three", "pack/c.png"): looks("f"),
        ("one", "more/c.png"): looks("f"),
    }
    purposes = {"one": "training", "two": "measurement", "three": "training"}
    owners = pack_owners(places, purposes)
    assert owners == {
        ("one", "pack"): "two", ("two", "copy"): "two", ("three", "pack"): "one", ("one", "more"): "one",
    }  # fmt: skip


def test_every_repository_is_labelled_and_no_texture_is_in_two() -> None:
    found, every = repositories(), labels()
    assert {each.name for each in found} == set(every)
    assert all(each.sha256 == digest_of(every[each.name]) for each in found)
    assert all(set(each.licence.split(" and ")) <= ALLOWED for each in found)
    owners = Counter(digest for rows in every.values() for digest in {each.sha256 for each in rows})
    assert max(owners.values()) == 1


def test_projects_of_both_engines_are_kept_for_measurement() -> None:
    measured = Counter(each.engine for each in repositories() if each.purpose == "measurement")
    assert sum(measured.values()) >= 8
    assert min(measured["godot"], measured["unity"]) >= 3
