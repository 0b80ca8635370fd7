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

from accel.execution.executor import LocalExecutor
from bridge.commands.run import local
from bridge.commands.run.local import LocalRunner
from bridge.host import host
from tests.advisors import pictures
from tests.commands.shell import one_line, tree


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

    def test_a_name_that_is_empty_is_seen(self, popbridge: Any) -> None:
        err = popbridge("run", "image.inspect", "")[2]
        assert err == "popbridge: '' does not exist, or isn't a file.\n"

    def test_files_that_all_are_missing_are_a_mistake(self, popbridge: Any, tmp_path: Path) -> None:
        code, out, err = popbridge("run", "image.inspect", *(str(tmp_path / f"{n}.png") for n in range(5)))
        assert (code, out) == (2, "") and one_line(err)
        assert f"{tmp_path / '0.png'} does not exist, or isn't a file; " in err and err.endswith(
            "; and 2 more.\n"
        )

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
        assert out.startswith(f"{files[0]}: PNG, 32 x 32, 3 channels of 8 bit, ") and out.count("\n") == 1
        assert err.startswith(f"{files[1]}: is a truncated or corrupt PNG")

    def test_no_worker_is_told_as_one_line(
        self, popbridge: Any, files: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def refused(self: Any) -> None:
            raise OSError("no more processes")

        monkeypatch.setattr(LocalExecutor, "start", refused)
        code, _, err = popbridge("run", "image.inspect", files[0])
        assert (code, err) == (2, "popbridge: Can't start a worker process (no more processes).\n")

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
        assert err == f"{slow}: took longer than 0.2 s; --timeout allows more\n"

    def test_time_runs_only_for_jobs_that_a_worker_can_take(self) -> None:
        assert [LocalRunner(None, None, 3, limit).concurrency for limit in (None, 5.0)] == [6, 3]  # type: ignore[arg-type]

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
            (["image.nothing"], "'image.nothing'. Did you mean"),
            (["image.thumbnail", "--param", "size=big"], "size"),
            (["image.thumbnail", "--param", "size=0"], "size"),
            (["image.thumbnail", "--param", "colour=1"], "colour"),
            (["image.thumbnail", "--param", "size"], "isn't NAME=VALUE"),
            (["image.thumbnail", "--out", "{file}/out"], "Can't create"),
            (["image.thumbnail", "--resume"], "--resume needs --out"),
            (["image.thumbnail", "--name", "x"], "--name needs --out"),
            (["image.thumbnail", "--name", "a/b", "--out", "x"], "--name takes a name without folders"),
            (["image.thumbnail", "--daemon", "--workers", "1"], "--workers has no effect with --daemon"),
            (["image.thumbnail", "--daemon", "--dry-run"], "PopBridge isn't running"),
            (["image.convert+image.thumbnail"], "can't be a step"),
            (["image.convert+"], "lacks a step"),
            (["image.resize", "+", "image.convert"], "spaces around the +: image.resize+image.convert."),
            (["image.resize", "+image.convert"], "spaces around the +: image.resize+image.convert."),
            (["image.compress+image.resize"], "Step 1, image.compress, returns no image"),
            (
                ["image.pipeline", "--param", 'steps=[{"workload": "image.resize", "params": {"widht": 3}}]'],
                "Step 1, image.resize: there is no parameter 'widht'; did you mean width?",
            ),
            (
                ["image.pipeline", "--param", 'steps=[{"workload": "image.resise"}]'],
                "Did you mean image.resize",
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

    @pytest.mark.skipif(sys.platform != "win32", reason="others have files that are called so")
    @pytest.mark.parametrize("name", ["con", "NUL", "a?b"])
    def test_on_windows_a_name_that_no_file_can_have_is_told_before_the_work(
        self, popbridge: Any, files: list[str], tmp_path: Path, name: str
    ) -> None:
        out = str(tmp_path / "out")
        code, _, err = popbridge("run", "image.thumbnail", files[0], "--out", out, "--name", name)
        assert code == 2 and one_line(err) and f"Windows gives no file the name {name}" in err


class TestMany:
    def test_lines_come_in_the_files_order_though_only_few_wait(
        self, popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local, "MAX_WAITING", 3)
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
            "from bridge import cli; from bridge.host import host; from tests.commands.run import workloads;"
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

    def test_a_bar_goes_into_no_file(
        self, popbridge: Any, textures: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        code, _, err = popbridge("run", "image.inspect", str(textures), "-r", "--workers", "1", "--json")
        assert (code, "\x1b" in err) == (0, False)

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
