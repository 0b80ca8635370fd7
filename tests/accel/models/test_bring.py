import pytest

from accel.models.bring import bring
from accel.models.catalogue import TEXTURE_KIND
from accel.models.manifest import Url
from accel.models.store import ModelError
from tests.accel.models.records import file, model, wheel

DATA, WORDS = b"network" * 1000, b"words"
URL = Url("https://a.example", ("x",))
TINY = model(file(DATA, URL), file(WORDS, URL, name="words"))


def test_a_file_is_known_by_its_digest_whatever_its_name(store, tmp_path):
    (tmp_path / "download (3).bin").write_bytes(WORDS)
    taken = bring(store, [TEXTURE_KIND, TINY], [tmp_path / "download (3).bin"])
    assert [(one.name, found.name) for one, found in taken] == [("tiny", "words")]
    assert store.right(TINY, TINY.file("words"))


def test_a_wheel_gives_all_that_it_has(store, tmp_path):
    archive = wheel(tmp_path, {"a/one": DATA, "a/two": WORDS, "a/other": b"wrods"})
    assert len(bring(store, [TINY], [archive])) == 2
    assert store.state(TINY) == "pulled"
    assert {path.name for path in store.folder.iterdir()} == {"tiny", "tiny.lock"}


def test_a_file_that_nobody_knows_is_not_taken(store, tmp_path):
    (tmp_path / "x").write_bytes(b"wrods")
    assert bring(store, [TINY], [tmp_path / "x"]) == []


def test_a_file_that_is_not_there_or_no_archive_is_named(store, tmp_path):
    with pytest.raises(ModelError, match=r"none.onnx can't be read \(No such file"):
        bring(store, [TINY], [tmp_path / "none.onnx"])
    archive = wheel(tmp_path, {"a/one": DATA})
    raw = bytearray(archive.read_bytes())
    raw[50] ^= 0xFF
    archive.write_bytes(raw)
    with pytest.raises(ModelError, match=r"whl can't be read"):
        bring(store, [TINY], [archive])


def test_a_models_folder_that_cannot_be_made_is_named(tmp_path):
    from accel.models.store import ModelStore

    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="can't be written"):
        bring(ModelStore(tmp_path / "file" / "x"), [TINY], [])
