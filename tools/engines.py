"""Which game engines are on this machine for the tests, and how to bring those that are missing."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNPACKED = ROOT / ".engines" / "godot4"
VERSIONS = ROOT / ".engines" / "versions.json"

DISPLAY_TOOLS = ("Xvfb", "xdotool", "import")
APT_PACKAGES = {
    "godot3-server": "godot3-server",
    "godot3": "godot3",
    "Xvfb": "xvfb",
    "xdotool": "xdotool",
    "import": "imagemagick",
}
"""The Debian package of each program that a test calls."""
# The machine's own Debian release has no Godot 4.
GODOT4_SUITE = "forky"
GODOT4_PACKAGES = (
    "godot", "libgl1-mesa-dri", "libgl1", "libegl1", "libglx-mesa0", "libegl-mesa0", "libx11-xcb1",
)  # fmt: skip
GODOT4_WINDOW = (
    "--single-window",
    "--rendering-method",
    "gl_compatibility",
    "--rendering-driver",
    "opengl3",
    "--audio-driver",
    "Dummy",
)
"""Arguments with which Godot 4 draws its windows in software."""
GODOT4_SETTINGS = ("editor_settings-4.tres", *(f"editor_settings-4.{minor}.tres" for minor in range(3, 20)))
"""Names that the file of the editor's own settings may have; each minor version has its own."""
SETTINGS = """\
[gd_resource type="EditorSettings" format=2]

[resource]
interface/editor/editor_language = "{language}"
"""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.pgp")


def godot3_server() -> Path | None:
    """A Godot 3 editor that needs no display."""
    return _named("POPBRIDGE_GODOT3", "godot3-server")


def godot3() -> Path | None:
    """A Godot 3 editor with windows."""
    return _named("", "godot3")


def godot4() -> list[str] | None:
    """The command that starts Godot 4, to be followed by its arguments."""
    if wanted := os.environ.get("POPBRIDGE_GODOT4"):
        return [wanted] if Path(wanted).is_file() else shlex.split(wanted)
    for name in ("godot4", "godot"):
        if found := shutil.which(name):
            return [found]
    return _unpacked()


def godot4_window_environment() -> dict[str, str]:
    """What Godot 4 needs in the environment to draw without a graphics card."""
    software = {"LIBGL_ALWAYS_SOFTWARE": "1"}
    command = godot4() or [""]
    if command[-1] != str(UNPACKED / "usr" / "bin" / "godot"):
        return software
    # The machine's own drivers may be too old for the unpacked loader.
    drivers = {
        "LIBGL_DRIVERS_PATH": str(Path(command[0]).parent / "dri"),
        "__EGL_VENDOR_LIBRARY_DIRS": str(UNPACKED / "usr/share/glvnd/egl_vendor.d"),
    }
    return software | drivers


def set_language(config: Path, names: Sequence[str], language: str) -> None:
    """As a person would in the editor's settings; `config` is its `XDG_CONFIG_HOME`."""
    folder = config / "godot"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(SETTINGS.format(language=language), encoding="utf-8")


def have_display_tools() -> bool:
    """Whether windows can be shown, pressed and pictured without a screen."""
    return all(shutil.which(name) for name in DISPLAY_TOOLS)


def environment() -> dict[str, str]:
    """What `bridge_godot` needs in the environment to find these engines."""
    found = {}
    if server := godot3_server():
        found["POPBRIDGE_GODOT3"] = str(server)
    if command := godot4():
        found["POPBRIDGE_GODOT4"] = command[0] if len(command) == 1 else shlex.join(command)
    return found


def missing() -> list[str]:
    """What the tests want and this machine lacks, in words."""
    there = {
        "Godot 3 (godot3-server)": godot3_server(),
        "Godot 3 with windows (godot3)": godot3(),
        "Godot 4": godot4(),
        "Xvfb, xdotool and ImageMagick": have_display_tools(),
    }
    return [name for name, found in there.items() if not found]


def ensure(require: bool) -> int:
    """Brings what is missing, where it may; gives an exit code, 1 if `require` and something still is."""
    if missing():
        _bring()
    for name, version in versions().items():
        print(f"engines: {name} {version}")
    lacking = missing()
    if lacking:
        print(f"engines: missing {', '.join(lacking)}", file=sys.stderr if require else sys.stdout)
    return 1 if require and lacking else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--require", action="store_true", help="exit 1 if an engine can't be had")
    return ensure(parser.parse_args(arguments).require)


def _named(variable: str, name: str) -> Path | None:
    found = os.environ.get(variable) or shutil.which(name)
    return Path(found) if found else None


def _unpacked() -> list[str] | None:
    """Godot 4 from its own folder, run by that folder's own loader: the machine's C library may be older."""
    editor = UNPACKED / "usr" / "bin" / "godot"
    loader = next(iter(sorted(UNPACKED.glob("usr/lib/*/ld-linux-*.so.*"))), None)
    if loader is None or not editor.is_file():
        return None
    libraries = f"{loader.parent}:{loader.parent / 'pulseaudio'}"
    return [str(loader), "--library-path", libraries, str(editor)]


def _bring() -> None:
    if reason := _why_not():
        print(f"engines: {reason}, so that nothing is installed; set POPBRIDGE_GODOT3 and POPBRIDGE_GODOT4")
        return
    try:
        _bring_packages()
        if godot4() is None:
            _unpack_godot4()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"engines: {error}", file=sys.stderr)


def _why_not() -> str:
    if shutil.which("apt-get") is None:
        return "this isn't Debian"
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "not root"
    return ""


def _bring_packages() -> None:
    wanted = {package for name, package in APT_PACKAGES.items() if shutil.which(name) is None}
    if godot4() is None and shutil.which("mmdebstrap") is None:
        wanted.add("mmdebstrap")
    if not wanted:
        return
    print(f"engines: installing {', '.join(sorted(wanted))}", flush=True)
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update", "-qq"], check=True, **quiet)  # type: ignore[call-overload]
    subprocess.run(
        ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *sorted(wanted)],
        check=True,
        **quiet,
    )  # type: ignore[call-overload]


def _unpack_godot4() -> None:
    mirror = _mirror()
    if mirror is None:
        print("engines: apt's configuration names no Debian mirror to take Godot 4 from")
        return
    print(f"engines: unpacking Godot 4 from Debian {GODOT4_SUITE}", flush=True)
    UNPACKED.parent.mkdir(exist_ok=True)
    # Half an unpacking must not look like an engine: it gets its name when it is whole.
    with tempfile.TemporaryDirectory(dir=UNPACKED.parent) as draft:
        folder = Path(draft) / "godot4"
        subprocess.run(
            [
                "mmdebstrap", "--quiet", "--variant=extract", "--mode=root", "--skip=check/empty",
                '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Check-Valid-Until "false"',
                f"--include={','.join(GODOT4_PACKAGES)}", GODOT4_SUITE, str(folder),
                f"deb [signed-by={KEYRING}] {mirror} {GODOT4_SUITE} main",
            ],
            check=True,
        )  # fmt: skip
        shutil.rmtree(UNPACKED, ignore_errors=True)
        folder.rename(UNPACKED)


def _mirror() -> str | None:
    """The Debian mirror that apt is set up with."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True
    ).stdout
    mirrors = (line for line in listed.split() if line.startswith("http") and line.endswith("/debian/"))
    return next(mirrors, None)


def versions() -> dict[str, str]:
    """What each editor says of itself; asked once, because starting one takes a fifth of a second."""
    commands = {"Godot 3": godot3_server(), "Godot 4": godot4()}
    known = _known_versions()
    found: dict[str, str] = {}
    for name, command in commands.items():
        if command is None:
            continue
        words = [str(command)] if isinstance(command, Path) else command
        key = f"{shlex.join(words)} {Path(shutil.which(words[-1]) or words[-1]).stat().st_mtime_ns}"
        found[name] = known.get(key) or _ask_version(words)
        known[key] = found[name]
    VERSIONS.parent.mkdir(exist_ok=True)
    VERSIONS.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return found


def _known_versions() -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(VERSIONS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def _ask_version(command: list[str]) -> str:
    asked = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60, check=False)
    return asked.stdout.strip() or f"says no version (exit code {asked.returncode})"


if __name__ == "__main__":
    sys.exit(main())
