"""What `popbridge run` keeps: names, folders, what is overwritten, what is done once more."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from accel.execution.executor import LocalExecutor
from accel.execution.protocol import ResultFile
from bridge.commands.run.inputs import RunItem
from bridge.commands.run.outputs import Manifest, Outputs
from tests.commands.shell import one_line, tree


class TestOutputs:
    def convert(self, popbridge: Any, *arguments: str) -> tuple[int, str, str]:
        found: tuple[int, str, str] = popbridge("run", "image.convert", *arguments, "--workers", "1")
        return found

    def test_outputs_are_called_as_their_inputs_in_the_same_folders(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "new" / "out"
        code, said, _ = self.convert(
            popbridge, str(textures), "-r", "--param", "format=webp", "--out", str(out)
        )
        assert code == 0
        assert tree(out) == ["stone/rock.jpg.webp", "stone/rock.png.webp", "wall.webp", "wood/rock.webp"]
        assert f"{textures / 'wall.png'} -> {out / 'wall.webp'}: WEBP, 8 x 8, 3 channels of 8 bit" in said
        assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []

    def test_what_keeps_its_suffix_gets_no_second_one_of_the_same(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        out, rock = tmp_path / "out", textures / "stone" / "rock"
        Image.open(f"{rock}.png").save(f"{rock}.tga")
        assert self.convert(popbridge, str(textures / "stone"), "-r", "--out", str(out))[0] == 0
        assert tree(out) == ["rock.jpg", "rock.png", "rock.tga"]
        arguments = (f"{rock}.png", f"{rock}.tga", "--param", "format=tga", "--out", str(tmp_path / "other"))
        assert self.convert(popbridge, *arguments)[0] == 0
        assert tree(tmp_path / "other") == ["rock.png.tga", "rock.tga"]

    def test_in_its_own_folder_what_keeps_its_suffix_gets_no_second_one_either(
        self, popbridge: Any, textures: Path
    ) -> None:
        stone = textures / "stone"
        (stone / "rock.jpg").unlink()
        Image.open(stone / "rock.png").save(stone / "rock.tga")
        arguments = (str(stone / "rock.png"), str(stone / "rock.tga"), "--param", "format=png")
        assert self.convert(popbridge, *arguments, "--out", str(stone))[0] == 0
        assert tree(stone) == ["rock.converted.png", "rock.png", "rock.tga", "rock.tga.png"]

    def test_another_suffix_of_the_same_type_is_no_second_one(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        stone = textures / "stone"
        (stone / "rock.jpg").rename(stone / "rock.jpeg")
        assert self.convert(popbridge, str(stone), "-r", "--out", str(tmp_path / "out"))[0] == 0
        assert tree(tmp_path / "out") == ["rock.jpg", "rock.png"]
        (stone / "rock.jpg").write_bytes((stone / "rock.jpeg").read_bytes())
        assert self.convert(popbridge, str(stone), "-r", "--out", str(tmp_path / "both"))[0] == 0
        assert tree(tmp_path / "both") == ["rock.jpeg.jpg", "rock.jpg", "rock.png"]

    def test_steps_follow_one_another_with_no_file_between(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        wall, out = str(textures / "wall.png"), tmp_path / "out"
        steps = ("image.convert+image.convert", wall, "--param", "bits=16", "--param", "format=tiff")
        code, said, _ = popbridge("run", *steps, "--out", str(out), "--json", "--workers", "1")
        assert code == 0 and json.loads(said)["value"]["bit_depth"] == 16
        assert tree(out) == ["wall.tif"]

    def test_textures_for_gpus_are_named_by_their_container(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        rest = ["--out", str(tmp_path / "out"), "--workers", "1", "--param", "alpha=drop"]
        for wanted in ("format=bc1", "format=etc2_rgb"):
            arguments = [str(textures / "wall.png"), "--param", wanted, *rest]
            assert popbridge("run", "image.resize+image.compress", *arguments, "--param", "width=4")[0] == 0
        assert tree(tmp_path / "out") == ["wall.dds", "wall.ktx2"]

    def test_an_input_is_never_overwritten(self, popbridge: Any, textures: Path) -> None:
        rocks = [str(textures / "stone" / name) for name in ("rock.png", "rock.jpg")]
        before = [Path(rock).read_bytes() for rock in rocks]
        arguments = ["--param", "format=png", "--out", str(textures / "stone"), "--force"]
        assert self.convert(popbridge, rocks[0], *arguments)[0] == 0
        assert tree(textures / "stone") == ["rock.converted.png", "rock.jpg", "rock.png"]
        # Together with the other one, neither is free.
        assert self.convert(popbridge, *rocks, *arguments)[0] == 0
        assert [Path(rock).read_bytes() for rock in rocks] == before

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
    def test_an_input_isnt_overwritten_through_a_link_to_its_folder(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "link").symlink_to(textures)
        before = (textures / "wall.png").read_bytes()
        arguments = ["--out", str(tmp_path / "link"), "--force"]
        assert self.convert(popbridge, str(textures / "wall.png"), *arguments)[0] == 0
        assert (textures / "wall.png").read_bytes() == before
        assert (textures / "wall.converted.png").exists()

    def test_a_file_that_no_run_made_is_overwritten_only_by_force(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        wall, out = str(textures / "wall.png"), tmp_path / "out"
        out.mkdir()
        (out / "wall.png").write_bytes(b"painted by hand")
        code, _, err = self.convert(popbridge, wall, "--out", str(out))
        assert code == 1 and "exists and no earlier run made it; overwrite it with --force" in err
        assert (out / "wall.png").read_bytes() == b"painted by hand"
        assert self.convert(popbridge, wall, "--out", str(out), "--force")[0] == 0
        # What a run has made is its own.
        assert self.convert(popbridge, wall, "--out", str(out), "--param", "bits=16")[0] == 0
        assert (out / "wall.png").read_bytes()[:4] == b"\x89PNG"
        (out / "wall.png").write_bytes(b"painted over")
        assert self.convert(popbridge, wall, "--out", str(out))[0] == 1

    def test_resume_does_what_is_new_changed_or_asked_for_otherwise(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        arguments = [str(textures), "-r", "--out", str(out), "--resume"]

        def summary(*more: str) -> str:
            return (
                self.convert(popbridge, *arguments, *more)[2].removeprefix("popbridge: ").partition(" in ")[0]
            )

        assert summary() == "4 done"
        assert summary() == "0 done, 4 unchanged"
        os.utime(textures / "wall.png", ns=(1, 1))
        (out / "wood" / "rock.png").unlink()
        assert summary() == "2 done, 2 unchanged"
        assert summary("--param", "bits=same") == "0 done, 4 unchanged"
        assert summary("--param", "bits=16") == "4 done"
        # The files are the second recipe's now.
        assert summary() == "4 done"

    def test_resume_does_again_what_was_read_otherwise(
        self, popbridge: Any, textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        arguments = [str(textures / "wall.png"), "--out", str(tmp_path / "out"), "--json", "--resume"]
        self.convert(popbridge, *arguments)
        assert "unchanged" in json.loads(self.convert(popbridge, *arguments)[1])
        monkeypatch.setattr("accel.image.records.VERSION", 99)
        assert "unchanged" not in json.loads(self.convert(popbridge, *arguments)[1])

    def test_resume_tells_where_unchanged_outputs_are(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        arguments = [str(textures / "wall.png"), "--out", str(tmp_path), "--json"]
        self.convert(popbridge, *arguments)
        _, out, _ = self.convert(popbridge, *arguments, "--resume")
        assert json.loads(out) == {
            "file": arguments[0], "unchanged": True, "meta": {"files": [str(tmp_path / "wall.png")]},
        }  # fmt: skip

    @pytest.mark.usefixtures("ours")
    def test_several_outputs_of_one_file_have_their_own_names_behind_its(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        arguments = [str(textures / "wall.png"), "--workers", "1", "--out", str(tmp_path / "out")]
        code, said, _ = popbridge("run", "test.levels", *arguments)
        assert code == 0
        assert tree(tmp_path / "out") == ["wall.a_light.png", "wall.dark.png", "wall.same.png"]
        assert said.splitlines()[1:] == [
            f"  -> {tmp_path / 'out' / f'wall.{name}.png'}" for name in ("a_light", "same", "dark")
        ]

    @pytest.mark.usefixtures("ours")
    def test_outputs_of_several_files_have_their_own_names_or_the_one_that_is_given(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        files = [str(textures / "wall.png"), str(textures / "stone" / "rock.png")]
        rest = ["--workers", "1", "--out", str(tmp_path / "out")]
        assert popbridge("run", "test.merge", *files, *rest)[0] == 0
        assert popbridge("run", "test.merge", *files, *rest, "--name", "orm")[0] == 0
        assert popbridge("run", "test.sheet", *files, *rest)[0] == 0
        assert popbridge("run", "test.sheet", *files, *rest, "--name", "ui")[0] == 0
        assert tree(tmp_path / "out") == [
            "merged.png", "orm.png", "sheet.json", "sheet.png", "ui.sheet.json", "ui.sheet.png",
        ]  # fmt: skip
        assert (tmp_path / "out" / "sheet.json").read_text() == ",".join(files)

    @pytest.mark.parametrize("steps", ["image.atlas", "image.convert+image.atlas"])
    def test_the_data_of_an_atlas_names_its_image_as_it_is_written(
        self, popbridge: Any, textures: Path, tmp_path: Path, steps: str
    ) -> None:
        rest = ("--workers", "1", "--out", str(tmp_path / "out"))
        walls = (str(textures / "wall.png"), str(textures / "wood/rock.png"), "--each")

        def image(data: str) -> str:
            return json.loads((tmp_path / "out" / data).read_text())["meta"]["image"]

        assert popbridge("run", steps, walls[0], "--each", *rest, "--name", "ui")[0] == 0
        assert popbridge("run", steps, *walls, *rest, "--param", "format=webp")[0] == 0
        assert popbridge("run", steps, walls[0], "--each", *rest, "--param", "name=mine")[0] == 0
        assert tree(tmp_path / "out") == [
            "mine.data.json", "mine.png", "ui.data.json", "ui.png", "wall.data.json", "wall.webp",
            "wood/rock.data.json", "wood/rock.webp",
        ]  # fmt: skip
        assert image("ui.data.json") == "ui.png" and image("mine.data.json") == "mine.png"
        assert image("wall.data.json") == "wall.webp" and image("wood/rock.data.json") == "rock.webp"

    def test_an_atlas_isnt_called_otherwise_than_its_data_says(self, popbridge: Any, textures: Path) -> None:
        wall = str((textures / "wall.png").rename(textures / "atlas.png"))
        code, _, err = popbridge("run", "image.atlas", wall, "--workers", "1", "--out", str(textures))
        assert code == 1 and f"{wall} is an input or another output" in err
        arguments = ("--each", "--out", str(textures), "--param", "name=x")
        code, _, err = popbridge("run", "image.atlas", wall, str(textures / "wood/rock.png"), *arguments)
        assert code == 2 and one_line(err) and "--param name is for a single job" in err
        code, _, err = popbridge("run", "image.atlas", wall, *arguments, "--name", "y")
        assert code == 2 and one_line(err) and "Give one of them." in err

    def test_equal_pictures_have_an_output_each(self, popbridge: Any, textures: Path, tmp_path: Path) -> None:
        same = (textures / "wall.png").read_bytes()
        for number in range(12):
            (textures / "wood" / f"{number:02}.png").write_bytes(same)
        out = tmp_path / "out"
        code, _, _ = popbridge(
            "run", "image.convert", str(textures / "wood"), "-r", "--out", str(out), "--workers", "2"
        )
        made = [out / f"{number:02}.png" for number in range(12)]
        assert code == 0 and len({path.read_bytes() for path in made}) == 1

    def test_running_twice_in_place_makes_no_more_files(self, popbridge: Any, textures: Path) -> None:
        arguments = [str(textures), "-r", "--out", str(textures)]
        assert self.convert(popbridge, *arguments)[0] == 0
        once = tree(textures)
        assert "wall.converted.png" in once
        code, _, err = self.convert(popbridge, *arguments)
        assert code == 0 and err.startswith("popbridge: 4 done in ") and tree(textures) == once
        # What is a folder of its own may be taken further.
        inside = [str(textures / "wood"), "-r", "--out", str(textures.parent / "further")]
        assert self.convert(popbridge, *inside)[2].startswith("popbridge: 2 done in ")
        (textures / "wood" / "rock.png").unlink()
        code, _, err = self.convert(popbridge, str(textures / "wood"), "-r", "--out", str(textures))
        assert code != 0 and "has no images except outputs of earlier runs" in err

    def test_a_dry_run_shows_results_and_writes_nothing(self, popbridge: Any, textures: Path) -> None:
        before = tree(textures)
        code, out, err = self.convert(popbridge, str(textures), "-r", "--dry-run")
        assert code == 0 and out.count("\n") == 4 and one_line(err)
        assert tree(textures) == before

    def test_what_is_in_the_way_of_one_file_or_is_no_name_costs_that_alone(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        (out / "wall.png").mkdir(parents=True)
        (out / "wood").write_text("in the way")
        code, _, err = self.convert(popbridge, str(textures), "-r", "--out", str(out), "--force")
        assert code == 1 and "2 done, 2 failed" in err and "Traceback" not in err
        for name in ("wall.png", os.path.join("wood", "rock.png")):
            assert f"{out / name} (" in err
        assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names may be longer")
    def test_an_output_whose_name_is_too_long_costs_that_file_alone(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        (textures / "wall.png").rename(textures / f"{'w' * 250}.png")
        arguments = ("-r", "--param", "format=tga", "--out", str(tmp_path / "out"), "--workers", "1")
        code, _, err = popbridge("run", "image.mipmaps", str(textures), *arguments)
        assert code == 1 and "3 done, 1 failed" in err and "too long); rename the input" in err

    def test_a_disk_that_fills_up_ends_the_run(
        self, popbridge: Any, textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(source: str, target: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        code, _, err = self.convert(popbridge, str(textures / "wall.png"), "--out", str(tmp_path / "out"))
        assert code == 2 and one_line(err) and "wall.png (No space" in err

    def test_a_file_that_vanishes_while_the_run_begins_is_told(
        self, popbridge: Any, textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = LocalExecutor.start

        async def start(self: Any) -> None:
            (textures / "wall.png").unlink()
            await begun(self)

        monkeypatch.setattr(LocalExecutor, "start", start)
        code, _, err = self.convert(popbridge, str(textures), "-r", "--out", str(tmp_path / "out"))
        assert code == 1 and f"{textures / 'wall.png'}: isn't there\n" in err and "3 done, 1 failed" in err

    def test_what_another_program_holds_costs_its_file_alone(
        self, popbridge: Any, textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace = os.replace

        def held(source: str, target: str) -> None:
            if Path(target).name == "wall.png":
                raise PermissionError(13, "in use")
            replace(source, target)

        monkeypatch.setattr(os, "replace", held)
        code, _, err = self.convert(popbridge, str(textures), "-r", "--out", str(tmp_path / "out"))
        assert code == 1 and "wall.png (in use)" in err and "3 done, 1 failed" in err


@pytest.mark.parametrize(
    ("file", "media_type", "name"),
    [
        ("tinted.ppm", "image/x-portable-pixmap", "rock.ppm"),
        ("tinted", "image/x-portable-pixmap", "rock"),
        ("tinted.v2", "image/png", "rock.png"),
        ("map.acme", "application/x-acme", "rock.map.acme"),
        ("map.json", "application/vnd.acme+json", "rock.map.json"),
        ("map.png", "application/x-acme", "rock.map"),
    ],
)
def test_a_file_of_a_type_that_nobody_knows_keeps_the_suffix_that_its_workload_gave(
    tmp_path: Path, file: str, media_type: str, name: str
) -> None:
    (tmp_path / "blob").write_bytes(b"1")
    made = ResultFile(file, media_type, 1, "", path=str(tmp_path / "blob"))
    with Manifest(tmp_path / "made") as manifest:
        outputs = Outputs(tmp_path / "out", (), manifest, force=False)
        (path,) = outputs.keep(RunItem(("rock.png",), stem="rock"), b"key", [made])
    assert Path(path).name == name


class Counted(list[ResultFile]):
    """Files that count how often all of them are gone through."""

    times = 0

    def __iter__(self) -> Iterator[ResultFile]:
        self.times += 1
        return super().__iter__()


def test_a_hundred_times_as_many_files_of_one_job_take_no_more_than_that_longer(tmp_path: Path) -> None:
    files = Counted()
    for index in range(50):
        (tmp_path / f"{index}").write_bytes(b"1")
        files.append(ResultFile(f"part{index}", "text/plain", 1, "", path=str(tmp_path / f"{index}")))
    with Manifest(tmp_path / "made") as manifest:
        outputs = Outputs(tmp_path / "out", (), manifest, force=False)
        assert len(outputs.keep(RunItem(()), b"key", files)) == 50
    assert files.times < 10
