"""What a fix leaves of a file with import settings: every byte but the values that it changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from bridge.api import ProjectSupport
from bridge_godot.adapter import Godot3, Godot4
from bridge_unity.plugin import UnityProjects
from tests.audit.projects import IMPORT3, IMPORT4
from tests.unity.projects import meta

BOM = b"\xef\xbb\xbf"
COMPRESSION = "DefaultTexturePlatform.textureCompression"
NOTES = ("note", "Größe", "岩石", "textureType: 7", "a=b")


class Kind(Struct, frozen=True):
    """A kind of file with import settings, and a fix of it."""

    support: Callable[[], ProjectSupport | None]
    path: str
    file: str
    text: str
    comment: str
    """Starts a comment."""
    ends_lines: bool
    """Whether a comment may follow a value."""
    movable: str
    """The prefix of lines whose order doesn't matter and that stand together."""
    options: Mapping[str, Any]
    before: Mapping[str, Any]
    bytes: Mapping[bytes, bytes]
    """What the fix changes in the file, once each."""


def _unmoved(text: str) -> str:
    return text.format(name="rock.png", file="rock.png", uid="abc")


UNITY = Kind(
    UnityProjects,
    "Assets/rock.png",
    "Assets/rock.png",
    meta(),
    "#",
    True,
    "    ",
    {"textureType": "NormalMap", "sRGBTexture": False, COMPRESSION: "CompressedHQ"},
    {"textureType": "Default", "sRGBTexture": True, COMPRESSION: "Compressed"},
    {
        b"  textureType: 0": b"  textureType: 1",
        b"    sRGBTexture: 1": b"    sRGBTexture: 0",
        b"    textureCompression: 1": b"    textureCompression: 2",
    },
)  # fmt: skip
GODOT4 = Kind(
    lambda: Godot4().project,
    "res://rock.png",
    "rock.png",
    _unmoved(IMPORT4),
    ";",
    False,
    "compress/",
    {"compress/mode": 2, "mipmaps/generate": True},
    {"compress/mode": 0, "mipmaps/generate": False},
    {b"compress/mode=0": b"compress/mode=2", b"mipmaps/generate=false": b"mipmaps/generate=true"},
)
GODOT3 = Kind(
    lambda: Godot3().project,
    "res://rock.png",
    "rock.png",
    _unmoved(IMPORT3),
    ";",
    False,
    "compress/",
    {"compress/mode": 2, "flags/mipmaps": True},
    {"compress/mode": 0, "flags/mipmaps": False},
    {b"compress/mode=0": b"compress/mode=2", b"flags/mipmaps=false": b"flags/mipmaps=true"},
)
KINDS = {"unity": UNITY, "godot3": GODOT3, "godot4": GODOT4}


def odd(kind: Kind, seed: int, ends: str) -> bytes:
    """Returns the file with its lines in another order, comments, blanks, a mark and mixed ends of lines."""
    chance = random.Random(seed)
    lines = kind.text.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(kind.movable))
    last = next(at for at, line in enumerate(lines) if at > first and not line.startswith(kind.movable))
    moved = lines[first:last]
    chance.shuffle(moved)
    lines[first:last] = moved
    texts = []
    for line in lines:
        if chance.random() < 0.1:
            texts.append(f"{kind.comment} {chance.choice(NOTES)}")
        blank = " " * chance.choice([0, 0, 0, 1, 3])
        note = f" {kind.comment} note" if kind.ends_lines and line and chance.random() < 0.1 else ""
        texts.append(line + note + (blank if kind.ends_lines else ""))
    newlines = {"mixed": ["\n", "\r\n"], "unix": ["\n"], "windows": ["\r\n"]}[ends]
    text = "".join(each + chance.choice(newlines) for each in texts)
    if chance.random() < 0.2:
        text = text.rstrip("\r\n")
    return (BOM if chance.random() < 0.5 else b"") + text.encode()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@given(seed=st.integers(0, 1 << 32), ends=st.sampled_from(["unix", "windows", "mixed"]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_fix_changes_its_values_alone_and_its_revert_restores_every_byte(
    kind: Kind, seed: int, ends: str, tmp_path: Path
) -> None:
    support = kind.support()
    assert support is not None
    content = odd(kind, seed, ends)
    suffix = ".meta" if kind is UNITY else ".import"
    image = tmp_path / kind.file
    image.parent.mkdir(exist_ok=True)
    image.write_bytes(b"png")
    file = image.with_name(image.name + suffix)
    file.write_bytes(content)
    done = support.apply(tmp_path, [{"path": kind.path, "options": kind.options}])
    assert done["errors"] == [] or kind is not UNITY
    expected = content
    for old, new in kind.bytes.items():
        assert expected.count(old) >= 1
        expected = expected.replace(old, new, 1)
    assert file.read_bytes() == expected
    support.apply(tmp_path, [{"path": kind.path, "options": kind.before}])
    assert file.read_bytes() == content
