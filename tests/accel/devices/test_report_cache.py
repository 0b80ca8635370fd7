import pytest

from accel.devices import current
from accel.devices.report import Devices, Report

FOUND = Devices((Report("cpu", True, "works"),), runtime="1.31.1")


@pytest.fixture
def tried(monkeypatch):
    """How often the machine was tried."""
    calls = []
    monkeypatch.setattr(current, "try_providers", lambda: calls.append(1) or FOUND)
    return calls


def test_a_machine_that_stays_as_it_is_is_tried_once(tmp_path, tried):
    file = tmp_path / "cache" / "devices.json"
    assert current.devices(file) == current.devices(file) == FOUND
    assert len(tried) == 1 and [one.name for one in file.parent.iterdir()] == ["devices.json"]


def test_another_environment_is_tried_anew(tmp_path, tried, monkeypatch):
    file = tmp_path / "devices.json"
    current.devices(file)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    current.devices(file)
    assert len(tried) == 2


def test_another_driver_is_another_state(tmp_path, monkeypatch):
    driver = tmp_path / "libcuda.so.1"
    driver.write_text("1")
    monkeypatch.setattr(current, "_DRIVERS", (str(driver),))
    before = current.machine_state()
    assert current.machine_state() == before
    driver.unlink()
    assert current.machine_state() != before


def test_a_damaged_or_impossible_file_is_no_error(tmp_path, tried):
    file = tmp_path / "devices.json"
    for content in (b"{", b'{"state": "\xff"}'):
        file.write_bytes(content)
        assert current.load(file).reports == ()
        assert current.devices(file) == FOUND
    (tmp_path / "folder").mkdir()
    assert current.devices(tmp_path / "folder") == FOUND
    assert current.devices(file / "below" / "a.json") == FOUND
    assert len(tried) == 4
