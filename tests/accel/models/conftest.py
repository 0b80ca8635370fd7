import pytest

from accel.models.store import ModelStore
from tests.accel.models.server import Site, serve


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy stands before this machine, whatever its variables say."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def site():
    """A web server with nothing on it yet."""
    with serve(Site()) as running:
        yield running


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder
