"""What an adapter says of a project, held against `ProjectSupport`; what is raised names the method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from accel.given import plain
from bridge.api import Kind, TextureAsset
from bridge.failures import NotAsPromised

KINDS = frozenset(get_args(Kind))


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
        if isinstance(kinds, str) or not KINDS.issuperset(kinds):
            raise NotAsPromised(f"uses gave {kinds!r:.80} for {file}, wanted a list of Kind")
    return uses


def checked_done(done: object) -> Mapping[str, Any]:
    if not isinstance(done, Mapping):
        raise NotAsPromised(f"apply gave {done!r:.80}, wanted a dict of before, after and errors")
    for name in ("before", "after", "errors"):
        for one in done.get(name, ()):
            if not isinstance(one, Mapping) or not isinstance(one.get("path"), str):
                raise NotAsPromised(f"apply gave {one!r:.80} in {name}, wanted a dict with path in it")
    try:
        made: Mapping[str, Any] = plain(dict(done), "done")
    except ValueError as error:
        raise NotAsPromised(f"apply gave what no receipt can keep: {error}") from None
    return made
