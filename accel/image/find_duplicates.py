"""`image.find_duplicates`: which of many images are equal or nearly so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from accel.text import AnyText
from accel.workload import Input, Limits, Output, Params, workload


class FindDuplicates(Params, frozen=True):
    """What counts as equal."""

    looks: Annotated[
        bool,
        Meta(
            description="Whether to look for images that are nearly the same too: smaller or lossy copies, "
            "small changes."
        ),
    ] = True


class DuplicateGroup(Struct, frozen=True):
    """Two or more images that are alike."""

    how: Literal["file", "pixels", "looks"]
    """What they share: all bytes, all pixels, or only the looks. Of images that share all pixels, only the
    first is in a group of `looks`."""
    inputs: Sequence[int]
    """Which they are, counted from 0; of `looks`, the first is the one that the others are like."""
    names: Sequence[str]
    """What the asker calls them, in the same order, which is alphabetical."""
    wasted: int
    """Bytes of all these files but the largest."""


class Unread(Struct, frozen=True):
    """An image that couldn't be looked at."""

    input: int
    """Which it is, counted from 0."""
    name: str
    """What the asker calls it."""
    code: str
    """The error's code."""
    reason: AnyText
    """What is wrong with it; it reads well after "NAME: "."""


class Duplicates(Struct, frozen=True):
    """The images that are alike."""

    groups: Sequence[DuplicateGroup]
    """In alphabetical order of their names."""
    failed: Sequence[Unread]
    """What couldn't be read or decoded, and is in no group."""


@workload("image.find_duplicates", version=4, params=FindDuplicates, inputs=(2, 4096))
def find_duplicates(inputs: Sequence[Input], params: FindDuplicates, limits: Limits) -> Output:
    """Finds the same files, the same pictures in other files, and pictures that look the same.

    Equal files are known by SHA-256 and decoded once; equal pixels by their checksums, whatever the format;
    looks by perceptual hash, mean colour and contrast, so that flat images are never said to look alike.
    Cubes, arrays and volumes are equal as files alone. A broken image is told and costs the others nothing.
    Value: a `Duplicates`.
    """
    from accel.image.grouping import grouped

    return Output(grouped(inputs, params.looks, limits))
