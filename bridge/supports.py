"""What an adapter says of a project and its textures, held against what bridge.api promises; what is raised
names the method."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, get_args

from accel.given import plain
from bridge.api import Kind, Remark, TextureAsset, TextureIntent
from bridge.core.errors import NotAsPromised

KINDS = frozenset(get_args(Kind))
GUARDS = frozenset({"seen", "expected"})
"""What a change has for `apply` alone: an adapter may give back in what was done all that it was given."""


def check_version(text: object) -> None:
    """Raises NotAsPromised, as all here do."""
    if text is not None and not isinstance(text, str):
        raise NotAsPromised(f"project_version gave {text!r:.80}, wanted text or None")


def check_texture(asset: object) -> None:
    if not isinstance(asset, TextureAsset):
        raise NotAsPromised(f"textures gave {asset!r:.80}, wanted a TextureAsset")
    for name in ("path", "file", "problem"):
        if not isinstance(value := getattr(asset, name), str):
            raise NotAsPromised(f"textures gave a TextureAsset whose {name} is {value!r:.80}, wanted text")
    if asset.options is not None and not isinstance(asset.options, Mapping):
        raise NotAsPromised(f"{asset.file}: its options are {asset.options!r:.80}, wanted a dict or None")


def checked_uses(uses: object) -> Mapping[str, Sequence[Kind]]:
    if not isinstance(uses, Mapping):
        raise NotAsPromised(f"uses gave {uses!r:.80}, wanted a dict of lists of Kind")
    for file, kinds in uses.items():
        if not isinstance(file, str):
            raise NotAsPromised(f"uses gave {file!r:.80} as a file, wanted text")
        listed = isinstance(kinds, Collection) and not isinstance(kinds, str)
        if not listed or not all(isinstance(kind, str) and kind in KINDS for kind in kinds):
            raise NotAsPromised(f"uses gave {kinds!r:.80} for {file}, wanted a list of Kind")
    return uses


def checked_done(done: object) -> Mapping[str, Any]:
    if not isinstance(done, Mapping):
        raise NotAsPromised(f"apply gave {done!r:.80}, wanted a dict of before, after and errors")
    told = {name: _told(name, done[name]) for name in ("before", "after", "errors") if name in done}
    try:
        made: Mapping[str, Any] = plain({**done, **told}, "done")
    except ValueError as error:
        raise NotAsPromised(f"apply gave what no receipt can keep: {error}") from None
    return made


def _told(name: str, told: object) -> list[Mapping[str, Any]]:
    """What is told of files; None is nothing."""
    if told is None:
        return []
    if not isinstance(told, Collection) or isinstance(told, str | bytes | Mapping):
        raise NotAsPromised(f"apply gave {told!r:.80} as {name}, wanted a list of dicts")
    for one in told:
        if not isinstance(one, Mapping) or not isinstance(one.get("path"), str):
            raise NotAsPromised(f"apply gave {one!r:.80} in {name}, wanted a dict with path in it")
        # By them what was written is put back.
        if name != "errors" and not isinstance(one.get("options"), Mapping):
            raise NotAsPromised(f"apply gave {one!r:.80} in {name}, wanted a dict with options in it")
    return [{name: value for name, value in one.items() if name not in GUARDS} for one in told]


def checked_intent(intent: object, adapter: str) -> TextureIntent:
    """`adapter` is its name, which a daemon's log doesn't say otherwise."""
    if not isinstance(intent, TextureIntent):
        raise NotAsPromised(f"{adapter}: read_texture gave {intent!r:.80}, wanted a TextureIntent")
    return intent


def checked_options(options: object, adapter: str) -> dict[str, Any]:
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise NotAsPromised(f"{adapter}: compile_texture gave {options!r:.80}, wanted a dict of options")
    return options


def checked_memory(size: object) -> int | None:
    """Bytes."""
    try:
        return None if size is None else operator.index(size)  # type: ignore[arg-type]
    except TypeError:
        raise NotAsPromised(f"gpu_memory gave {size!r:.80}, wanted a whole number or None") from None


def checked_remarks(remarks: object) -> Iterable[Remark]:
    if not isinstance(remarks, Iterable):
        raise NotAsPromised(f"remarks gave {remarks!r:.80}, wanted Remarks, one after the other")
    return map(checked_remark, remarks)


def checked_remark(remark: object) -> Remark:
    if not isinstance(remark, Remark):
        raise NotAsPromised(f"remarks gave {remark!r:.80}, wanted a Remark")
    for name in ("code", "text", "zh", "about", "about_zh"):
        if not isinstance(value := getattr(remark, name), str):
            raise NotAsPromised(f"remarks gave a Remark whose {name} is {value!r:.80}, wanted text")
    return remark
