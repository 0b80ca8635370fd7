"""Workloads of several inputs and outputs, for `popbridge run`; a worker imports them by their name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accel.image.operation import Operated, Reading, Writing, operation
from accel.workload import Input, Limits, Output, OutputFile, Params, workload
from bridge.host import host


class Nothing(Params, frozen=True):
    """No parameters."""


class Blur(Writing, frozen=True):
    """How far."""

    radius: int = 1


class Text(Params, frozen=True):
    text: str = ""


@operation("test.blur", version=3, params=Blur)
def blur(images: Sequence[Any], params: Blur, limits: Limits) -> Operated:
    """Blurs an image."""
    return Operated({"blurred": images[0]})


@operation("test.merge", version=1, params=Blur, inputs=(1, 3))
def merge(images: Sequence[Any], params: Blur, limits: Limits) -> Operated:
    """Makes one image of several."""
    return Operated({"merged": images[0]})


@operation("test.helped", version=1, params=Blur, inputs=(1, 2), companions=True)
def helped(images: Sequence[Any], params: Blur, limits: Limits) -> Operated:
    """Makes one image of one, with the help of another."""
    return Operated({"helped": images[0]})


@operation("test.measure", version=1, params=Reading, inputs=2)
def measure(images: Sequence[Any], params: Reading, limits: Limits) -> Operated:
    """Makes no image of two."""
    return Operated(value={"names": [image.name for image in images]})


@operation("test.levels", version=1, params=Writing)
def levels(images: Sequence[Any], params: Writing, limits: Limits) -> Operated:
    """Makes three images, two of them equal."""
    (image,) = images
    dark = image.with_pixels(image.pixels // 2)
    return Operated({"a/light": image, "same": image, "dark": dark})


@operation("test.parts", version=1, params=Writing, splits=True)
def parts(images: Sequence[Any], params: Writing, limits: Limits) -> Operated:
    """Makes two images of one."""
    return Operated({"one": images[0], "other": images[0]})


@workload("test.sheet", version=1, params=Text, inputs=(1, 9))
def sheet(inputs: Sequence[Input], params: Text, limits: Limits) -> Output:
    """Makes an image and a list."""
    data = Path(inputs[0].path).read_bytes()
    listed = ",".join(one.name for one in inputs).encode()
    return Output(
        None, [OutputFile("sheet", "image/png", data), OutputFile("sheet", "application/json", listed)]
    )


@workload("test.count", version=1, params=Text, inputs=(1, 4096))
def count(inputs: Sequence[Input], params: Text, limits: Limits) -> Output:
    """Counts its inputs."""
    return Output(len(inputs))


@workload("test.long", version=1, params=Text)
def long(inputs: Sequence[Input], params: Text, limits: Limits) -> Output:
    """Gives its text a thousand times."""
    return Output(params.text * 1000)


@workload("test.slow", version=1, params=Text)
def slow(inputs: Sequence[Input], params: Text, limits: Limits) -> Output:
    """Copies a file; where its name ends with `slow`, waits for ever after having said so."""
    path = Path(inputs[0].name)
    if path.stem.endswith("slow"):
        path.with_suffix(".begun").touch()
        while True:
            time.sleep(60)
    return Output(path.name, [OutputFile("copy", "image/png", Path(inputs[0].path).read_bytes())])


ALL = {
    each.workload.name: each.workload
    for each in (blur, merge, helped, parts, measure, levels, sheet, count, long, slow)
}


def registry() -> host.Registry:
    """These alone, and the images' own."""
    return host.Registry(workloads={**host.load().workloads, **ALL})
