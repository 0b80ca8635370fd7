"""The tool that counts the files a request passes through."""

from tools.walks import ROOT, usual


def test_a_file_counts_if_it_runs_in_most_repetitions() -> None:
    windows = [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0)]
    always, once = str(ROOT / "bridge" / "a.py"), str(ROOT / "accel" / "b.py")
    calls = [(at, always, f"f{at:.0f}") for at in (0.5, 1.5, 2.5, 4.5)] + [(2.6, once, "tick")]
    assert usual(calls, windows) == {"bridge/a.py": {"f0", "f2", "f4"}}
