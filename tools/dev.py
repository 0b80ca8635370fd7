"""Set-up and the commands of this repository: `demo`, `docs` and `test`; the standard library only.

    python tools/dev.py demo [ARGUMENTS OF popbridge demo]
    python tools/dev.py docs [ARGUMENTS OF sphinx-build]
    python tools/dev.py test [--require-engines] [--no-engines] [--python VERSION] [ARGUMENTS OF pytest]

Each makes `.venv` (`.venv-VERSION` for another Python), installs what the lock file pins, and does its job.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / os.environ.get("DEV_VENV", ".venv")
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
PYTHON = BIN / ("python.exe" if sys.platform == "win32" else "python")
OLDEST = (3, 11)

AT_ONCE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""Two files of tests at a time, as each waits for half of its own; a file's tests share what it sets up."""


def main(arguments: list[str]) -> int:
    if sys.version_info < OLDEST:
        return refuse(
            f"PopBridge needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {sys.version.split()[0]}."
        )
    if "--python" in arguments:
        return run_on_other_python(arguments)
    commands = {"demo": demo, "docs": docs, "test": test}
    if not arguments or arguments[0] not in commands:
        return refuse(__doc__ or "")
    return commands[arguments[0]](arguments[1:])


def run_on_other_python(arguments: list[str]) -> int:
    """Runs this script by the Python that `--python` names (3.13, or a path), with a venv of its own."""
    at = arguments.index("--python")
    wanted = arguments[at + 1] if at + 1 < len(arguments) else ""
    python = shutil.which(f"python{wanted}") or shutil.which(wanted)
    if not wanted or python is None:
        return refuse(f"--python needs a version that is installed, such as 3.13, or a path; got {wanted!r}.")
    ask = "import sys; print('{}.{}'.format(*sys.version_info))"
    version = subprocess.check_output([python, "-c", ask], text=True).strip()
    env = {**os.environ, "DEV_VENV": f".venv-{version}"}
    return run([python, __file__, *arguments[:at], *arguments[at + 2 :]], env)


def demo(arguments: list[str]) -> int:
    """The demo, with a real editor if there is one."""
    install("requirements.lock", extends="requirements-dev.lock")
    return subprocess.call([str(BIN / "popbridge"), "demo", *arguments], env=environment())


def test(arguments: list[str]) -> int:
    """Lint, types and all tests, in the engines that can be had."""
    require = "--require-engines" in arguments
    arguments = [a for a in arguments if a not in ("--require-engines", "--no-engines")]
    install("requirements-dev.lock")
    if "--no-engines" not in sys.argv:
        engines = [str(PYTHON), "tools/engines.py", *(["--require"] if require else [])]
        if status := run(engines, environment()):
            return status
    env = testing(require)
    if not arguments:
        for check in (["ruff", "format", "--check", "-q", "."], ["ruff", "check", "-q", "."], ["mypy"]):
            if status := run([str(PYTHON), "-m", *check], env):
                return status
    if arguments:
        return run([str(PYTHON), "-m", "pytest", *arguments], env)
    return everything(env)


def everything(env: dict[str, str]) -> int:
    """All tests, and how much they cover: editors come last and alone, as one takes both cores itself."""
    most = ["-m", "not engine", *AT_ONCE, "--cov", "--cov-report="]
    report = ["--cov-report=term:skip-covered", "--cov-fail-under=90"]
    editors = ["-m", "engine", "--cov", "--cov-append", *report]
    core = ["coverage", "report", "--include=bridge/core/*", "--fail-under=100", "--skip-covered"]
    pytest = [str(PYTHON), "-m", "pytest"]
    # Whatever fails in the first part, what fails in the second is worth knowing, too.
    red = [status for part in (most, editors) if (status := run([*pytest, *part], env))]
    return red[0] if red else run([str(PYTHON), "-m", *core], env)


def docs(arguments: list[str]) -> int:
    """Builds the documentation site in `build/docs`; a broken link or reference fails."""
    install("requirements-dev.lock")
    strict = ["-W", "--keep-going", "-n", "-q"]
    return run([str(PYTHON), "-m", "sphinx", *strict, *arguments, "docs", "build/docs"], environment())


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
    """The caller's, with the editors that `tools/engines.py` knows."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("engines", ROOT / "tools" / "engines.py")
    assert spec is not None and spec.loader is not None
    engines = module_from_spec(spec)
    sys.modules["engines"] = engines
    spec.loader.exec_module(engines)
    found: dict[str, str] = engines.environment()
    return {**os.environ, **found}


def testing(require: bool) -> dict[str, str]:
    """The same for tests, which fail where `require` and an engine or a model isn't there."""
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


def refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
