import os

import pytest

from accel.devices.providers import MAX_FOLDERS, compiled_folder, library_version, make_folder
from tests.accel.devices.fakes import H100

FACTS = {"digest": "ab" * 32, "provider": "tensorrt", "gpu": H100, "runtime": "1.31.1", "driver": 13010}


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "cd" * 32},
        {"gpu": None},
        {"runtime": "1.32.0"},
        {"driver": 13020},
        {"provider": "openvino"},
        {"library": "tensorrt-cu13 10.14"},
        {"shapes": (("x", (1, 3, 64, 64)),)},
        {"precision": "float16"},
    ],
)
def test_another_model_shape_precision_gpu_or_version_has_another_folder(tmp_path, change):
    assert compiled_folder(tmp_path, **FACTS) != compiled_folder(tmp_path, **{**FACTS, **change})


def test_a_folder_leaves_room_for_long_names_of_engines_on_windows(tmp_path):
    long = type(H100)("NVIDIA GeForce RTX 4090 Laptop GPU", 1, "8.9")
    folder = compiled_folder(tmp_path, **{**FACTS, "gpu": long})
    assert len(str(folder.relative_to(tmp_path))) <= 90


def test_what_nobody_has_used_for_longest_is_removed(tmp_path):
    folders = [compiled_folder(tmp_path, **{**FACTS, "driver": at}) for at in range(MAX_FOLDERS + 2)]
    for at, folder in enumerate(folders):
        make_folder(folder)
        (folder / "x.engine").write_bytes(b"1")
        os.utime(folder, (at, at))
    make_folder(folders[2])
    assert sorted(folders[2].parent.iterdir()) == sorted(folders[2:])
    assert (folders[2] / "x.engine").exists()


def test_the_compiler_s_version_is_that_of_the_installed_distributions():
    assert library_version("") == "" and library_version("there-is-none") == ""
    assert library_version("numpy").startswith("numpy ")
