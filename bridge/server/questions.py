"""What a result depends on, in 32 bytes: equal questions have equal answers."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from accel.image import reading
from accel.models.catalogue import models_of
from accel.workload import Input, Limits, Params, Workload

FORM = 2
"""Raised when kept results look otherwise, or keys are made of something else."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Question(Struct, frozen=True):
    """A request without the contents of its inputs."""

    digest: bytes
    """Of the workload, its code and models, the parameters, and the inputs' names."""

    def outline(self, sizes: Sequence[int]) -> int:
        """64 bits of it and of how long its inputs are, which is known without reading them."""
        made = hashlib.sha256(self.digest + _encoder.encode(sizes)).digest()
        return int.from_bytes(made[:8], "big", signed=True)

    def about(self, contents: Sequence[bytes]) -> bytes:
        """With the digests of the inputs' contents, or with whatever else stands for them."""
        return hashlib.sha256(self.digest + b"".join(contents)).digest()


class Questions:
    """Makes them."""

    def __init__(self, workloads: Mapping[str, Workload], origins: Mapping[str, str], limits: Limits) -> None:
        """`origins`: of which distribution and version a workload is, by its name, where that is known."""
        self._origins = origins
        self._limits = limits
        self._sources: dict[str, str] = {}
        self._fixed = {name: self._of(workload) for name, workload in workloads.items()}

    def ask(self, workload: Workload, params: Mapping[str, Any], inputs: Sequence[Input]) -> Question | None:
        """The question; None for what can't be told from others, as parameters that can't be sent, and for
        what does something that isn't to be kept.

        Raises WorkloadError `bad_params`.
        """
        workload.check_inputs(len(inputs))
        parsed = workload.parse(dict(params))
        parts: Sequence[Workload] = ()
        if workload.composed is not None:
            parsed, parts = workload.composed(parsed, self._limits)
            if not all(part.cached for part in parts):
                return None
        try:
            said = canonical(parsed)
            names = canonical([one.name for one in inputs])
        # Numbers of more than 64 bits, halves of characters, keys that can't be sorted.
        except (ValueError, TypeError, OverflowError, RecursionError):
            return None
        asked = [self._fixed[workload.name], *map(self._of, parts)]
        return Question(hashlib.sha256(_encoder.encode([asked, said, names])).digest())

    def _of(self, workload: Workload) -> bytes:
        models = [[model.name, model.version, model.digest] for model in models_of(workload.name)]
        origin = self._origins.get(workload.name, "")
        source = self._source(workload.target)
        code = [workload.name, workload.version, origin, source, reading.VERSION]
        return _encoder.encode([FORM, *code, models, self._limits.max_pixels])

    def _source(self, target: str) -> str:
        """The digest of the module that a workload is in: whoever writes a plugin changes it without a new
        version."""
        module = target.partition(":")[0]
        if module not in self._sources:
            self._sources[module] = _digest_of(module)
        return self._sources[module]


def canonical(value: Params | Sequence[str]) -> bytes:
    """The same bytes for the same values, whatever order they came in, defaults filled in or not.

    Raises ValueError, TypeError, OverflowError or RecursionError for what can't be encoded.
    """
    return _encoder.encode(value)


def _digest_of(module: str) -> str:
    loaded = sys.modules.get(module)
    try:
        spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(module)
        source = Path(spec.origin).read_bytes() if spec is not None and spec.origin else b""
    except (OSError, ValueError, ImportError):
        source = b""
    return hashlib.sha256(source).hexdigest()
