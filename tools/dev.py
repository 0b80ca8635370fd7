"""Sets up .venv and runs the demo, the tests or the documentation's build. Uses only the standard library."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / os.environ.get("DEV_VENV", ".venv")
"""`.venv`, or `.venv-3.13` where `--python` names another Python."""
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
PYTHON = BIN / ("python.exe" if sys.platform == "win32" else "python")
OLDEST = (3, 11)

PROCESSES = min(5 * (os.cpu_count() or 1) // 2, 8)
"""Test files at a time: five on two cores, since a file uses 0.4 of one; the rest of its time it waits."""
PARALLEL = ("-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder")
"""The tests of a file run in one process, as they share fixtures."""
PROGRESS = ("-q", "-o", "console_output_style=classic", "-p", "tools.progress")
"""A line for each tenth of the tests, since 12,000 dots would be 170 lines of a log."""
DEMO_HELP = (
    "Make .venv, install what runs PopBridge, and run `popbridge demo` with a real editor if there is one."
)
DEMO_ARGUMENTS = "Other arguments go to `popbridge demo`: --out FOLDER, --headless."
DOCS_HELP = "Make .venv, and build the documentation in build/docs; a broken link or reference fails."
DOCS_ARGUMENTS = "Other arguments go to sphinx-build."
TEST_HELP = "Make .venv, install what the tests need, and run linter, type checker and tests."
TEST_ARGUMENTS = """\
Other arguments go to pytest, which then runs alone, without linter and type checker:
    python tools/dev.py test tests/core -k codec
"""


def main(arguments: Sequence[str]) -> int:
    if sys.version_info < OLDEST:
        return refuse(
            f"PopBridge needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {sys.version.split()[0]}."
        )
    parser = command_line()
    options, others = parser.parse_known_args(arguments)
    if getattr(options, "python", None):
        return run_on_other_python(options.python, arguments)
    if options.command == "demo":
        return demo(others)
    if options.command == "docs":
        return docs(others)
    if options.command == "test":
        return test(options, others)
    parser.print_help()
    return 2 if others else 0


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python tools/dev.py", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    commands.add_parser(
        "demo",
        help=DEMO_HELP,
        description=DEMO_HELP,
        epilog=DEMO_ARGUMENTS,
        allow_abbrev=False,
        usage="%(prog)s [-h] [ARGUMENTS OF popbridge demo]",
    )
    commands.add_parser(
        "docs", help=DOCS_HELP, description=DOCS_HELP, epilog=DOCS_ARGUMENTS, allow_abbrev=False
    )
    test = commands.add_parser(
        "test",
        help=TEST_HELP,
        description=TEST_HELP,
        epilog=TEST_ARGUMENTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s [-h] [--python VERSION] [--engines] [--coverage] [ARGUMENTS OF pytest]",
    )
    test.add_argument(
        "--python",
        metavar="VERSION",
        help="a Python version or path, such as 3.13: tests in a venv of its own",
    )
    test.add_argument(
        "--engines",
        action="store_true",
        help="also test in the editors: install those that are missing (apt, as root); fail if one can't run",
    )
    test.add_argument(
        "--coverage", action="store_true", help="measure coverage and fail if it is too low (takes longer)"
    )
    return parser


def run_on_other_python(wanted: str, arguments: Sequence[str]) -> int:
    """Runs this script by the Python `wanted` (3.13, or a path), with a venv of its own."""
    python = shutil.which(f"python{wanted}") or shutil.which(wanted)
    if python is None:
        return refuse(f"--python needs a version that is installed, such as 3.13, or a path; got {wanted!r}.")
    ask = "import sys; print('{}.{}'.format(*sys.version_info))"
    version = subprocess.check_output([python, "-c", ask], text=True).strip()
    at = next(i for i, each in enumerate(arguments) if each.startswith("--python"))
    rest = [*arguments[:at], *arguments[at + (1 if "=" in arguments[at] else 2) :]]
    return run([python, __file__, *rest], {**os.environ, "DEV_VENV": f".venv-{version}"})


def docs(arguments: Sequence[str]) -> int:
    """Builds the documentation site in `build/docs`."""
    install("requirements-dev.lock")
    strict = ["-W", "--keep-going", "-n", "-q"]
    return run([str(PYTHON), "-m", "sphinx", *strict, *arguments, "docs", "build/docs"], environment())


def demo(arguments: Sequence[str]) -> int:
    """Runs the demo, in a real editor if there is one."""
    install("requirements.lock", extends="requirements-dev.lock")
    return subprocess.call([str(BIN / "popbridge"), "demo", *arguments], env=environment())


def test(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Runs pytest with `arguments`; without any, all that `parts` returns."""
    install("requirements-dev.lock")
    if options.engines:
        for program in (
            ["tools/engines.py", "--require"],
            ["tools/csharp.py"],
            ["tools/typescript.py"],
            ["tools/unreal_stub.py"],
            ["tools/axe.py"],
        ):
            if status := run([str(PYTHON), *program], environment()):
                return status
    env = testing(options.engines)
    if arguments:
        measure = ["--cov"] if options.coverage else []
        return run([str(PYTHON), "-m", "pytest", *measure, *arguments], env)
    return run_parts(list(parts(options.engines, options.coverage)), env)


def parts(engines: bool, coverage: bool) -> Iterator[tuple[str, list[str]]]:
    """Yields the parts of a whole run, each a name and a command."""
    yield "format", ["ruff", "format", "--check", "-q", "."]
    yield "lint", ["ruff", "check", "-q", "."]
    yield "types", ["mypy"]
    yield "unsafe calls", ["bandit", "-q", "-c", "pyproject.toml", "-r", "bridge", "accel", "plugins"]
    yield "advisories", ["tools.advisories"]
    measure = ["--cov", "--cov-report="] if coverage else []
    report = ["--cov-append", "--cov-report=term:skip-covered", "--cov-fail-under=90"] if coverage else []
    name, of = ("tests, also in editors", "") if engines else ("tests", "not engine and ")
    colours = ["--color=yes"] if sys.stdout.isatty() else []
    yield name, ["pytest", *PROGRESS, *colours, "-m", f"{of}not alone", *PARALLEL, *measure]
    alone = ["-m", f"{of}alone", *measure, *report, *marked("alone")]
    yield "tests that run alone", ["pytest", *PROGRESS, *alone]
    if coverage:
        core = ["report", "--include=bridge/core/*", "--fail-under=100", "--skip-covered"]
        yield "coverage of bridge/core", ["coverage", *core]


def marked(name: str) -> list[str]:
    """Returns the files whose tests have a mark: collecting all 15,000 tests takes as long as these tests."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [
        file.relative_to(ROOT).as_posix()
        for file in files
        if f"mark.{name}" in file.read_text(encoding="utf-8")
    ]


def run_parts(every: Sequence[tuple[str, list[str]]], env: dict[str, str]) -> int:
    """
    Runs each part and returns the first exit code that isn't 0; a line tells the part and the time so far.

    What comes before the tests runs beside the first of them and is printed first. After a part that fails,
    only tests are still run.
    """
    begin = time.monotonic()
    beside = next(number for number, (_, command) in enumerate(every, 1) if command[0] == "pytest")
    started = [start([str(PYTHON), "-m", *command], env) for _, command in every[:beside]]
    first = 0
    for number, (name, command) in enumerate(every, 1):
        if first and command[0] != "pytest" and number > beside:
            break
        print(f"[{number}/{len(every)}] {name} ({clock(time.monotonic() - begin)})", flush=True)
        later = [str(PYTHON), "-m", *command]
        status = finish(started[number - 1]) if number <= beside else run(later, env)
        first = first or status
    total = clock(time.monotonic() - begin)
    print(f"failed after {total}, exit code {first}" if first else f"all passed in {total}", flush=True)
    return first


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def install(lock: str, extends: str | None = None) -> None:
    """Makes `.venv` what `lock` says; what a larger lock (`extends`) installed serves as well."""
    wanted = fingerprint(lock)
    stamp = VENV / "installed.txt"
    done = stamp.read_text() if stamp.exists() else ""
    if done == wanted or (extends and done == fingerprint(extends)):
        return
    if not PYTHON.exists():
        print(f"Making {VENV} ...", flush=True)
        make_venv()
    print(f"Installing what {lock} pins (once; a few minutes) ...", flush=True)
    # The lock is whole, so nothing is left to resolve: pip, asked for `coverage[toml]` by a dependency, would
    # take a version newer than the pinned `coverage` and then refuse it, as no hash is given.
    pip("install", "--quiet", "--no-deps", "--require-hashes", "--requirement", lock)
    pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ".")
    stamp.write_text(wanted)


def make_venv() -> None:
    try:
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    except (subprocess.CalledProcessError, ImportError):
        sys.exit(
            refuse("This Python has no venv or ensurepip: install them (Debian: apt install python3-venv).")
        )


def fingerprint(lock: str) -> str:
    """Changes with everything that an installation depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for name in (lock, "setup.cfg", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return f"{lock} {digest.hexdigest()}\n"


def environment() -> dict[str, str]:
    """Returns the caller's environment, with the editors that `tools/engines.py` finds."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("engines", ROOT / "tools" / "engines.py")
    assert spec is not None and spec.loader is not None
    engines = module_from_spec(spec)
    sys.modules["engines"] = engines
    spec.loader.exec_module(engines)
    found: dict[str, str] = engines.environment()
    return {**os.environ, **found}


def testing(require: bool) -> dict[str, str]:
    """Returns the environment of tests, which fail if `require` and an engine or a model is missing."""
    env = environment()
    # They start a thousand processes, each of which would compile all of our modules anew.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    if require:
        env["POPBRIDGE_REQUIRE_ENGINES"] = "1"
        env["POPBRIDGE_REQUIRE_MODELS"] = "1"
    return env


def pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout)
        sys.exit(refuse("pip could not install what PopBridge needs; its own words are above."))


def run(command: list[str], env: dict[str, str]) -> int:
    return subprocess.call(command, cwd=ROOT, env=env)


def start(command: list[str], env: dict[str, str]) -> subprocess.Popen[str]:
    """Starts a command whose output `finish` prints; a pipe holds some 64 KiB until then."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def finish(process: subprocess.Popen[str]) -> int:
    """Prints what a process says until it ends, and returns its exit code."""
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            print(line, end="", flush=True)
    return process.wait()


def refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
