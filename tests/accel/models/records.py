"""Models that tests make up, of contents that they make too."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from accel.models.manifest import File, Model, Part, Source


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def part(data: bytes) -> Part:
    return Part(sha256(data), len(data))


def file(data: bytes, *sources: Source, name: str = "model.onnx", **more) -> File:
    return File(name, sha256(data), len(data), sources, **more)


def model(*files: File, name: str = "tiny") -> Model:
    return Model(name, "1", "Does nothing", (), "MIT", "the test", files)


def wheel(
    folder: Path, members: dict[str, bytes], project: str = "tiny_weights", version: str = "1.0"
) -> Path:
    """A wheel as pip takes it."""
    info = f"{project}-{version}.dist-info"
    members = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{project}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
