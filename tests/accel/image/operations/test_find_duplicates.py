import msgspec
import numpy as np
import pytest

from accel.image.encode import save as as_file
from accel.image.operations.analysis import FindDuplicates, find_duplicates
from accel.image.operations.geometry import Premultiply, premultiply
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.operation_helpers import made, raster
from tests.accel.image.test_hashes import scene


def find(*sources, **params):
    find_duplicates.workload.check_inputs(len(sources))
    return find_duplicates(sources, FindDuplicates(**params), Limits()).value


def groups(found):
    return {(group.how, tuple(group.names)) for group in found.groups}


def test_copies_other_formats_and_look_alikes_are_found_and_nothing_else(save):
    one, other = scene(1), scene(2)
    sources = [
        save("other.png", other), save("copy.png", one), save("a.png", one), save("c.tif", one),
        save("lossy.jpg", other, Q=60),
    ]  # fmt: skip
    found = find(*sources)
    assert groups(found) == {
        ("pixels", ("a.png", "c.tif", "copy.png")),
        ("looks", ("lossy.jpg", "other.png")),
    }
    assert found.failed == []
    same = next(group for group in found.groups if group.how == "pixels")
    assert list(same.inputs) == [2, 3, 1]
    sizes = [sources[index].size() for index in same.inputs]
    assert same.wasted == sum(sizes) - max(sizes)


@pytest.mark.parametrize("transfer", ["srgb", "linear"])
def test_a_premultiplied_texture_looks_like_its_picture(save, tmp_path, transfer):
    y, x = np.mgrid[:256, :256]
    alpha = 40 + (np.sin(x / 19) * np.cos(y / 23) * 40 + x / 2).clip(0, 215)
    pixels = np.dstack([scene(3), alpha]).astype(np.uint8)
    (file,), _ = as_file("a", made(premultiply, raster(pixels, transfer)), Premultiply(format="dds"))
    (tmp_path / "a.dds").write_bytes(file.data)
    dds = Input("a.dds", str(tmp_path / "a.dds"))
    found = find(save("a.png", pixels), dds)
    assert groups(found) == {("looks", ("a.dds", "a.png"))}


def test_the_same_bytes_are_the_same_file_even_under_the_same_name(save):
    source = save("a.png", scene(1))
    found = find(source, Input("a.png", source.path))
    (group,) = found.groups
    assert (group.how, list(group.names), list(group.inputs)) == ("file", ["a.png", "a.png"], [0, 1])
    assert group.wasted == source.size()


def test_look_alikes_are_left_out_if_so_wished(save):
    sources = save("a.png", scene(1)), save("b.jpg", scene(1), Q=60)
    assert len(find(*sources).groups) == 1
    assert find(*sources, looks=False).groups == []


def test_a_broken_and_a_missing_image_are_reported_beside_the_groups(save, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image at all")
    sources = [
        Input("broken.png", str(broken)), save("a.png", scene(1)),
        Input("gone.png", str(tmp_path / "gone.png")), save("b.png", scene(1)),
        Input("folder", str(tmp_path)),
    ]  # fmt: skip
    found = find(*sources)
    assert groups(found) == {("file", ("a.png", "b.png"))}
    assert [(one.input, one.name, one.code) for one in found.failed] == [
        (0, "broken.png", "bad_input"), (2, "gone.png", "not_found"), (4, "folder", "bad_input"),
    ]  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(found))["failed"][1]["reason"] == {"id": "isn't there"}


def test_flat_images_are_no_look_alikes(save):
    flats = [save(f"{value}.png", np.full((32, 32, 3), value, np.uint8)) for value in (90, 91)]
    assert find(*flats).groups == []


def test_one_image_alone_is_refused(save):
    with pytest.raises(WorkloadError, match="takes 2 to 4096 inputs, got 1"):
        find(save("a.png", scene(1)))
