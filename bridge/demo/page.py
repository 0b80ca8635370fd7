"""The demo's page: the editor's pictures or the popup's list, and the textures before and after."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from accel.text import AnyText, text
from accel.texture.kinds import Kind
from accel.texture.lit_preview import preview_lit
from accel.texture.workloads import ImportState, LitPreview, PreviewLit, Scene
from accel.workload import Input, Limits, WorkloadError
from bridge.api import TextureIntent
from bridge.core.messages import Popup, PopupItem
from bridge.demo.editor import ENGLISH, Reader

SHOWN = ("kind", "color_space", "normal_convention", "mipmaps", "compression")
"""The settings that change how a texture looks."""
THUMBNAIL, TILE = 96, 320
"""Pixels."""
VISIBLE = 1.5
"""Mean difference of two tiles in codes of 8 bits, from which people see it."""
SCENES: Mapping[Scene, AnyText] = {
    "lit": text("In the light"),
    "far": text("Seen from afar"),
    "detail": text("Enlarged four times"),
}


class Picture(Struct, frozen=True):
    """A picture of the editor's window."""

    title: AnyText
    png: bytes


class Setting(Struct, frozen=True):
    """An import setting that was changed, in the editor's words."""

    name: str
    option: str
    before: str
    after: str


class Tiles(Struct, frozen=True):
    """A texture as it looks in the game, before and after."""

    scene: AnyText
    before: bytes
    after: bytes


class Change(Struct, frozen=True):
    """A file's import settings before and after."""

    file: str
    settings: Sequence[Setting]
    tiles: Tiles | None = None


class Step(Struct, frozen=True):
    """A command to do next, and what for."""

    command: str
    purpose: AnyText


class Demo(Struct, frozen=True, kw_only=True):
    """What the demo has done."""

    root: Path
    """The project; files are relative to it."""
    editor: AnyText
    popup: Popup
    pictures: Sequence[Picture] = ()
    thumbnails: Mapping[str, bytes] = {}
    """The pictures of the popup's list as PNG, by their SHA-256."""
    changes: Sequence[Change] = ()
    untouched: Sequence[str] = ()
    steps: Sequence[Step] = ()


def page(demo: Demo, reader: Reader = ENGLISH) -> str:
    """Returns a self-contained HTML page."""
    # Slow to import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        demo=demo,
        popup=demo.popup,
        language=reader.tag,
        say=_sayer(reader),
        translate=reader.translate,
        thumbnail=lambda file: image(thumbnail(demo.root / file)),
        image=image,
        picture_of=lambda item: (
            image(demo.thumbnails[item.picture]) if item.picture in demo.thumbnails else ""
        ),
        severity=lambda item: "" if item.severity is UNSET else item.severity,
        count=count_files,
        label=button_label,
    )


WORDS = {
    "title": text("PopBridge demo"),
    "result": text("{fixed} of {count} textures fixed"),
    "list": text("The popup in the editor"),
    "connected": text("Connected"),
    "changes": text("Before and after"),
    "setting": text("Setting"),
    "before": text("Before"),
    "after": text("After"),
    "untouched": text("Already right, left unchanged"),
    "next": text("Next steps"),
    "error": text("Error"),
    "warning": text("Warning"),
    "note": text("Note"),
    "ticked": text("ticked"),
    "pictures": text("The editor"),
}


def _sayer(reader: Reader) -> Callable[..., str]:
    return lambda key, **values: reader.translate(WORDS[key].fill(**values) if values else WORDS[key])


def image(data: bytes) -> str:
    """Returns a picture as a `data:` URL."""
    kind = "png" if data.startswith(b"\x89PNG") else "webp"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def thumbnail(path: Path) -> bytes:
    """Returns a small picture of a texture as PNG."""
    import pyvips

    small = pyvips.Image.thumbnail(str(path), THUMBNAIL, height=THUMBNAIL, size="down")
    data: bytes = small.pngsave_buffer(keep="none")
    return data


def count_files(items: Iterable[PopupItem]) -> int:
    """Returns the number of files with at least one tick, as an editor's button counts them."""
    return len(_ticked(items, ""))


def _ticked(items: Iterable[PopupItem], path: str) -> set[str]:
    found: set[str] = set()
    for item in items:
        place = path if item.path is UNSET else item.path
        if item.children:
            found |= _ticked(item.children, place)
        elif item.checked and not item.locked:
            found.add(place or item.id)
    return found


def button_label(action: Any, count: int) -> str:
    """Returns the text of a button that counts, as an editor shows it."""
    if count == 1 and action.label_one:
        return str(action.label_one)
    return str(action.label_many).replace("{count}", str(count)) if action.label_many else str(action.label)


def draw_tiles(
    path: Path, kind: Kind, before: TextureIntent, after: TextureIntent, albedo: Path | None = None
) -> Tiles | None:
    """Draws a texture before and after, in the first scene that shows what changes.

    Returns None if nobody would see one. `albedo` is of the same material.
    """
    states = [
        msgspec.convert({k: v for k, v in each.fields().items() if k in SHOWN}, ImportState)
        for each in (before, after)
    ]
    inputs = [Input(each.name, str(each)) for each in (path, albedo) if each]
    is_relit = any(
        getattr(before, name) != getattr(after, name) for name in ("color_space", "normal_convention")
    )
    scenes: Sequence[Scene] = ("lit", "far", "detail") if is_relit else ("far", "detail")
    if kind in ("ui", "sprite"):
        # They are drawn at their own size, so that mipmaps change nothing.
        scenes = ("detail",)
    for scene in scenes:
        params = PreviewLit(kind=kind, before=states[0], after=states[1], scene=scene, size=TILE)
        try:
            output = preview_lit(inputs, params, Limits())
        except WorkloadError:
            return None
        value = output.value
        assert isinstance(value, LitPreview)
        if value.difference >= VISIBLE:
            files = {file.name: file.data or b"" for file in output.files}
            return Tiles(SCENES[value.scene], files["before"], files["after"])
    return None
