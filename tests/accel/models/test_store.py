import contextlib

import pytest

from accel.models.catalog import TEXTURE_KIND
from accel.models.manifest import Url
from accel.models.store import ModelError, ModelStore
from tests.accel.models.records import file, model

DATA = b"network"
FILE = file(DATA, Url("https://a.example", ("x",)))
TINY = model(FILE)


def test_a_file_that_is_put_is_found_and_read(store):
    assert store.state(TINY) == "not pulled"
    store.put(TINY, FILE, DATA)
    assert store.state(TINY) == "pulled"
    assert store.read(TINY, FILE) == DATA
    assert [path.name for path in (store.folder / "tiny" / "1").iterdir()] == ["model.onnx"]


def test_a_missing_model_says_which_command_gets_it(store):
    with pytest.raises(ModelError, match=r"tiny isn't installed: run `popbridge models pull tiny`"):
        store.read(TINY, FILE)


def test_a_file_that_was_changed_is_broken_and_not_read(store):
    store.put(TINY, FILE, DATA)
    store.path(TINY, FILE).write_bytes(b"netw0rk")
    assert store.state(TINY) == "broken"
    with pytest.raises(ModelError, match=r"damaged: run `popbridge models pull tiny` again"):
        store.read(TINY, FILE)


def test_a_wrong_file_never_gets_to_its_place(store):
    with pytest.raises(ModelError, match="isn't the declared file"):
        store.put(TINY, FILE, b"something else")
    assert list((store.folder / "tiny" / "1").iterdir()) == []


def test_a_model_of_which_a_file_is_missing_is_broken(store):
    other = file(b"words", name="words.json")
    store.put(TINY, FILE, DATA)
    assert store.state(model(FILE, other)) == "broken"


def test_a_model_that_is_removed_is_gone_with_all_its_versions(store):
    store.put(TINY, FILE, DATA)
    assert store.remove(TINY)
    assert store.state(TINY) == "not pulled"
    assert not store.remove(TINY)


def test_the_shipped_model_is_found_without_a_folder(tmp_path):
    store = ModelStore(tmp_path / "none")
    (shipped,) = TEXTURE_KIND.files
    assert store.state(TEXTURE_KIND) == "shipped"
    assert len(store.read(TEXTURE_KIND, shipped)) == shipped.size


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = ModelStore(tmp_path / "file" / "models")
    with pytest.raises(ModelError, match=r"models.* can't be written"), store.lock(TINY):
        pass
    with pytest.raises(ModelError, match="can't be written"):
        store.put(TINY, FILE, DATA)


def test_an_error_in_the_callback_is_not_reported_as_unwritable(store):
    def closed(model):
        raise BrokenPipeError(model.name)

    again = ModelStore(store.folder, closed)
    with store.lock(TINY), pytest.raises(BrokenPipeError, match="tiny"), again.lock(TINY):
        pass


def test_who_waits_for_a_lock_hears_of_it_and_gets_it(store):
    held, heard = contextlib.ExitStack(), []
    held.enter_context(store.lock(TINY))

    def release(model):
        heard.append(model.name)
        held.close()

    with ModelStore(store.folder, release).lock(TINY):
        assert heard == ["tiny"]


def test_a_file_that_cannot_be_read_is_named(store):
    store.path(TINY, FILE).mkdir(parents=True)
    with pytest.raises(ModelError, match=r"model.onnx can't be read"):
        store.read(TINY, FILE)
    assert store.state(TINY) == "broken"


def test_a_model_that_another_program_holds_open_is_named(store, monkeypatch):
    def held(folder):
        raise PermissionError(13, "The process cannot access the file", f"{folder}/model.onnx")

    store.put(TINY, FILE, DATA)
    monkeypatch.setattr("accel.models.store.shutil.rmtree", held)
    with pytest.raises(ModelError, match=r"model.onnx can't be removed .* a program may have it open"):
        store.remove(TINY)


def test_a_problem_of_a_file_is_described(store):
    assert store.problem(TINY, FILE) == "is missing"
    store.put(TINY, FILE, DATA)
    assert store.problem(TINY, FILE) == ""
    store.path(TINY, FILE).write_bytes(b"netw0rk")
    assert store.problem(TINY, FILE) == "is damaged"


def test_a_folder_that_cannot_be_looked_into_is_a_broken_model(store, monkeypatch):
    def forbidden(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(store.folder), "stat", forbidden)
    assert store.problem(TINY, FILE) == "can't be read (Permission denied)"
    assert store.state(TINY) == "broken"


def test_what_an_interrupted_pull_left_goes_with_the_model(store):
    part = store.resumable(FILE.source_parts[0])
    part.parent.mkdir(parents=True)
    part.write_bytes(b"net")
    assert store.remove(TINY)
    assert not part.exists() and not store.remove(TINY)


def test_where_nothing_is_to_be_removed_nothing_is_written(store):
    assert not store.remove(TINY)
    assert not store.folder.exists()
