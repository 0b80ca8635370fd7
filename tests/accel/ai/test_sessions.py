import msgspec
import numpy as np
import pytest

from accel.ai import sessions
from accel.ai.sessions import Networks, networks
from accel.models.catalog import MODELS, TEXTURE_KIND, U2NETP
from accel.models.manifest import Graph, Pixels, Tensor, Url
from accel.models.onnx_builder import GraphBuilder
from accel.models.store import ModelStore
from accel.workload import Limits, WorkloadError
from tests.accel.models.records import file, model

IMAGE = Tensor("image", "float32", ("n", 3, "h", "w"))


def identity(name, pixels=Pixels(1 / 255), padding=0):  # noqa: B008
    """A model that gives back what it gets, of about `padding` bytes."""
    graph = GraphBuilder("identity")
    graph.constant(np.zeros(padding, np.uint8))
    graph.add("Identity", ["image"], "same")
    out = msgspec.structs.replace(IMAGE, name="same")
    data = graph.file([IMAGE], [out])
    record = file(data, Url("https://a.example", ("x",)), graph=Graph((IMAGE,), (out,), pixels))
    return model(record, name=name), data


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A models folder with three models of 1000 bytes and more."""
    store = ModelStore(tmp_path)
    for name in ("one", "two", "three"):
        made, data = identity(name, padding=1000)
        store.put(made, made.files[0], data)
        monkeypatch.setitem(MODELS, name, made)
    return tmp_path


def test_a_network_is_opened_once(folder):
    opened = Networks(folder)
    assert opened.get("one") is opened.get("one")


def test_the_least_recently_used_network_is_closed_above_the_budget(folder):
    opened = Networks(folder, budget=2 * MODELS["one"].size + 500)
    for name in ("one", "two", "one", "three"):
        opened.get(name)
    assert opened.names == ["one", "three"]


def test_a_network_larger_than_the_whole_room_is_opened_alone(folder):
    opened = Networks(folder, budget=10)
    opened.get("one")
    assert opened.get("two").run({"image": np.zeros((1, 3, 2, 2), np.float32)})[0].shape == (1, 3, 2, 2)
    assert opened.names == ["two"]


def test_a_missing_model_is_an_error_that_says_which_command_gets_it(tmp_path):
    with pytest.raises(WorkloadError, match="popbridge models pull u2netp") as caught:
        Networks(tmp_path).get("u2netp")
    assert caught.value.code == "not_found"


def test_a_damaged_model_is_never_opened(folder):
    store = ModelStore(folder)
    store.path(MODELS["one"], MODELS["one"].files[0]).write_bytes(b"x")
    with pytest.raises(WorkloadError, match="is damaged"):
        Networks(folder).get("one")


def test_a_file_that_onnxruntime_cannot_open_is_an_error(folder, monkeypatch):
    broken = model(file(b"no graph", Url("https://a.example", ("x",))), name="broken")
    ModelStore(folder).put(broken, broken.files[0], b"no graph")
    monkeypatch.setitem(MODELS, "broken", broken)
    with pytest.raises(WorkloadError, match="model broken can't be opened"):
        Networks(folder).get("broken")


def test_images_are_prepared_as_the_record_says(folder, monkeypatch):
    pixels = Pixels(1 / 127.5, (1, 0, 0), (1, 2, 1), order="BGR")
    made, data = identity("prepared", pixels)
    ModelStore(folder).put(made, made.files[0], data)
    monkeypatch.setitem(MODELS, "prepared", made)
    given = np.array([[[1.0, 0.5, 0.25]]], np.float32)
    found = Networks(folder).get("prepared").image(given)
    # Blue first: (0.25 * 2 - 1) / 1, then green (0.5 * 2) / 2, then red 1 * 2.
    assert found[:, 0, 0].tolist() == [-0.5, 0.5, 2.0]


def test_channels_may_come_last(folder):
    made, _ = identity("last", Pixels(1 / 255, layout="NHWC"))
    network = sessions.Network(made, made.files[0], None)
    assert network.preprocess(np.zeros((4, 5, 3), np.float32)).shape == (4, 5, 3)


def test_the_shipped_model_opens_without_a_folder():
    shipped = networks(Limits(models="none")).get(TEXTURE_KIND.name, "kinds.onnx")
    assert "judgement" in shipped.metadata


def test_the_networks_of_a_folder_are_shared_by_the_whole_process():
    assert networks(Limits(models="a")) is networks(Limits(models="a"))
    assert networks(Limits(models="a")) is not networks(Limits(models="b"))


def test_another_provider_can_be_asked_for(folder):
    other = Networks(folder).get("one", provider="CPUExecutionProvider")
    assert other.model.name == "one"
    assert U2NETP.files[0].graph is not None


def test_on_the_cpu_no_shape_has_buffers_of_its_own(folder):
    network = Networks(folder).get("one")
    feed = {"image": np.zeros((1, 3, 2, 2), np.float32)}
    assert not network.tunes_shapes and not network.may_tune(feed) and network.size == network.file.size


class Copies:
    """Ways that hold so many bytes."""

    bytes = 0

    def run(self, feed, wanted):
        return [feed["image"]]

    def may_tune(self, feed, wanted):
        return wanted == ["same"]


def test_copies_that_shapes_have_come_to_hold_close_what_was_used_least_recently(folder):
    opened = Networks(folder, budget=3 * MODELS["one"].size + 500)
    for name in ("one", "two", "three"):
        opened.get(name)
    network = opened.get("three")
    network._tuning = ways = Copies()
    assert network.tunes_shapes and network.may_tune({}) and not network.may_tune({}, ["other"])
    ways.bytes = MODELS["one"].size
    assert opened.get("three") is network and opened.names == ["two", "three"]
    ways.bytes = 10 * MODELS["one"].size
    assert opened.get("three") is network and opened.names == ["three"]
    given = np.ones((1, 3, 2, 2), np.float32)
    assert network.run({"image": given})[0] is given
