"""`popbridge run`, as a person at a shell meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from accel.executor import LocalExecutor
from bridge import host
from bridge.commands.run import batch
from bridge.commands.run.local import Local
from tests.advisors import pictures
from tests.commands.shell import one_line


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    good = [pictures.save(tmp_path / f"{n}" / "rock.png", pictures.normal_map(32)) for n in range(2)]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nshort")
    return [str(good[0]), str(tmp_path / "broken.png"), str(good[1]), str(tmp_path / "gone.png")]


class TestLines:
    def test_each_file_gets_a_line_of_json_and_a_failure_costs_its_file_alone(
        self, popbridge: Any, files: list[str]
    ) -> None:
        code, out, err = popbridge("run", "image.inspect", *files, "--json", "--workers", "2")
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 1
        assert [line["file"] for line in lines] == files
        assert lines[0]["value"]["width"] == 32
        assert lines[0]["meta"]["device"] == "CPU" and lines[0]["meta"]["files"] == []
        assert lines[1]["error"]["code"] == "bad_input"
        assert lines[2]["value"] == lines[0]["value"]
        assert lines[3]["error"]["code"] == "not_found"
        assert err.startswith("popbridge: 2 done, 2 failed in ") and one_line(err)

    @pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
    def test_a_name_that_is_no_unicode_is_a_name(
        self, popbridge: Any, files: list[str], tmp_path: Path
    ) -> None:
        stray = str(tmp_path / "b\udcff.png")
        Path(stray).write_bytes(Path(files[0]).read_bytes())
        given = (files[0], stray, files[2], "--json", "--workers", "1", "--out", str(tmp_path / "out"))
        code, out, _ = popbridge("run", "image.convert", *given)
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 0 and [line["file"] for line in lines] == [files[0], stray, files[2]]
        assert [line["value"]["width"] for line in lines] == [32, 32, 32]
        assert (tmp_path / "out" / "b\udcff.png").exists()
        assert popbridge("run", "image.convert", *given, "--resume")[2].startswith(
            "popbridge: 0 done, 3 unch"
        )
        Path(stray).write_bytes(b"no picture")
        code, _, err = popbridge("run", "image.inspect", stray, "--workers", "1")
        assert code == 1 and err.endswith(r"b\udcff.png: isn't an image of a format known here" + "\n")

    def test_a_folder_is_called_one(self, popbridge: Any, tmp_path: Path) -> None:
        code, _, err = popbridge("run", "image.inspect", str(tmp_path), "--workers", "1")
        says = f"popbridge: {tmp_path} is a folder; name the files in it, or add --recursive.\n"
        assert (code, err) == (2, says)

    def test_files_that_all_are_missing_are_a_mistake(self, popbridge: Any, tmp_path: Path) -> None:
        code, out, err = popbridge("run", "image.inspect", *(str(tmp_path / f"{n}.png") for n in range(5)))
        assert (code, out) == (2, "") and one_line(err)
        assert f"{tmp_path / '0.png'} isn't there, or is no file; " in err and err.endswith("; and 2 more.\n")

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
        assert out.startswith(f"{files[0]}:\n  format: png\n")
        assert err.startswith(f"{files[1]}: is a truncated or corrupt PNG")

    def test_no_worker_is_told_as_one_line(
        self, popbridge: Any, files: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refused(self: Any) -> None:
            raise OSError("no more processes")

        monkeypatch.setattr(LocalExecutor, "start", refused)
        code, _, err = popbridge("run", "image.inspect", files[0])
        assert (code, err) == (2, "popbridge: No worker process can be started (no more processes).\n")

    @pytest.mark.usefixtures("ours")
    def test_a_job_may_run_as_long_as_it_wants_or_as_timeout_says(
        self, popbridge: Any, textures: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("POPBRIDGE_DEADLINE_MS", "1")
        rest = ("--workers", "1", "--out", str(textures.parent / "out"))
        assert popbridge("run", "test.slow", str(textures / "wall.png"), *rest)[0] == 0
        slow = str((textures / "wall.png").rename(textures / "slow.png"))
        code, _, err = popbridge("run", "test.slow", slow, *rest, "--timeout", "0.2")
        assert code == 1
        assert err == f"{slow}: wasn't done within 0.2 s; --timeout SECONDS allows more\n"

    def test_time_runs_only_for_jobs_that_a_worker_can_take(self) -> None:
        assert [Local(None, None, 3, limit).at_once for limit in (None, 5.0)] == [6, 3]  # type: ignore[arg-type]

    def test_what_needs_no_file_runs_without_one(self, popbridge: Any) -> None:
        assert popbridge("run", "bridge.echo", "--param", "value=[1, 2]") == (0, "bridge.echo: 1 2\n", "")
        assert json.loads(popbridge("run", "bridge.echo", "--json")[1])["files"] == []

    @pytest.mark.usefixtures("ours")
    def test_files_that_are_done_together_are_told_together(
        self, popbridge: Any, files: list[str], textures: Path
    ) -> None:
        pair = [str(textures / "wall.png"), str(textures / "stone/rock.png")]
        code, out, err = popbridge("run", "test.measure", *pair, "--json", "--workers", "1")
        assert (code, err) == (0, "")
        assert json.loads(out)["files"] == pair and json.loads(out)["value"] == {"names": pair}
        code, _, err = popbridge("run", "test.measure", pair[0], files[1], "--workers", "1")
        assert code == 1
        assert err.startswith(f"{pair[0]}, {files[1]}: {files[1]}: is a truncated or corrupt PNG")

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["image.nothing"], "no workload 'image.nothing'; did you mean"),
            (["image.thumbnail", "--param", "size=big"], "size"),
            (["image.thumbnail", "--param", "size=0"], "size"),
            (["image.thumbnail", "--param", "colour=1"], "colour"),
            (["image.thumbnail", "--param", "size"], "isn't NAME=VALUE"),
            (["image.thumbnail", "--out", "{file}/out"], "can't be made"),
            (["image.thumbnail", "--resume"], "--resume wants --out"),
            (["image.thumbnail", "--name", "x"], "--name wants --out"),
            (["image.thumbnail", "--name", "a/b", "--out", "x"], "--name is a name alone"),
            (["image.thumbnail", "--daemon", "--workers", "1"], "--workers is for runs without --daemon"),
            (["image.thumbnail", "--daemon"], "PopBridge isn't running"),
            (["image.convert+image.thumbnail"], "is no operation on images"),
            (["image.convert+"], "lacks a step"),
            (["image.resize", "+", "image.convert"], "spaces around the +: image.resize+image.convert."),
            (["image.resize", "+image.convert"], "spaces around the +: image.resize+image.convert."),
            (["image.compress+image.resize"], "Step 1, image.compress, gives no image"),
            (
                ["image.pipeline", "--param", 'steps=[{"workload": "image.resize", "params": {"widht": 3}}]'],
                "Step 1, image.resize: there is no parameter 'widht'; did you mean width?",
            ),
            (
                ["image.pipeline", "--param", 'steps=[{"workload": "image.resise"}]'],
                "did you mean image.resize",
            ),
        ],
    )
    def test_a_mistake_is_told_before_any_file_is_opened(
        self, popbridge: Any, files: list[str], arguments: list[str], says: str
    ) -> None:
        arguments = [argument.replace("{file}", files[0]) for argument in arguments]
        code, _, err = popbridge("run", *arguments, files[0])
        assert code == 2
        assert one_line(err) and says in err


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
        assert code == 1 and "is there already and wasn't made by an earlier run; --force" in err
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
        assert code == 1 and f"{wall} is an input, or another output of this run; give" in err
        arguments = ("--each", "--out", str(textures), "--param", "name=x")
        code, _, err = popbridge("run", "image.atlas", wall, str(textures / "wood/rock.png"), *arguments)
        assert code == 2 and one_line(err) and "--param name is for the outputs of one job; 2 are" in err
        code, _, err = popbridge("run", "image.atlas", wall, *arguments, "--name", "y")
        assert code == 2 and one_line(err) and "leave one of them out" in err

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
        assert code != 0 and "has no images in it but what earlier runs made" in err

    def test_files_that_nobody_keeps_are_told_of_once(self, popbridge: Any, textures: Path) -> None:
        code, out, err = self.convert(popbridge, str(textures), "-r")
        assert code == 0 and out.count("\n") == 4
        assert err.splitlines()[0] == (
            "popbridge: the files that image.convert makes aren't kept: add --out FOLDER."
        )
        assert err.count("\n") == 2

    @pytest.mark.skipif(sys.platform == "win32", reason="a folder's rights are no bits there")
    def test_a_folder_that_cant_be_written_to_ends_the_run(
        self, popbridge: Any, textures: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        (out / "wall.png").mkdir(parents=True)
        code, _, err = self.convert(popbridge, str(textures / "wall.png"), "--out", str(out), "--force")
        assert code == 2 and one_line(err) and f"{out / 'wall.png'} can't be written" in err
        (out / "stone").write_text("in the way")
        rocks = [str(textures / "wood" / "rock.png"), str(textures / "stone" / "rock.png")]
        code, _, err = self.convert(popbridge, *rocks, "--out", str(out))
        assert code == 2 and "can't be written" in err
        assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []

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
        assert code == 1 and "wall.png can't be replaced (in use)" in err and "3 done, 1 failed" in err


class TestMany:
    def test_lines_come_in_the_files_order_though_only_few_wait(
        self, popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch, "AHEAD", 3)
        for number in range(10):
            pictures.save(tmp_path / "in" / f"{number}.png", pictures.noise(3, 1 + 40 * (number % 3)))
        arguments = [str(tmp_path / "in"), "-r", "--workers", "2", "--json"]
        code, out, _ = popbridge("run", "image.fingerprint", *arguments)
        assert code == 0
        assert [Path(json.loads(line)["file"]).stem for line in out.splitlines()] == [*"0123456789"]

    @pytest.mark.skipif(sys.platform == "win32", reason="no other process can press Ctrl-C there")
    def test_ctrl_c_keeps_what_is_done_and_leaves_no_worker(self, tmp_path: Path) -> None:
        for name in ("a.png", "b-slow.png", "c.png", "d-slow.png"):
            pictures.save(tmp_path / "in" / name, pictures.noise(3, 8))
        script = (
            "import os, sys; sys.path.insert(0, os.getcwd());"
            "from bridge import cli, host; from tests.commands.run import workloads;"
            "found = workloads.registry(); host.load = lambda: found; sys.exit(cli.main(sys.argv[1:]))"
        )
        arguments = [
            "run",
            "test.slow",
            str(tmp_path / "in"),
            "-r",
            "--workers",
            "2",
            "--out",
            str(tmp_path / "out"),
        ]
        env = {**os.environ, "POPBRIDGE_HOME": str(tmp_path / "home")}
        process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Whoever runs the tests in the background may have it ignored, which children inherit.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        deadline = time.monotonic() + 60
        # The last one begins when the one before it is done.
        while not all((tmp_path / "in" / f"{letter}-slow.begun").exists() for letter in "bd"):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        workers = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert len(workers) == 2 and not any(worker.is_running() for worker in workers)
        assert tree(tmp_path / "out") == ["a.png", "c.png"]
        assert out.decode().count(" -> ") == 2 and b"Traceback" not in err
        assert err.decode().startswith("popbridge: 2 done, 2 not done in ")

    @pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals there")
    def test_a_bar_on_the_terminal_leaves_what_goes_into_a_file_alone(
        self, textures: Path, tmp_path: Path
    ) -> None:
        import pty

        ours, theirs = pty.openpty()
        command = [
            sys.executable,
            "-m",
            "bridge.cli",
            "run",
            "image.inspect",
            str(textures),
            "-r",
            "--workers",
            "1",
        ]
        with (tmp_path / "lines").open("wb") as lines:
            env = {**os.environ, "TERM": "xterm"}
            process = subprocess.Popen([*command, "--json"], stdout=lines, stderr=theirs, env=env)
            os.close(theirs)
            shown = b""
            try:
                while piece := os.read(ours, 65536):
                    shown += piece
            except OSError:  # how Linux says that the other end is closed
                pass
            os.close(ours)
        assert process.wait(60) == 0
        assert len((tmp_path / "lines").read_bytes().splitlines()) == 4
        assert b"image.inspect" in shown and b"4/4" in shown and b"/s" in shown
