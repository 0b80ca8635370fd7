"""`popbridge run` in Chinese: what is wrong with a call, why a file can't be done, and what came of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips

from accel.workload import Input, Limits, WorkloadError
from bridge.commands.run.report import as_lines
from bridge.host import host
from tests.accel.image.files import dds
from tests.advisors import pictures
from tests.commands.shell import one_line
from tests.messages import in_chinese, is_chinese

CALLS = [
    ("inspect", []),
    ("image.inspct", []),
    ("image.resize+", []),
    ("image.compress+image.convert", []),
    ("image.compare", []),
    ("image.convert", ["--param", "name=x", "--name", "y", "--out", "o"]),
    ("image.resize", ["--param", "x"]),
    ("image.resize", ["--param", "widht=3"]),
    ("image.resize", ["--param", "width=-3"]),
    ("image.resize", ["--param", "kernel=lanzos"]),
    ("image.fingerprint", ["--param", "x=1"]),
    ("image.pipeline", []),
    ("image.resize+image.convert", ["--param", "format=jpgg", "--param", "factor=1"]),
    ("image.resize+image.convert", ["--param", "foo=1"]),
    ("image.resize", []),
    (
        "image.resize+image.compress",
        ["--param", "factor=.5", "--param", "container=dds", "--param", "zstd=3"],
    ),
    ("image.resize+image.resize", ["--param", "width=1"]),
    ("image.resize+image.resize", ["--param", "resize.width=1"]),
    ("image.resize+image.convert", ["--param", "7.x=1"]),
    ("image.resize+image.convert", ["--param", "resize.format=png"]),
    ("image.resize+image.compress", ["--param", "quality=best", "--param", "resize.lossless=true"]),
]


@pytest.fixture(autouse=True)
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


@pytest.fixture
def rock(tmp_path: Path) -> Path:
    return pictures.save(tmp_path / "rock.png", pictures.normal_map(32))


@pytest.mark.parametrize(("workload", "more"), CALLS)
def test_a_wrong_call_is_explained_in_chinese(
    popbridge: Any, rock: Path, workload: str, more: list[str]
) -> None:
    code, out, err = popbridge("run", workload, str(rock), *more)
    assert (code, out) == (2, "") and re.search("[\u4e00-\u9fff]", err), err


def test_problems_with_files_are_explained_in_chinese(popbridge: Any, tmp_path: Path) -> None:
    files = [str(tmp_path), str(tmp_path / "no.png"), str(tmp_path / "*.gif"), "x"]
    code, _, err = popbridge("run", "image.inspect", *files)
    assert code == 2 and is_chinese(err) and all(file in err for file in files[:3]) and " 1 个" in err
    for wrong in (
        ["image.inspect"],
        ["image.resize", "+", "image.convert", "a.png"],
        ["image.convert", "a", "b", "--name", "x", "--out", str(tmp_path)],
    ):
        assert is_chinese(popbridge("run", *wrong)[2])


def test_what_came_of_files_is_told_in_chinese_and_programs_read_what_they_did(
    popbridge: Any, rock: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nshort")
    given = ("run", "image.thumbnail", str(rock), str(tmp_path / "broken.png"), "-j", "1", "--dry-run")
    code, out, err = popbridge(*given)
    broken, again, ends = err.splitlines()
    assert (code, out) == (1, f"{rock}: 32 x 32\n")
    assert broken == again and is_chinese(broken) and broken.startswith(f"{tmp_path / 'broken.png'}: ")
    assert re.fullmatch(r"popbridge: 完成 1，失败 1，用时 \d+\.\d 秒。", ends)
    lines = [json.loads(line) for line in popbridge(*given, "--json")[1].splitlines()]
    assert lines[0]["value"] == {"width": 32, "height": 32}
    assert lines[1]["error"]["message"].startswith("is a truncated or corrupt PNG (")


def test_a_file_that_is_in_the_way_is_told_in_chinese(popbridge: Any, rock: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "rock.png").touch()
    place = ("--out", str(tmp_path / "out"), "--workers", "1")
    err = popbridge("run", "image.convert", str(rock), *place)[2]
    assert is_chinese(err) and str(tmp_path / "out" / "rock.png") in err and "--force" in err
    code, _, err = popbridge("run", "image.convert", str(rock), "--out", str(rock / "below"))
    assert code == 2 and one_line(err) and is_chinese(err)


FAILURES = [
    ("image.compare", ["rgb", "small"], {}),
    ("image.normal_flip", ["grey"], {}),
    ("image.resize", ["rgb"], {}),
    ("image.resize", ["rgb"], {"factor": 2, "longest": 3}),
    ("image.resize", ["rgb"], {"factor": 64}),
    ("image.resize", ["sky"], {"factor": 40}),
    ("image.resize", ["sky"], {"width": 2, "height": 3}),
    ("image.convert", ["layers"], {}),
    ("image.pack_channels", ["grey"], {}),
    ("image.pack_channels", ["grey", "grey", "small"], {"size": "refuse"}),
    ("image.pack_channels", ["grey"], {"holds": ["metalic"]}),
    ("image.pack_channels", ["grey"], {"holds": ["xyz"]}),
    ("image.pack_channels", ["grey", "grey"], {"holds": ["roughness", "smoothness"]}),
    ("image.pack_channels", ["grey"], {"channels": {"r": {"input": 3}}}),
    ("image.pack_channels", ["grey"], {"channels": {"r": {}}}),
    ("image.pack_channels", ["grey"] * 4, {"layout": "mask_map", "format": "jpeg"}),
    ("image.unpack_channels", ["grey"], {"layout": "orm"}),
    ("image.unpack_channels", ["rgb"], {"layout": "mask_map"}),
    ("image.mipmaps", ["rgb"], {"coverage": 0.5}),
    ("image.mipmaps", ["grey", "rgb"], {"kind": "color"}),
    ("image.mipmaps", ["grey", "rgb"], {"roughness": "b"}),
    ("image.make_tileable", ["small"], {}),
    ("image.normal_from_height", ["rgb"], {"channel": "a"}),
    ("image.atlas", ["rgb", "rgb"], {"max_size": 16}),
    ("image.compress", ["rgba"], {"format": "bc1"}),
    ("image.compress", ["grey"], {"format": "bc5"}),
    ("image.compress", ["rgb"], {"container": "dds", "zstd": 3}),
    ("image.compress", ["rgb"], {"container": "dds", "format": "astc_4x4"}),
    ("image.compress", ["rgb"], {"container": "dds", "candidates": ["etc2"]}),
    ("image.compress", ["light"], {"candidates": ["etc2"]}),
    ("image.compress", ["shining"], {}),
    ("image.convert", ["text"], {}),
    ("image.convert", ["empty"], {}),
    ("image.convert", ["gone"], {}),
    ("image.convert", ["svg"], {}),
    ("image.pipeline", ["rgb"], {"steps": [{"workload": "image.inspect"}]}),
    ("image.pipeline", ["rgb"], {"steps": [{"workload": "image.resize"}]}),
    ("text.embed", [], {}),
    ("text.embed", ["rgb"], {}),
]  # fmt: skip


@pytest.fixture
def made(tmp_path: Path) -> dict[str, str]:
    noise = np.random.default_rng(1).random((32, 32, 4))
    for name, channels in (("grey", 1), ("rgb", 3), ("rgba", 4)):
        pictures.save(tmp_path / f"{name}.png", noise[:, :, :channels])
    pictures.save(tmp_path / "small.png", noise[:2, :2, :3])
    for name, channels in (("light", 3), ("shining", 4)):
        tiff = pyvips.Image.new_from_array(noise[:, :, :channels].astype(np.float32), interpretation="scrgb")
        (tmp_path / f"{name}.png").write_bytes(tiff.write_to_buffer(".tif"))
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "svg.png").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (tmp_path / "empty.png").touch()
    (tmp_path / "sky.png").write_bytes(dds(16, 16, bytes(6 * 1024), dxgi=28, misc=4))
    (tmp_path / "layers.png").write_bytes(dds(512, 512, bytes(1 << 20), dxgi=28, count=9))
    names = (
        "light",
        "shining",
        "grey",
        "rgb",
        "rgba",
        "small",
        "text",
        "svg",
        "empty",
        "gone",
        "sky",
        "layers",
    )
    return {name: str(tmp_path / f"{name}.png") for name in names}


@pytest.mark.parametrize(("name", "files", "params"), FAILURES)
def test_why_a_workload_fails_is_told_in_chinese(
    made: dict[str, str], name: str, files: list[str], params: dict[str, Any]
) -> None:
    workload = host.load().workloads[name]
    inputs = [Input(each, made[each]) for each in files]
    with pytest.raises(WorkloadError) as failed:
        workload.load()(inputs, workload.parse(params), Limits(1 << 20))
    told = in_chinese(failed.value)
    assert re.search(r"[\u4e00-\u9fff]", told), told


def test_values_are_told_in_chinese() -> None:
    value = {"flat": True, "sharp": False, "none": [], "list": list(range(14)), "bytes": b"abc", "width": 1}
    (line,) = as_lines("x", value, 200)
    assert line == ("x: flat 是, sharp 否, list 0 1 2 3 4 5 6 7 8 9 10 11，另有 2 项, bytes 3 字节, width 1")
    assert list(as_lines("x", {}, 80)) == ["x: 无"]
