"""Many images looked at one after the other, and the groups of those that are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from accel.image.digests import file_digest
from accel.image.duplicates import Alike, duplicates
from accel.image.find_duplicates import DuplicateGroup, Duplicates, Unread
from accel.image.fingerprint import Fingerprint, fingerprint_of
from accel.image.load import decode_image
from accel.progress import progress
from accel.workload import Input, Limits, WorkloadError


class _Seen(Struct, frozen=True):
    """A file that was looked at."""

    fingerprint: Fingerprint
    size: int
    """Bytes."""


def grouped(inputs: Sequence[Input], looks: bool, limits: Limits) -> Duplicates:
    """The groups among all inputs that can be decoded, and those that can't."""
    seen: dict[str, _Seen] = {}
    files: dict[str, _Seen] = {}
    failed = []
    # Names needn't be unique: what follows a NUL, which no name has, keeps them apart and in order.
    keys = {f"{source.name}\0{index:04}": index for index, source in enumerate(inputs)}
    for done, (key, index) in enumerate(keys.items()):
        progress(done, len(keys))
        try:
            seen[key] = _looked_at(inputs[index], files, limits)
        except WorkloadError as error:
            failed.append(Unread(index, inputs[index].name, error.code, error.reason))
    found = duplicates({key: one.fingerprint for key, one in seen.items()})
    groups = [_group(alike, keys, inputs, seen) for alike in found if looks or alike.how != "looks"]
    return Duplicates(groups, failed)


def _looked_at(source: Input, files: dict[str, _Seen], limits: Limits) -> _Seen:
    """Equal files, by their digest in `files`, are decoded once. Raises WorkloadError."""
    try:
        digest = file_digest(source.path)
    except (OSError, ValueError):
        # Decoding says what is wrong with it.
        digest = ""
    if not digest or digest not in files:
        decoded = decode_image(source, limits)
        files[digest] = _Seen(fingerprint_of(source, decoded, digest), decoded.size)
    return files[digest]


def _group(
    alike: Alike, keys: Mapping[str, int], inputs: Sequence[Input], seen: Mapping[str, _Seen]
) -> DuplicateGroup:
    members = [keys[name] for name in alike.names]
    sizes = [seen[name].size for name in alike.names]
    return DuplicateGroup(
        alike.how, members, [inputs[index].name for index in members], sum(sizes) - max(sizes)
    )
