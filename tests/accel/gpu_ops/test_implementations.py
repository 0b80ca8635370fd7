import pytest

from accel.gpu_ops.implementations import FORMS
from accel.image.operations.pipeline import OPERATIONS
from accel.workload import WorkloadError
from tests.accel.gpu_ops.comparison import check_agree
from tests.accel.image.operation_helpers import done, noise, raster

CASES = [
    ("image.normal_from_height", {"strength": 20, "invert": True, "convention": "directx"}, 1),
    ("image.normal_from_height", {"channel": "a", "bits": "16", "edge": "wrap"}, 1),
    ("image.resize", {"width": 17}, 1),
    ("image.resize", {"factor": 2, "kernel": "area"}, 1),
    ("image.resize", {"factor": 2, "kernel": "nearest"}, 1),
    ("image.resize", {"factor": 1}, 1),
    ("image.mipmaps", {}, 1),
    ("image.mipmaps", {"levels": 1}, 1),
    ("image.mipmaps", {"filter": "kaiser", "kind": "data", "levels": 3}, 1),
    ("image.mipmaps", {"coverage": 0.5}, 1),
    ("image.pack_channels", {"layout": "orm"}, 3),
    ("image.pack_channels", {"layout": "mask_map", "holds": ["metallic", "roughness"]}, 2),
    ("image.pack_channels", {"layout": "rgba", "channels": {"g": {"input": 0, "channel": "luminance"}}}, 1),
]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("name", "params", "count"), CASES)
def test_a_form_for_gpus_gives_what_the_cpu_s_gives(name, params, count, kind):
    pixels = [noise(29, 34, 4, kind, seed=seed) for seed in range(count)]
    for one in pixels:
        one[..., 3] = one[..., 3] // 2 + one.dtype.type(1 if kind == "float32" else 99)
        one[..., 3] = one[..., 3].clip(0, 1) if kind == "float32" else one[..., 3]
    images = [raster(one, name=f"{at}.png") for at, one in enumerate(pixels)]
    (found,) = done(FORMS[name], images, **params).images.items()
    (wanted,) = done(OPERATIONS[name], images, **params).images.items()
    assert found[0] == wanted[0]
    for level, other in zip(
        (found[1].pixels, *found[1].mips), (wanted[1].pixels, *wanted[1].mips), strict=True
    ):
        check_agree(level, other)
    assert found[1].with_pixels(pixels[0]) == wanted[1].with_pixels(pixels[0])


def test_maps_of_different_sizes_are_packed_too():
    images = [raster(noise(8 * size, 8 * size, 1), name=f"{size}.png") for size in (1, 2, 1)]
    (found,) = done(FORMS["image.pack_channels"], images).images.values()
    (wanted,) = done(OPERATIONS["image.pack_channels"], images).images.values()
    check_agree(found.pixels, wanted.pixels, codes=0)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("image.normal_from_height", {"channel": "a"}),
        ("image.resize", {}),
        ("image.mipmaps", {"kind": "normal"}),
        ("image.pack_channels", {}),
    ],
)
def test_gpu_and_cpu_raise_the_same_errors(name, params):
    said = []
    for operation in (FORMS[name], OPERATIONS[name]):
        with pytest.raises(WorkloadError) as caught:
            done(operation, raster(noise(8, 8, 1)), **params)
        said.append((caught.value.code, caught.value.reason))
    assert said[0] == said[1]


def test_a_form_has_the_parameters_inputs_and_version_of_its_workload():
    for name, form in FORMS.items():
        other = OPERATIONS[name].workload
        assert (form.workload.params, form.workload.inputs) == (other.params, other.inputs)
        assert (form.workload.name, form.workload.version) == (other.name, other.version)
        assert form.levels == OPERATIONS[name].levels
