"""`popbridge run` with stdin and stdout, parameters by pattern, and the classifier's answer."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from bridge.demo import textures as demo
from tests.commands.shell import one_line, tree


@pytest.fixture
def surfaces(tmp_path: Path) -> Path:
    """A colour texture, a normal map and packed data, as the demo draws them."""
    folder = tmp_path / "surfaces"
    for texture in demo.textures():
        demo.save(texture.draw(), folder / texture.file)
    return folder


def results(out: str) -> dict[str, Any]:
    return {Path(line["file"]).name: line for line in map(json.loads, out.splitlines())}


class TestStreams:
    def run(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch, data: bytes, *arguments: str
    ) -> tuple[int, bytes, str]:
        target = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(target, write_through=True))
        code, _, err = popbridge("run", *arguments)
        return code, target.getvalue(), err

    def test_a_picture_comes_from_stdin_and_goes_to_stdout(
        self, popbridge: Any, textures: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = (textures / "wall.png").read_bytes()
        code, made, err = self.run(
            popbridge, monkeypatch, data, "image.convert", "-", "-o", "-", "--param", "format=webp"
        )
        assert code == 0 and err == ""
        assert Image.open(io.BytesIO(made)).format == "WEBP"

    def test_stdout_takes_one_file(
        self, popbridge: Any, textures: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for arguments in (
            ("image.convert", str(textures), "-r"),
            ("image.unpack_channels", str(textures / "wall.png")),
        ):
            code, made, err = self.run(popbridge, monkeypatch, b"", *arguments, "-o", "-")
            assert code == 2 and made == b"" and one_line(err)

    def test_a_failure_prints_no_file(self, popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        code, made, err = self.run(popbridge, monkeypatch, b"no picture", "image.convert", "-", "-o", "-")
        assert code == 1 and made == b"" and err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--out", "-", "--json"),
        ("--out", "-", "--resume"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    popbridge: Any, textures: Path, arguments: tuple[str, ...]
) -> None:
    code, _, err = popbridge("run", "image.convert", str(textures / "wall.png"), *arguments)
    assert code == 2 and one_line(err)


def test_files_that_would_go_nowhere_are_refused_before_the_work(popbridge: Any, textures: Path) -> None:
    for workload in ("image.thumbnail", "image.premultiply+image.compress"):
        code, out, err = popbridge("run", workload, str(textures / "wall.png"))
        assert code == 2 and one_line(err) and "--out" in err and "--dry-run" in err
    assert popbridge("run", "image.histogram", str(textures / "wall.png"))[0] == 0
    code, out, _ = popbridge("run", "image.thumbnail", str(textures / "wall.png"), "--dry-run")
    assert code == 0 and "wall.png" in out


def test_quiet_prints_failures_alone(popbridge: Any, textures: Path, tmp_path: Path) -> None:
    arguments = ("run", "image.convert", "-q", str(textures / "wall.png"), str(textures / "notes.txt"))
    code, out, err = popbridge(*arguments, "-o", str(tmp_path / "out"))
    assert code == 1 and out == ""
    assert "notes.txt" in err and "wall.png" not in err


def test_failures_are_listed_once_more_at_the_end(popbridge: Any, textures: Path, tmp_path: Path) -> None:
    files = (str(textures / "notes.txt"), str(textures / "wall.png"))
    code, _, err = popbridge("run", "image.convert", *files, "-o", str(tmp_path / "out"))
    assert code == 1 and err.count("notes.txt") == 2


class TestParametersByPattern:
    def test_a_pattern_sets_parameters_and_the_last_one_wins(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        code, _, _ = popbridge(
            "run", "image.convert", str(textures), "-r", "-o", str(tmp_path / "out"),
            "--param", "format=webp",
            "--param-for", "ROCK.*", "format=tga", "--param-for", "*/wood/*", "format=png",
        )  # fmt: skip
        assert code == 0
        assert tree(tmp_path / "out") == [
            "stone/rock.jpg.tga",
            "stone/rock.png.tga",
            "wall.webp",
            "wood/rock.png",
        ]

    def test_one_that_matches_nothing_or_sets_nothing_is_told(self, popbridge: Any, textures: Path) -> None:
        for pattern, pair in (
            ("*_n.png", "format=png"),
            ("*", "format=nonsense"),
            ("*", "nonsense=1"),
            ("*", "x"),
        ):
            code, _, err = popbridge(
                "run", "image.convert", str(textures), "-r", "--dry-run", "--param-for", pattern, pair
            )
            assert code == 2 and one_line(err)


class TestTextureKinds:
    def test_what_a_texture_is_for_decides_how_its_channels_are_read(
        self, popbridge: Any, surfaces: Path
    ) -> None:
        files = sorted(map(str, surfaces.rglob("*.png")))
        code, out, _ = popbridge(
            "run", "image.mipmaps", *files, "--dry-run", "--json", "--param", "format=ktx2"
        )
        assert code == 0
        found = results(out)
        for name, line in found.items():
            texture = line["meta"]["texture"]
            if texture["sure"]:
                assert texture["channels"], name
        sure = {
            line["meta"]["texture"]["kind"]: line
            for line in found.values()
            if line["meta"]["texture"]["sure"]
        }
        assert sure["normal"]["meta"]["texture"]["channels"] == "normal"
        assert sure["packed"]["meta"]["texture"]["channels"] == "data"
        assert sure["albedo"]["meta"]["texture"]["channels"] == "color"

    def test_who_says_the_kind_is_not_asked(self, popbridge: Any, surfaces: Path) -> None:
        file = str(next(surfaces.rglob("*normal*.png")))
        for pair in ("kind=data", "transfer=linear"):
            code, out, _ = popbridge("run", "image.mipmaps", file, "--dry-run", "--json", "--param", pair)
            assert code == 0 and "texture" not in json.loads(out)["meta"]

    def test_the_lines_say_it(self, popbridge: Any, surfaces: Path) -> None:
        file = str(next(surfaces.rglob("*normal*.png")))
        code, out, _ = popbridge("run", "image.compress", file, "--dry-run")
        assert code == 0 and len(out.splitlines()) >= 2
