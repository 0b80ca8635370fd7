"""C# as Unity compiles it, on both runtimes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools import csharp

pytestmark = pytest.mark.skipif(
    not csharp.is_ready() and not os.environ.get("POPBRIDGE_REQUIRE_ENGINES"),
    reason="Roslyn or Mono isn't there: python tools/csharp.py",
)

LIBRARY = """
namespace Words {
    public record Pair(int Left, string Right);
}
namespace System.Runtime.CompilerServices { public static class IsExternalInit { } }
"""
PROGRAM = """
public static class Program {
    public static int Main(string[] words) {
        var pair = new Words.Pair(1, "x") with { Left = words.Length };
#if GREET
        System.Console.Write(pair);
#endif
        return pair.Left is > 0 and < 9 ? 7 : 0;
    }
}
"""


def test_programs_run_on_both_runtimes(tmp_path: Path) -> None:
    (tmp_path / "Words.cs").write_text(LIBRARY)
    (tmp_path / "Program.cs").write_text(PROGRAM)
    library, program = tmp_path / "Words.dll", tmp_path / "Program.exe"
    said = csharp.compile_programs(
        {"out": library, "sources": [tmp_path / "Words.cs"], "library": True},
        {"out": program, "sources": [tmp_path / "Program.cs"], "defines": ["GREET"], "references": [library]},
    )
    assert said == [[], []]
    for runtime, command in csharp.commands(program).items():
        done = subprocess.run([*command, "one"], capture_output=True, env=csharp.environment(), timeout=60)
        assert (done.returncode, done.stdout) == (7, b"Pair { Left = 1, Right = x }"), runtime


def test_errors_name_the_file_and_the_line(tmp_path: Path) -> None:
    # C# 10, which Unity doesn't know.
    (tmp_path / "New.cs").write_text("namespace A;\npublic class B { }\n")
    (errors,) = csharp.compile_programs({"out": tmp_path / "New.dll", "sources": [tmp_path], "library": True})
    assert "New.cs(1," in errors[0] and ": error CS" in errors[0]
