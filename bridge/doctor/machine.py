"""Checks of this machine: Python, folders, settings, plugins, keys, database, GPU and onnxruntime."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from accel.devices import current
from accel.execution import sandbox
from accel.text import AnyText, plural, text
from bridge import __version__
from bridge.core.errors import UserError
from bridge.core.settings import Settings, resolve
from bridge.doctor.check import UPDATE, Check, Level, Results, Step
from bridge.host.host import Registry
from bridge.host.plugin_policy import read_settings_file
from bridge.paths import Paths, quoted
from bridge.store import audit_check, integrity
from bridge.store.audit_log import AuditLog
from bridge.store.column_encryption import has_state, needed_key
from bridge.store.database import open_for_inspection
from bridge.store.encryption import key_id
from bridge.store.home import OTHERS
from bridge.store.master_key import MasterKey
from bridge.store.records import FAILURES

PLATFORMS = ("linux", "darwin", "win32")
OLDEST_PYTHON = (3, 11)
FULL, SCARCE = 100 << 20, 1 << 30
"""Free bytes below which the disk is an error, and a warning."""
QUICK_BYTES = 16 << 20
"""Larger databases and logs take longer than a person waits; their own commands check them."""
RUNTIMES = (
    "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-rocm",
    "onnxruntime-training", "onnxruntime-silicon",
)  # fmt: skip
"""Distributions with the module `onnxruntime`, which overwrite each other's files."""


def steps(paths: Paths, registry: Registry) -> Iterator[Step]:
    """Yields the checks."""
    yield "machine.python", python
    yield (
        "machine.popbridge",
        lambda: [Check("machine.popbridge", "ok", text("PopBridge {version}.", version=__version__))],
    )
    yield "machine.folders", lambda: folders(paths)
    yield "machine.disk", lambda: disk(paths)
    yield "machine.settings", lambda: settings_file(paths, registry)
    yield "machine.plugins", lambda: plugins(registry)
    yield "machine.key", lambda: master_key(paths, registry)
    yield "machine.database", lambda: database(paths)
    yield "machine.audit-log", lambda: audit_log(paths)
    yield "machine.onnxruntime", onnxruntime
    yield "machine.devices", lambda: devices(paths)
    yield "machine.sandbox", worker_sandbox


def settings_of(paths: Paths, registry: Registry) -> Settings:
    """Returns the settings as the daemon would resolve them; the defaults if they are invalid."""
    try:
        return _resolved(paths, registry)
    except UserError:
        # One line about them is enough.
        return resolve(registry.settings)


def _resolved(paths: Paths, registry: Registry) -> Settings:
    """Raises UserError."""
    file = paths.settings_file
    values = read_settings_file(file)
    return resolve(registry.settings, None, os.environ, values, str(file), plugins_disabled=registry.lacks)


def python() -> Results:
    """Checks Python's version and the operating system."""
    version = platform.python_version()
    values = {"version": version, "system": platform.platform(terse=True)}
    if sys.version_info < OLDEST_PYTHON:
        yield Check(
            "machine.python",
            "error",
            text("Python {version} on {system} is too old.", **values),
            text("Install PopBridge with Python 3.11 or later."),
        )
    elif sys.platform not in PLATFORMS:
        yield Check(
            "machine.python",
            "warning",
            text("Python {version} on {system}, which PopBridge isn't tested on.", **values),
            text("Use Linux, macOS or Windows."),
        )
    else:
        yield Check("machine.python", "ok", text("Python {version} on {system}.", **values))


def folders(paths: Paths) -> Results:
    """Checks owner, permissions and writability of PopBridge's own folders."""
    for folder in dict.fromkeys((paths.data, paths.runtime, paths.cache)):
        yield _folder(folder)


def _folder(folder: Path) -> Check:
    name = "machine.folders"
    place = _existing(folder)
    if not place.is_dir():
        return Check(
            name,
            "error",
            text("{place} is in the way of {folder}: it isn't a folder.", place=place, folder=folder),
            text("Move it, or set POPBRIDGE_HOME to another folder."),
        )
    found = place.stat()
    if place == folder and sys.platform != "win32" and found.st_uid != os.geteuid():
        return Check(
            name,
            "error",
            text("{folder} belongs to another user.", folder=folder),
            text("Set POPBRIDGE_HOME to a folder of your own, or make yourself its owner."),
        )
    if not os.access(place, os.W_OK | os.X_OK):
        return Check(
            name,
            "error",
            text("{folder} can't be written to.", folder=place),
            text("Allow it with `chmod u+rwx {folder}`.", folder=quoted(place))
            if os.name == "posix"
            else text("Allow your user to write there, or set POPBRIDGE_HOME to another folder."),
        )
    if place != folder:
        return Check(name, "ok", text("{folder} is made on the first run.", folder=folder))
    remedy = text("Close it with `chmod 700 {folder}`.", folder=quoted(folder))
    if sys.platform != "win32" and found.st_mode & stat.S_IWOTH:
        return Check(
            name, "error", text("Every user of this machine can write to {folder}.", folder=folder), remedy
        )
    if sys.platform != "win32" and found.st_mode & OTHERS:
        return Check(name, "warning", text("Other users can use {folder}.", folder=folder), remedy)
    return Check(name, "ok", text("{folder} is yours alone and can be written to.", folder=folder))


def _existing(folder: Path) -> Path:
    """Returns the folder, or what exists of the path to it."""
    whole = folder.absolute()
    return next((place for place in (whole, *whole.parents) if os.path.lexists(place)), whole)


def disk(paths: Paths) -> Results:
    """Checks the free space."""
    free = shutil.disk_usage(_existing(paths.data)).free
    status: Level = "error" if free < FULL else "warning" if free < SCARCE else "ok"
    yield Check(
        "machine.disk",
        status,
        text("{size} GiB free for {folder}.", size=f"{free / (1 << 30):.1f}", folder=paths.data),
        ""
        if status == "ok"
        else text("Free space there, or set POPBRIDGE_HOME to a folder on another disk."),
    )


def settings_file(paths: Paths, registry: Registry) -> Results:
    """Checks the names and values in the settings file and the environment."""
    name = "machine.settings"
    try:
        settings = _resolved(paths, registry)
    except UserError as error:
        yield Check(name, "error", error.text, text("See `popbridge config`."))
        return
    for old, new in settings.renamed:
        yield Check(
            name,
            "warning",
            text("The setting {old} is now called {new}.", old=old, new=new),
            text("Rename it in {file} or in the environment.", file=paths.settings_file),
        )
    for ignored in settings.ignored:
        yield Check(
            name,
            "warning",
            text("The setting {name} is ignored: no loaded plugin has it.", name=ignored),
            text("See `popbridge plugins`."),
        )
    if not settings.renamed and not settings.ignored:
        exists = paths.settings_file.exists()
        yield Check(
            name,
            "ok",
            text("The settings in {file} are valid.", file=paths.settings_file)
            if exists
            else text("There is no settings file: the defaults count."),
        )


def plugins(registry: Registry) -> Results:
    """Checks which plugins are loaded, blocked, broken or new."""
    name, found = "machine.plugins", False
    for plugin in registry.plugins:
        if plugin.status == "disabled":
            found = True
            yield Check(
                name,
                "error" if plugin.is_own else "warning",
                text("{plugin} can't be loaded: {reason}.", plugin=plugin.text, reason=plugin.reason),
                text("See `popbridge plugins --traceback`."),
            )
        elif plugin.status == "blocked":
            found = True
            yield Check(
                name, "ok", text("{plugin} is blocked: {reason}.", plugin=plugin.text, reason=plugin.reason)
            )
        elif plugin.news and not plugin.is_own:
            found = True
            yield Check(
                name,
                "warning",
                text("{plugin} is new or changed since a daemon last started.", plugin=plugin.text),
                text("If you don't know it, uninstall it or block it in the settings."),
            )
    if not found:
        count = len(registry.plugins)
        yield Check(name, "ok", plural("{n} plugin is loaded.", "{n} plugins are loaded.", count))


def master_key(paths: Paths, registry: Registry) -> Results:
    """Checks that there is the master key that the database needs."""
    name = "machine.key"
    settings = settings_of(paths, registry)
    ring = MasterKey.find(paths.data, settings["encryption_key_file"], home=paths.home is not None).read()
    needed = None
    if paths.database.exists():
        with (
            contextlib.suppress(*FAILURES),
            contextlib.closing(open_for_inspection(paths.database)) as connection,
        ):
            needed = needed_key(connection) if has_state(connection) else None
    if needed is not None and needed not in map(key_id, ring.keys):
        yield Check(
            name,
            "error",
            text("The master key {key} of the database isn't in {place}.", key=needed, place=ring.place),
            text("Import a copy with `popbridge keys import FILE`."),
        )
    elif not settings["encryption"]:
        yield Check(
            name,
            "warning",
            text("The database isn't encrypted: the setting `encryption` is off."),
            text("Turn the setting on and restart the daemon."),
        )
    elif ring.keys:
        yield Check(name, "ok", text("The master key is in {place}.", place=ring.place))
    else:
        yield Check(
            name,
            "ok",
            text("There is no master key yet; the first run makes it in {place}.", place=ring.place),
        )


def database(paths: Paths) -> Results:
    """Checks the database, if that is quick."""
    name, file = "machine.database", paths.database
    remedy = text("Check it with `popbridge db check`.")
    if not file.exists():
        yield Check(name, "ok", text("There is no database yet; the first run makes it."))
    elif file.stat().st_size > QUICK_BYTES:
        yield Check(name, "ok", text("{file} is large and wasn't checked.", file=file), remedy)
    else:
        report = integrity.inspect(file, quick=True)
        if report.problems:
            yield Check(
                name,
                "error",
                text("The database {file} has a problem: {reason}", file=file, reason=report.problems[0]),
                text("See `popbridge db check`; restore a backup with `popbridge db restore`."),
            )
        elif report.newer:
            yield Check(
                name,
                "error",
                text("{file} was written by a newer PopBridge.", file=file),
                UPDATE,
            )
        else:
            yield Check(name, "ok", text("{file} is intact.", file=file))


def audit_log(paths: Paths) -> Results:
    """Checks that no line of the audit log was changed."""
    name, log = "machine.audit-log", AuditLog(paths)
    files = log.files()
    if not files:
        yield Check(name, "ok", text("The audit log is empty."))
        return
    if sum(file.stat().st_size for file in files) > QUICK_BYTES:
        yield Check(
            name,
            "ok",
            text("{file} is large and wasn't checked.", file=paths.audit_log),
            text("Check it with `popbridge audit-log verify`."),
        )
        return
    problems = audit_check.verify(log).problems
    if problems:
        yield Check(
            name,
            "error",
            text("The audit log was tampered with: {reason}", reason=problems[0].message),
            text("See `popbridge audit-log verify`."),
        )
    else:
        yield Check(name, "ok", text("The audit log is intact."))


def onnxruntime() -> Results:
    """Checks that one distribution alone has the module, without loading it."""
    name = "machine.onnxruntime"
    installed = {}
    for each in RUNTIMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            installed[each] = importlib.metadata.version(each)
    listed = ", ".join(f"{each} {version}" for each, version in installed.items())
    if len(installed) > 1:
        wanted = next((each for each in installed if each != "onnxruntime"), "onnxruntime")
        yield Check(
            name,
            "error",
            text("{packages} overwrite each other's files.", packages=listed),
            text(
                "Run `pip uninstall {others}`, then `pip install --force-reinstall --no-deps {package}`.",
                others=" ".join(each for each in installed if each != wanted),
                package=wanted,
            ),
        )
    elif installed:
        yield Check(name, "ok", text("{packages} is installed.", packages=listed))
    else:
        yield Check(
            name,
            "warning",
            text("onnxruntime isn't installed: models can't run."),
            text("Install it with `pip install --force-reinstall popbridge`."),
        )


def devices(paths: Paths) -> Results:
    """Checks the GPUs as the last test found them; a test would take seconds."""
    name = "machine.devices"
    found = current.load(paths.devices_file)
    if not found.reports:
        yield Check(
            name,
            "ok",
            text("The devices haven't been tested yet."),
            text("Test them with `popbridge devices`."),
        )
        return
    usable = [each.name for each in found.reports if each.usable]
    cuda = next((each for each in found.reports if each.name == "cuda"), None)
    gpus: list[AnyText] = [gpu.name or text("an unnamed GPU") for gpu in found.gpus]
    if gpus and cuda is not None and not cuda.usable:
        yield Check(
            name,
            "warning",
            text("{gpus} isn't used: {reason}.", gpus=gpus, reason=cuda.reason),
            cuda.remedy or text("See `popbridge devices`."),
        )
    elif not usable:
        yield Check(name, "error", text("No device can run models."), text("See `popbridge devices`."))
    elif gpus:
        driver = f"{found.driver // 1000}.{found.driver % 1000 // 10}"
        yield Check(
            name,
            "ok",
            text("{gpus}, driver for CUDA {driver}; models can run on {usable}.",
                 gpus=gpus, driver=driver, usable=usable),
        )  # fmt: skip
    else:
        yield Check(name, "ok", text("Models can run on {usable}.", usable=usable))


def worker_sandbox() -> Results:
    """Checks whether the system can restrict worker processes."""
    reason = sandbox.support()
    if reason:
        yield Check(
            "machine.sandbox",
            "warning",
            text("Worker processes aren't fully restricted: {reason}.", reason=reason),
            text("Open only files that you trust."),
        )
    else:
        yield Check("machine.sandbox", "ok", text("Worker processes are restricted."))
