"""`popbridge run`, as a person at a shell meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge import host
from tests.advisors import pictures
from tests.commands.shell import one_line


class TestRun:
    @pytest.fixture
    def files(self, tmp_path: Path) -> list[str]:
        good = [pictures.save(tmp_path / f"{n}" / "rock.png", pictures.normal_map(32)) for n in range(2)]
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nshort")
        return [str(good[0]), str(tmp_path / "broken.png"), str(good[1]), str(tmp_path / "gone.png")]

    def test_each_file_gets_a_line_of_json_and_a_failure_costs_its_file_alone(
        self, popbridge: Any, files: list[str]
    ) -> None:
        code, out, _ = popbridge("run", "image.inspect", *files, "--json", "--workers", "2")
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 1
        assert [line["file"] for line in lines] == files
        assert lines[0]["value"]["width"] == 32
        assert lines[0]["meta"]["device"] == "CPU"
        assert lines[1]["error"]["code"] == "bad_input"
        assert lines[2]["value"] == lines[0]["value"]
        assert lines[3]["error"]["code"] == "not_found"

    @pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
    def test_a_name_that_is_no_unicode_is_a_name(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        stray = str(tmp_path / "b\udcff.png")
        Path(stray).write_bytes(Path(files[0]).read_bytes())
        code, out, _ = popbridge(
            "run", "image.inspect", files[0], stray, files[2], "--json", "--workers", "1"
        )
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 0 and [line["file"] for line in lines] == [files[0], stray, files[2]]
        assert [line["value"]["width"] for line in lines] == [32, 32, 32]
        Path(stray).write_bytes(b"no picture")
        code, _, err = popbridge("run", "image.inspect", stray, "--workers", "1")
        assert code == 1 and err.endswith(r"b\udcff.png: isn't an image of a format known here" + "\n")

    def test_a_folder_is_called_one_and_nothing_else_is_on_stderr(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        code, _, err = popbridge("run", "image.inspect", files[0], str(tmp_path), "--workers", "1")
        assert (code, err) == (1, f"{tmp_path}: is a folder; name the files in it\n")

    def test_a_crash_is_told_as_one(self, popbridge: Any, files: list[str], monkeypatch: Any) -> None:
        from tests.accel.workloads import crash

        registry = host.Registry(workloads={"test.crash": crash.workload})
        monkeypatch.setattr(host, "load", lambda: registry)
        arguments = ["--param", "text=exit", "--workers", "1"]
        _, _, err = popbridge("run", "test.crash", files[0], *arguments)
        assert err == f"{files[0]}: test.crash crashed its worker process (exit code 3)\n"

    def test_people_read_values_on_stdout_and_failures_on_stderr(
        self, popbridge: Any, files: list[str]
    ) -> None:
        code, out, err = popbridge("run", "image.inspect", *files[:2], "--workers", "1")
        assert code == 1
        assert out.startswith(f"{files[0]}: {{")
        assert f"{files[1]}: " in err

    def test_textures_for_gpus_are_named_by_their_container(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        arguments = ["--out", str(tmp_path / "out"), "--workers", "1"]
        for wanted in ("format=bc1", "format=etc2_rgb"):
            options = [*arguments, "--param", wanted, "--param", "alpha=drop"]
            assert popbridge("run", "image.compress", files[0], *options)[0] == 0
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["rock.compressed.dds", "rock.compressed.ktx2"]

    def test_output_files_of_equal_names_dont_overwrite_each_other(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        arguments = ["--param", "size=16", "--out", str(tmp_path / "out"), "--workers", "1"]
        code, _, _ = popbridge("run", "image.thumbnail", files[0], files[2], *arguments)
        assert code == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "rock.thumbnail-2.png",
            "rock.thumbnail.png",
        ]

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["image.nothing"], "no workload 'image.nothing'; there are"),
            (["image.thumbnail", "--param", "size=big"], "size"),
            (["image.thumbnail", "--param", "size=0"], "size"),
            (["image.thumbnail", "--param", "colour=1"], "colour"),
            (["image.thumbnail", "--param", "size"], "isn't NAME=VALUE"),
            (["image.thumbnail", "--out", "{file}/out"], "can't be made"),
        ],
    )
    def test_a_mistake_is_told_before_any_file_is_opened(
        self, popbridge: Any, files: list[str], arguments: list[str], says: str
    ) -> None:
        arguments = [argument.format(file=files[0]) for argument in arguments]
        code, _, err = popbridge("run", *arguments, files[0])
        assert code == 2
        assert one_line(err) and says in err
