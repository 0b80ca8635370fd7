"""Writes docs/reference/compatibility.json: what the conformance checks and the tests in editors have shown.

Only what passed is written. If a test fails, or an engine is missing, nothing is written of that part.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.conformance.checks import CHECKS, Case, cases  # noqa: E402
from tools import dev, engines, generate  # noqa: E402
from tools.generators import _first_party  # noqa: E402
from tools.generators.compatibility import RECORD, Real, Record, Simulated, read  # noqa: E402

RESULTS = ROOT / "build" / "compatibility.xml"
PARTS: Mapping[str, Sequence[str]] = {
    "simulated": ("tests/conformance/test_conformance.py", "-k", "not published_results"),
    "editors": ("-m", "engine", "tests/e2e/test_editors.py", "tests/conformance/test_default_options.py"),
    "runtimes": ("tests/unity/editor", "tests/unreal/test_editor.py"),
}
"""The arguments of pytest."""
REAL_CHECKS: Mapping[str, Sequence[str]] = {
    "test_godots_are_those_that_the_editor_writes": ("files",),
    "test_one_popup_advises_on_one_import_and_apply_changes_the_project_and_revert_puts_it_back":
        ("popup", "observed", "revert"),
    "test_a_revert_leaves_what_somebody_has_changed_since_and_names_it": ("kept",),
    "test_settings_are_applied_once_although_the_daemon_dies_when_it_has_just_been_answered": ("resume",),
}  # fmt: skip
"""By the test in real editors: the checks that it shows there."""
RUNTIMES = {
    "coreclr": ("unity", ".NET"), "mono": ("unity", "Mono"), "3.7": ("unreal", "Python 3.7"),
    "3.9": ("unreal", "3.9"), "3.11": ("unreal", "3.11"),
}  # fmt: skip
"""By the parameter of tests of addons: the engine, and what ran its addon."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all by default")
    parts = parser.parse_args(arguments).part or list(PARTS)
    if unknown := set(parts) - PARTS.keys():
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    record = read() if (ROOT / RECORD).exists() else Record()
    for part in parts:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={RESULTS}"]
        if status := subprocess.call([*command, *PARTS[part]], cwd=ROOT, env=dev.testing(True)):
            print(f"compatibility: {part} failed, so that its results stay as they were", file=sys.stderr)
            return status
        passed = list(read_results(RESULTS.read_text(encoding="utf-8")))
        if part == "simulated":
            record.checks = dict(CHECKS)
            record.simulated = simulated(passed, cases(_first_party.registry().adapters))
        elif part == "editors":
            record.editors = editors(passed, engines.versions())
        else:
            record.runtimes = runtimes(passed)
        write(record)
    return generate.main([])


def write(record: Record) -> None:
    text = msgspec.json.format(msgspec.json.encode(record), indent=1).decode() + "\n"
    (ROOT / RECORD).write_text(text, encoding="utf-8", newline="\n")


def read_results(report: str) -> Iterator[tuple[str, str]]:
    """Yields the name of each test of a JUnit report that passed, and its parameters."""
    for test in ElementTree.fromstring(report).iter("testcase"):
        if all(test.find(reason) is None for reason in ("failure", "error", "skipped")):
            name, _, parameters = test.get("name", "").partition("[")
            yield name, parameters.removesuffix("]")


def simulated(passed: Sequence[tuple[str, str]], every: Sequence[Case]) -> dict[str, Simulated]:
    """What each simulated editor passed, by the case's name."""
    ids = {parameters for _, parameters in passed}
    return {
        case.name: Simulated(
            case.adapter.name, case.version, case.exact,
            [check for check in case.checks if f"{case.name.replace(' ', '-')}-{check}" in ids],
        )
        for case in every
    }  # fmt: skip


def editors(passed: Sequence[tuple[str, str]], versions: Mapping[str, str]) -> dict[str, Real]:
    """What each real editor passed, by its adapter. Raises ValueError if a test of `REAL_CHECKS` is gone."""
    if missing := REAL_CHECKS.keys() - {name for name, _ in passed}:
        raise ValueError(f"no such test passed: {min(missing)}")
    found: dict[str, list[str]] = {}
    for name, adapter in passed:
        found.setdefault(adapter, []).extend(REAL_CHECKS.get(name, ()))
    return {
        adapter: Real(versions[re.sub(r"(\D+)(\d)", r"\1 \2", adapter).capitalize()], sorted(checks))
        for adapter, checks in found.items()
    }


def runtimes(passed: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """What ran the addons' own code, by engine."""
    tried = {part for _, parameters in passed for part in parameters.split("-")}
    found: dict[str, list[str]] = {}
    for parameter, (engine, runtime) in RUNTIMES.items():
        if parameter in tried:
            found.setdefault(engine, []).append(runtime)
    return found


if __name__ == "__main__":
    sys.exit(main())
