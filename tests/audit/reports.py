"""A report to be told, with names that nobody should meet."""

from __future__ import annotations

from accel.texture.kinds import Evidence
from bridge.advisors.findings import Finding
from bridge.audit.results import Group, Issue, Report, Row
from bridge.core.textures import TextureIntent

EVIL = '<script>alert(1)</script>"&\x1b[31m\n\udcff岩.png'
MIPMAPS = Finding("no_mipmaps", 1, "no_mipmaps", {}, TextureIntent(mipmaps=True))
EVIDENCE = [
    Evidence("pixels", "looks like ui (60%)", "ui"),
    Evidence("name", EVIL, "albedo"),
    Evidence("project", "71% of its project's textures", "albedo"),
]


def told() -> Report:
    """What an audit of a game has found, in names that would steer a page or a terminal."""
    issues = [Issue("unreadable", 2, "unreadable", {"reason": "<b>" + EVIL}), Issue.of(MIPMAPS)]
    worst = Row(
        EVIL, f"res://{EVIL}", issues, {"m": False}, {"m": True, "p": "<i>"},
        width=64, height=32, size=5000, kind="albedo", content="ab" * 32, picture=b"RIFFxxxxWEBP",
        probability=0.973, evidence=EVIDENCE,
    )  # fmt: skip
    note = Row("a b/c#d%.png", "c", [Issue("unsupported", 0, "unreadable", {"reason": "is a SVG file"})])
    return Report(
        name="game", root="/somewhere/game", engine="acme 1.0", rows=[worst, note], textures=7,
        groups=[Group("file", ["x.png", EVIL], 2048), Group("looks", ["y.png", "z.png"], 10)],
        kinds={"albedo": 6},
    )  # fmt: skip
