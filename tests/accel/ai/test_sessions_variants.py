"""What a GPU's worker composes, run for real on the CPU's provider; options for GPUs as values."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from accel.ai.sessions import (
    BINDING,
    GRAPH,
    Network,
    fixed_shape_variants,
    fixed_shape_wish,
    open_compiled,
    open_session,
    proofs,
    run_plainly,
    session_variants,
    session_wish,
)
from accel.ai.shape_tuning import REPEATS, ShapeTuning, TunedNetwork, find_fastest
from accel.devices import current
from accel.devices.autotune import TOLERANCES, ShapeError
from accel.devices.proof_cache import PLAINLY
from accel.devices.providers import Choice, choose
from accel.devices.report import Devices, Report
from accel.execution.worker import IdleTasks
from accel.models.catalog import MODELS, TEXTURE_KIND
from accel.models.store import ModelStore
from tests import pulled
from tests.accel.devices.fakes import H100
from tests.accel.devices.test_autotune_bound_buffers import textures

KINDS = TEXTURE_KIND.files[0]


@pytest.fixture
def contents(tmp_path):
    return ModelStore(tmp_path).read(TEXTURE_KIND, KINDS)


def found(*usable):
    names = ("tensorrt", "cuda", "directml", "coreml", "openvino", "cpu")
    return Devices(tuple(Report(name, name in usable, "tried") for name in names), (H100,), 13010, "1.31.1")


def ended(pieces):
    """What comes of all of them."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def test_the_cpu_has_no_variants(contents):
    session = open_session(contents, current.CPU)
    assert fixed_shape_variants(contents, TEXTURE_KIND, KINDS, session, current.CPU) is None


def test_every_way_of_the_shipped_model_gives_what_it_gives_plainly(contents):
    session = open_session(contents, current.CPU)
    plain, feed = run_plainly(session), textures(0)
    like = {"probabilities": plain(feed, ["probabilities"])[0]}
    ways = session_variants("cpu", contents, KINDS, session)
    assert [way.name for way in ways] == [BINDING, GRAPH]
    assert [way.bytes for way in ways] == [0, KINDS.size]
    for way in ways:
        run = way.open(feed, like)
        for seed in (1, 2):
            assert np.array_equal(run(textures(seed))[0], plain(textures(seed), ["probabilities"])[0])
        with pytest.raises(ShapeError):
            run(textures(0, rows=2))
    outcome = ended(find_fastest(ways, plain, feed, ["probabilities"], TOLERANCES["float32"]))
    # Which one is the find_fastest is this machine's affair; none of them fails or is wrong.
    assert "fails" not in outcome.against and "other results" not in outcome.against
    assert not outcome.passing


def test_from_the_eighth_run_to_a_proof_that_the_next_process_reads(contents, tmp_path, monkeypatch):
    monkeypatch.setenv(current.CACHE, str(tmp_path))
    session, spare = open_session(contents, current.CPU), IdleTasks()
    plain = run_plainly(session)
    subject = TunedNetwork("texture-kind kinds.onnx", KINDS.sha256, TOLERANCES["float32"])
    ways = ShapeTuning(
        subject, plain, session_variants("cpu", contents, KINDS, session), proofs(), spare.later
    )
    network = Network(TEXTURE_KIND, KINDS, session, ways)
    for seed in range(REPEATS):
        network.run(textures(seed))
    spare.spend(lambda: True)
    (known,) = proofs().all
    assert known.model == "texture-kind kinds.onnx" and known.sizes["features"] == (1, 454)
    assert known.way in (PLAINLY, BINDING, GRAPH) and not known.tries
    for reason in filter(None, str(known.why).split("; ")):
        assert "isn't faster" in reason
    assert list(ways.tuned.values()) == ([] if known.way == PLAINLY else [known.way])
    for seed in (3, 4):
        assert np.array_equal(network.run(textures(seed))[0], plain(textures(seed), ["probabilities"])[0])


@pytest.mark.parametrize("name", ["u2netp", "waifu2x-upconv7-2x"])
def test_networks_of_images_run_the_same_in_buffers_that_stay(name):
    model = pulled.require(name)
    (file,) = model.files
    data = pulled.STORE.read(model, file)
    session = open_session(data, current.CPU)
    image = file.graph.inputs[0].name
    sizes = (1, 3, 320, 320) if name == "u2netp" else (1, 3, 46, 46)
    feeds = [{image: np.random.default_rng(seed).random(sizes, np.float32)} for seed in range(2)]
    plain, wanted = run_plainly(session), [file.graph.outputs[0].name]
    for way in session_variants("cpu", data, file, session):
        run = way.open(feeds[0], dict(zip(wanted, plain(feeds[0], wanted), strict=True)))
        for feed in (*feeds, feeds[0]):
            assert np.array_equal(run(feed)[0], plain(feed, wanted)[0])


def test_a_graph_on_cuda_is_captured_by_a_session_of_its_own_shapes():
    wish = fixed_shape_wish(KINDS, textures(0, rows=4), graph=True)
    assert wish.digest == KINDS.sha256 and wish.graph
    assert wish.shapes == (("features", (4, 454)), ("picture", (4, 4, 128, 128)), ("patch", (4, 4, 96, 96)))
    (_, cuda), _ = choose(found("cuda", "cpu"), msgspec.structs.replace(wish, order=("cuda",))).providers
    assert cuda["enable_cuda_graph"] == "1" and cuda["cudnn_conv_algo_search"] == "HEURISTIC"
    (_, plain), _ = choose(
        found("cuda", "cpu"), msgspec.structs.replace(session_wish(KINDS), order=("cuda",))
    ).providers
    assert plain["enable_cuda_graph"] == "0"


def test_inputs_whose_sizes_the_file_has_already_need_no_profile():
    (file,) = MODELS["u2netp"].files
    feed = {"input.1": np.zeros((1, 3, 320, 320), np.float32)}
    assert fixed_shape_wish(file, feed, graph=True).shapes == ()


def test_no_model_lets_halves_be_used_unasked():
    files = [file for model in MODELS.values() for file in model.files if file.graph is not None]
    assert {session_wish(file).precision for file in files} == {"tf32"}
    exact = msgspec.structs.replace(KINDS, graph=msgspec.structs.replace(KINDS.graph, precision="float32"))
    assert session_wish(exact).precision == "float32"
    assert session_wish(msgspec.structs.replace(KINDS, graph=None)).precision == "tf32"


def test_with_tensorrt_its_engines_are_tried_too_but_only_those_that_are_built(
    contents, tmp_path, monkeypatch
):
    monkeypatch.setattr(current, "current_devices", lambda: found("tensorrt", "cuda", "cpu"))
    monkeypatch.setenv(current.CACHE, str(tmp_path))
    session, feed = open_session(contents, current.CPU), textures(0)
    ways = session_variants("cuda", contents, KINDS, session)
    assert [way.name for way in ways] == [BINDING, GRAPH, "TensorRT", "TensorRT, CUDA graph"]
    with pytest.raises(Exception, match="isn't compiled for this shape yet"):
        ways[2].open(feed, {})
    wish = fixed_shape_wish(KINDS, feed, graph=False)
    (_, options), *_ = current.for_provider("tensorrt", wish).providers
    Path(options["trt_engine_cache_path"], "kinds_sm90.engine").write_bytes(b"1")
    assert open_compiled(wish) and open_compiled(msgspec.structs.replace(wish, graph=True))
    assert not open_compiled(fixed_shape_wish(KINDS, textures(0, rows=2), graph=False))


def test_a_gpu_s_worker_has_ways_for_its_networks_and_keeps_what_it_proves(contents, tmp_path, monkeypatch):
    monkeypatch.setattr(current, "current_devices", lambda: found("cuda", "cpu"))
    monkeypatch.setenv(current.CACHE, str(tmp_path))
    session = open_session(contents, current.CPU)
    ways = fixed_shape_variants(contents, TEXTURE_KIND, KINDS, session, Choice("cuda", (), ()))
    # There is no GPU behind it: it runs plainly, by the session that it was given.
    (probabilities,) = ways.run(textures(0), ["probabilities"])
    assert np.array_equal(probabilities, run_plainly(session)(textures(0), ["probabilities"])[0])
    assert ways.may_tune(textures(0), ["probabilities"]) and not ways.tuned


def test_a_session_that_falls_back_to_the_cpu_is_an_error(contents):
    # There is no such GPU on any machine.
    missing = Choice("cuda", (("CUDAExecutionProvider", {"device_id": "999"}), current.CPU.providers[0]), ())
    with pytest.raises(Exception, match="CUDA"):
        open_session(contents, missing)


@pytest.mark.parametrize(
    ("name", "file", "sizes"),
    [
        ("texture-kind", "kinds.onnx", {}),
        ("u2netp", "model.onnx", {}),
        ("waifu2x-upconv7-2x", "model.onnx", {"height": 142, "width": 142}),
        ("minilm-l6", "model.onnx", {"batch": 8, "sequence": 16}),
        ("pp-ocrv6", "rec.onnx", {"width": 320}),
    ],
)
def test_with_a_gpu_every_way_gives_what_plain_runs_give_or_says_why_it_cannot(name, file, sizes):
    if not current.current_devices().report("cuda").usable:
        pytest.skip("no GPU that CUDA runs on")
    record = pulled.require(name).file(file)
    data, random = pulled.STORE.read(MODELS[name], record), np.random.default_rng(1)
    feed = {
        one.name: random.integers(0, 2, [sizes.get(size, 1) if isinstance(size, str) else size
                                         for size in one.shape]).astype(one.dtype)
        for one in record.graph.inputs
    }  # fmt: skip
    session = open_session(data, current.for_provider("cuda", session_wish(record)))
    plain, wanted = run_plainly(session), [record.graph.outputs[0].name]
    outcome = ended(
        find_fastest(session_variants("cuda", data, record, session), plain, feed, wanted, TOLERANCES["tf32"])
    )
    assert "other results" not in outcome.against
    if outcome.run is not None:
        assert outcome.ms < outcome.plain_ms
