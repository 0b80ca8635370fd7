"""What a format can't hold is told: values below 0, and those beyond its largest."""

import numpy as np
import pytest

from accel.gpu_ops.implementations import FORMS
from accel.image.operations.channels import pack_channels
from accel.image.operations.geometry import convert, make_tileable, resize
from accel.image.operations.pipeline import pipeline
from accel.image.operations.textures import atlas, compress
from accel.workload import Input, Limits
from tests.accel.image.files import dds, exr


def values(least=0.0, largest=1.0):
    """A picture of floats that lie between these."""
    ramp = np.linspace(least, largest, 64, dtype=np.float32).reshape(8, 8, 1)
    return np.ascontiguousarray(np.concatenate([ramp, ramp[::-1], ramp[:, ::-1]], 2))


def facts(folder, pixels, operation=convert, **params):
    path = folder / "a.exr"
    path.write_bytes(exr(pixels, ("R", "G", "B"), "float"))
    return operation([Input("a.exr", str(path))], operation.workload.parse(params), Limits()).value


@pytest.mark.parametrize(
    ("params", "range", "below", "above"),
    [
        ({"format": "hdr"}, (-2, 3), -2, None), ({"format": "hdr"}, (0, 1e6), None, None),
        ({"format": "png"}, (-2, 3), -2, 3), ({"format": "png"}, (0, 1), None, None),
        ({"format": "jpeg"}, (0.1, 1.5), None, 1.5), ({"format": "dds", "bits": "8"}, (0, 4), None, 4),
        ({"format": "exr"}, (-2, 1e6), None, None), ({"format": "exr", "bits": "16"}, (0, 1e6), None, 1e6),
        ({"format": "exr", "bits": "16"}, (-1e6, 0), -1e6, None),
        ({"format": "ktx2", "bits": "16"}, (-2, 3), -2, 3),
        ({"format": "tiff"}, (-2, 1e6), None, None),
        # Too little to be seen.
        ({"format": "hdr"}, (-0.001, 3), None, None), ({"format": "png"}, (-0.001, 1.001), None, None),
    ],
)  # fmt: skip
def test_converting_reports_clipped_values(tmp_path, params, range, below, above):
    found = facts(tmp_path, values(*range), **params)
    assert (found.below, found.above) == (below, above)


@pytest.mark.parametrize(
    ("params", "range", "below", "above"),
    [
        ({"format": "bc6h"}, (-2, 3), -2, None), ({}, (-2, 3), -2, None), ({}, (0, 1e5), None, 1e5),
        ({"format": "bc7"}, (0, 3), None, 3), ({"format": "bc6h"}, (0, 3), None, None),
    ],
)  # fmt: skip
def test_compressing_reports_clipped_values(tmp_path, params, range, below, above):
    found = facts(tmp_path, values(*range), compress, **params)
    assert (found.below, found.above) == (below, above)


@pytest.mark.parametrize("operation", [convert, compress])
@pytest.mark.parametrize(("beyond", "below", "above"), [((), None, None), ((-5, 5), -5, 5), ((5,), None, 5)])
def test_vectors_beyond_1_are_clipped_in_integers(tmp_path, operation, beyond, below, above):
    y, x = (np.mgrid[:32, :32] - 15.5) / 32
    vectors = np.stack([x, y, np.sqrt(1 - x * x - y * y)], -1).astype(np.float32)
    vectors[0, : len(beyond), 0] = beyond
    found = facts(tmp_path, vectors, operation, format="png" if operation is convert else "bc5")
    assert (found.kind, found.below, found.above) == ("normal", below, above)


SEEN = [
    # EXR holds colours times alpha, PNG the colours themselves; HDR has them on white.
    ((1e5, 1e-5), {"format": "exr", "bits": "16"}, None, None),
    ((1e6, 0.5), {"format": "exr", "bits": "16"}, None, 5e5),
    ((1e5, 1e-5), {"format": "png"}, None, 1e5), ((-2, 0.5), {"format": "hdr"}, -0.5, None),
    # Of colours that nobody sees nothing is missing, but of data.
    ((-2, 0), {"format": "hdr"}, None, None), ((-2, 0), {"format": "png"}, None, None),
    ((9, 0), {"format": "dds", "bits": "8"}, None, None),
    ((9, 0), {"format": "png", "transfer": "linear"}, None, 9),
]  # fmt: skip


@pytest.mark.parametrize(("texel", "params", "below", "above"), SEEN)
def test_clipping_is_reported_for_visible_colours_only(tmp_path, texel, params, below, above):
    found = with_texel(tmp_path, texel, convert, **params)
    assert found.below == (below if below is None else pytest.approx(below))
    assert found.above == (above if above is None else pytest.approx(above))


@pytest.mark.parametrize(("alpha", "below", "above"), [("drop", -2, 3), ("keep", None, None)])
def test_colours_that_are_shown_when_alpha_is_dropped_count(tmp_path, alpha, below, above):
    for value, wanted in ((-2, {"below": below}), (3, {"above": above})):
        found = with_texel(tmp_path, (value, 0), compress, format="bc7", alpha=alpha)
        assert {name: getattr(found, name) for name in wanted} == wanted


def with_texel(folder, texel, operation, **params):
    """The facts of a picture that has one texel of such red and alpha."""
    floats = np.full((8, 8, 4), (0.5, 0.25, 0.75, 1), np.float32)
    floats[2, 3] = (texel[0], 0.25, 0.75, texel[1])
    path = folder / "a.dds"
    path.write_bytes(dds(8, 8, floats.tobytes(), dxgi=2))
    return operation([Input("a.dds", str(path))], operation.workload.parse(params), Limits()).value


def test_all_layers_count(tmp_path):
    floats = np.zeros((2, 4, 4, 4), "<f4")
    floats[1, 0, 0, 0] = -3
    path = tmp_path / "a.dds"
    path.write_bytes(dds(4, 4, floats.tobytes(), dxgi=2, count=2))
    params = compress.workload.parse({"format": "bc6h", "alpha": "drop"})
    assert compress([Input("a.dds", str(path))], params, Limits()).value.below == -3


@pytest.mark.parametrize("form", [pack_channels, FORMS["image.pack_channels"]])
def test_packing_reports_clipped_values_of_used_channels(tmp_path, form):
    for name, names in (("a.exr", ("Y",)), ("b.exr", ("R", "G", "B"))):
        pixels = values(-1, 2) if len(names) == 3 else np.full((8, 8, 1), 0.5, np.float32)
        if len(names) == 3:
            pixels[..., 1] = 0.5
        (tmp_path / name).write_bytes(exr(pixels, names, "float"))
    inputs = [Input(name, str(tmp_path / name)) for name in ("a.exr", "b.exr")]
    for channel, below, above in (("g", None, None), ("b", -1, 2)):
        channels = {"r": {"input": 0}, "g": {"input": 1, "channel": channel}, "b": {"value": 0}}
        params = {"layout": "rgba", "holds": ["-", "-"], "channels": channels, "format": "png"}
        found = form(inputs, form.workload.parse(params), Limits()).value
        assert (found.below, found.above) == (below, above)


def edge(least, largest):
    """Floats of two values, one beside the other."""
    pixels = np.full((32, 32, 3), least, np.float32)
    pixels[:, 16:] = largest
    return pixels


def steps(*names, **last):
    """A pipeline of these, each made half as large by a filter that rings."""
    made = [{"workload": f"image.{name}"} for name in names]
    for each in made:
        each["params"] = {"factor": 0.5} if each["workload"] == "image.resize" else {}
    made[-1]["params"] |= last
    return {"steps": made}


RINGING = [
    (resize, {"factor": 2, "format": "png"}), (resize, {"factor": 2, "format": "hdr"}),
    (pipeline, steps("resize", "convert", format="png", bits="8")),
    (pipeline, steps("resize", "mipmaps", "compress", format="bc7")),
    (pipeline, steps("resize", "resize", format="png", kernel="area")),
    (pipeline, steps("resize", "pack_channels", format="png", channels={"r": {"input": 0, "channel": "g"}})),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "params"), RINGING)
def test_ringing_of_a_filter_is_not_reported_as_clipped(tmp_path, operation, params):
    found = facts(tmp_path, edge(0, 1), operation, **params)
    assert (found.below, found.above) == (None, None)


@pytest.mark.parametrize(("operation", "params"), RINGING)
def test_values_clipped_before_a_filter_are_reported_as_they_were(tmp_path, operation, params):
    found = facts(tmp_path, edge(-2, 3), operation, **params)
    assert (found.below, found.above) == (-2, None if params.get("format") == "hdr" else 3)


def test_ringing_is_not_reported_for_channels_and_sprites_either(tmp_path):
    channels = facts(tmp_path, edge(0, 1), pipeline, **steps("resize", "unpack_channels", format="png"))
    (page,) = facts(tmp_path, edge(0, 1), pipeline, **steps("resize", "atlas", format="png")).pages
    flipped = facts(tmp_path, edge(0, 1), pipeline, **steps("resize", "normal_flip", format="png"))
    assert {(one.below, one.above) for one in (*channels, page, flipped)} == {(None, None)}


def test_ringing_of_all_faces_and_layers_is_missed_by_nobody(tmp_path):
    floats = np.stack([np.insert(edge(0, each), 3, 1, 2) for each in (1, 1)]).astype("<f4")
    path = tmp_path / "a.dds"
    path.write_bytes(dds(32, 32, floats.tobytes(), dxgi=2, count=2))
    params = resize.workload.parse({"factor": 2, "format": "ktx2", "bits": "8"})
    found = resize([Input("a.dds", str(path))], params, Limits()).value
    assert (found.images, found.below, found.above) == (2, None, None)


@pytest.mark.parametrize("operation", [make_tileable, atlas])
@pytest.mark.parametrize(
    ("format", "range", "below", "above"),
    [
        ("png", (-2, 3), -2, 3), ("hdr", (-2, 3), -2, None), ("exr", (-2, 3), None, None),
        ("png", (0, 1), None, None),
    ],
)  # fmt: skip
def test_so_do_textures_that_tile_and_the_pages_of_an_atlas(tmp_path, operation, format, range, below, above):
    found = facts(tmp_path, edge(*range), operation, format=format)
    one = found.pages[0] if operation is atlas else found
    assert (one.below, one.above) == (below, above)
