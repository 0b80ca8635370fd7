"""`popbridge tune`, as a person at a shell meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.usefixtures("acme")
class TestTune:
    def test_what_is_worth_a_batch_is_measured_shown_and_kept(self, popbridge: Any, home: Path) -> None:
        code, out, _ = popbridge("tune", "acme.length")
        assert code == 0 and "acme.length" in out and "times" in out
        assert "acme.length 1 CPU" in json.loads((home / "cache" / "batching.json").read_bytes())

    def test_it_tells_programs_every_rate(self, popbridge: Any) -> None:
        _, out, _ = popbridge("tune", "acme.length", "--json")
        (line,) = out.splitlines()
        said = json.loads(line)
        assert said["workload"] == "acme.length" and set(said["rates"]) == {"1", "2", "4"}
        assert str(said["max_rows"]) in said["rates"]

    def test_a_workload_that_has_no_batches_is_named(self, popbridge: Any) -> None:
        code, _, err = popbridge("tune", "acme.size")
        assert code == 2 and "'acme.size'" in err and "acme.length" in err
