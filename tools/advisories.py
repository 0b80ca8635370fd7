"""Asks the advisory database about every pinned dependency, and fails for known vulnerabilities.

Without the database, as on a machine without internet, it says so and passes: that is no finding.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
TIMEOUT_S = 90.0
COMMAND = (
    "-m",
    "pip_audit",
    "--disable-pip",
    "--no-deps",
    "--progress-spinner=off",
    "--timeout=5",
    "--format=json",
)

ACCEPTED: Mapping[str, str] = {}
"""Advisories that don't concern us: the reason by id."""


def main() -> int:
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND, f"--requirement={LOCK}"],
            capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S,
        )  # fmt: skip
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        print("The advisory database can't be reached: nothing was audited.")
        return 0
    return judge(report)


def judge(report: Mapping[str, Any]) -> int:
    """Prints what pip-audit reports and returns the exit code: 1 for a vulnerability that isn't accepted."""
    every = report["dependencies"]
    audited = [each for each in every if "skip_reason" not in each]
    found = [(each, flaw) for each in audited for flaw in each["vulns"] if flaw["id"] not in ACCEPTED]
    for each, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {flaw['id']}, mended in {mended}")
    print(f"{len(audited)} of {len(every)} pinned dependencies audited, {len(found)} vulnerabilities.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
