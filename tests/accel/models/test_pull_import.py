import contextlib
import os
import subprocess
import threading

import pytest

from accel.models.catalog import TEXTURE_KIND
from accel.models.manifest import Url
from accel.models.pull import import_file
from accel.models.store import ModelError, Unwritable
from tests.accel.models.records import file, model, part, wheel
from tests.server.test_uploads import tmpfs

DATA, WORDS = b"network" * 1000, b"words"
URL = Url("https://a.example", ("x",))
TINY = model(file(DATA, URL), file(WORDS, URL, name="words"))


def test_a_file_is_known_by_its_digest_whatever_its_name(store, tmp_path):
    (tmp_path / "download (3).bin").write_bytes(WORDS)
    brought = import_file(store, [TEXTURE_KIND, TINY], [tmp_path / "download (3).bin"])
    assert [(one.name, found.name) for one, found in brought.installed] == [("tiny", "words")]
    assert store.is_intact(TINY, TINY.file("words"))


def test_a_wheel_gives_all_that_it_has(store, tmp_path):
    archive = wheel(tmp_path, {"a/one": DATA, "a/two": WORDS, "a/other": b"wrods"})
    brought = import_file(store, [TINY], [archive])
    assert len(brought.installed) == 2 and brought.unused == {}
    assert store.state(TINY) == "pulled"
    # Windows keeps no file of a lock that nobody holds.
    assert {path.name for path in store.folder.iterdir()} - {"tiny.lock"} == {"tiny", "downloads"}
    assert list(store.downloads.iterdir()) == []


def test_unknown_and_truncated_files_are_unused_with_a_reason(store, tmp_path):
    (tmp_path / "x").write_bytes(DATA[:-1])
    (tmp_path / "y").write_bytes(DATA)
    brought = import_file(store, [TINY], [tmp_path / "x", tmp_path / "y"])
    assert [found.name for _, found in brought.installed] == ["model.onnx"]
    assert list(brought.unused) == [tmp_path / "x"] and "truncated" in brought.unused[tmp_path / "x"]


def test_an_unreadable_file_does_not_prevent_importing_others(store, tmp_path):
    archive = wheel(tmp_path, {"a/one": DATA})
    raw = bytearray(archive.read_bytes())
    raw[50] ^= 0xFF
    archive.write_bytes(raw)
    (tmp_path / "words").write_bytes(WORDS)
    none = tmp_path / "none.onnx"
    brought = import_file(store, [TINY], [none, archive, tmp_path / "words"])
    assert [found.name for _, found in brought.installed] == ["words"]
    assert [brought.unused[each].id for each in (none, archive)] == ["can't be read ({strerror})"] * 2
    assert brought.unused[none].values["strerror"].startswith("No such file")


@pytest.fixture
def full(store):
    """A models folder on a disk of its own, without room."""
    if not tmpfs(store.folder, "64k"):
        pytest.skip("only root may mount a small disk")
    with contextlib.suppress(OSError), (store.folder / "full").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(4096))
    yield store
    subprocess.run(["umount", "-l", str(store.folder)], check=False)


def test_a_full_disk_is_not_blamed_on_the_wheel(full, tmp_path):
    archive = wheel(tmp_path, {"a/one": DATA})
    with pytest.raises(Unwritable, match=r"downloads can't be written "):
        import_file(full, [TINY], [archive])


def test_a_truncated_wheel_must_be_downloaded_again(store, tmp_path):
    archive = wheel(tmp_path, {"a/one": DATA})
    archive.write_bytes(archive.read_bytes()[:5000])
    assert import_file(store, [TINY], [archive]).unused == {
        archive: "is an incomplete archive: download it again"
    }


def test_of_a_folder_the_files_that_may_be_wanted_are_taken(store, tmp_path):
    (tmp_path / "stick" / "deep").mkdir(parents=True)
    (tmp_path / "stick" / "deep" / "words.json").write_bytes(WORDS)
    (tmp_path / "stick" / "photo.jpg").write_bytes(b"no network")
    wheel(tmp_path / "stick", {"a/one": DATA})
    brought = import_file(store, [TINY], [tmp_path / "stick"])
    assert store.state(TINY) == "pulled" and brought.unused == {}


def test_unrelated_files_in_folders_are_ignored(store, tmp_path):
    stick = tmp_path / "stick"
    wheel(stick, {"a/one": DATA, "a/two": WORDS})
    photos = wheel(stick, {"photo.jpg": b"no network"}, project="holiday")
    (stick / "notes.txt").write_bytes(b"no model")
    assert import_file(store, [TINY], [stick]).unused == {}
    assert import_file(store, [TINY], [], sorted(stick.iterdir())).unused == {}
    assert list(import_file(store, [TINY], [stick, photos], [photos]).unused) == [photos]


@pytest.mark.parametrize("members", [{"a/x": b"another network"}, {"a/any": b"wrods"}])
def test_damaged_models_in_folders_are_reported(store, tmp_path, members):
    other = wheel(tmp_path / "stick", members, version="2.0")
    assert "or another version" in import_file(store, [TINY], [tmp_path / "stick"]).unused[other]
    other.write_bytes(other.read_bytes()[:-30])
    assert "is an incomplete archive" in import_file(store, [TINY], [tmp_path / "stick"]).unused[other]


def test_files_in_folders_that_only_share_a_name_are_listed(store, tmp_path):
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "MODEL.onnx").write_bytes(DATA[:-5])
    (folder / "weights.bin").write_bytes(DATA[:-7])
    (folder / "photo.jpg").write_bytes(DATA[:-9])
    tiny = model(file(DATA, Url("https://a.example", ("deep/weights.bin",))))
    brought = import_file(store, [tiny], [folder])
    assert list(brought.same_name) == [folder / "MODEL.onnx", folder / "weights.bin"] and brought.unused == {}
    assert all(why.values["names"] == "tiny" for why in brought.same_name.values())
    named = sorted(folder.iterdir())
    assert list(import_file(store, [tiny], named).unused) == named


def test_a_name_shared_with_several_models_lists_them_all(store, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"another program's")
    models = [model(file(DATA, URL), name=name) for name in "abc"]
    (why,) = import_file(store, models, [tmp_path]).same_name.values()
    assert str(why.values["names"]) == "a, b or c"


def test_of_a_folder_a_file_that_has_the_size_of_a_wanted_one_is_taken_for_a_damaged_one(store, tmp_path):
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(DATA[::-1])
    brought = import_file(store, [TINY], [folder])
    assert list(brought.unused) == [folder / "model.onnx"] and brought.same_name == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_file_that_goes_while_others_are_taken_is_missing(store, tmp_path, monkeypatch):
    folder = tmp_path / "stick"
    (folder / "other").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(DATA)
    gone, put = folder / "other" / "model.onnx", store.put
    gone.write_bytes(b"another program's")
    monkeypatch.setattr(store, "put", lambda *given: (put(*given), gone.unlink()))
    brought = import_file(store, [TINY], [folder])
    assert [one.name for one, _ in brought.installed] == ["tiny"]
    assert (brought.unused, brought.same_name) == ({gone: "is missing"}, {})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_pipes_in_a_folder_are_not_opened(store, tmp_path):
    (tmp_path / "words").write_bytes(WORDS)
    for name in ("x.zip", "model.onnx"):
        os.mkfifo(tmp_path / name)
    done = []
    # Whoever opens a pipe to read it waits for a writer, and here there is none.
    thread = threading.Thread(target=lambda: done.append(import_file(store, [TINY], [tmp_path])), daemon=True)
    thread.start()
    thread.join(30)
    assert [(len(brought.installed), brought.unused) for brought in done] == [(1, {})]


def test_a_single_part_is_reported_as_incomplete(store, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"a")
    made = model(file(DATA, URL, parts=(part(b"a"), part(b"b")), conversion="ncnn"))
    left = import_file(store, [made], [tmp_path / "a.bin"]).unused
    assert "one of the 2 parts of model.onnx of tiny" in left[tmp_path / "a.bin"]


def test_a_models_folder_that_cannot_be_made_is_named(tmp_path):
    from accel.models.store import ModelStore

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="can't be written"):
        import_file(ModelStore(tmp_path / "file" / "x"), [TINY], [])
