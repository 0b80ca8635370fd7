"""Conversions of other formats into ONNX files; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accel.models.manifest import File

Convert = Callable[[Sequence[bytes], File], bytes]
"""From the parts' contents, in their order, to the file's."""


def convert(file: File, parts: Sequence[bytes]) -> bytes:
    """The contents of `file`, made of its parts. Raises ValueError where they can't be read."""
    return _converter(file.made_by)(parts, file)


def _converter(name: str) -> Convert:
    # Imported when one is wanted: they need numpy, which listing models doesn't.
    if name == "ncnn":
        from accel.models.ncnn_graph import to_onnx

        return to_onnx
    if name == "efficientnet":
        from accel.models.efficientnet import to_onnx as from_torch

        return from_torch
    raise ValueError(f"there is no conversion {name!r}")
