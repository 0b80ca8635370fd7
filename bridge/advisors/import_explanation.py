"""Answers an editor's "Why?": the explanation of one texture, as the import advisor judges it now."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from accel.text import text
from accel.texture.workloads import Examination
from bridge.advisors.advice import Asset, judge_all, options_for
from bridge.advisors.explanation import explain, lines, plain
from bridge.advisors.findings import Considered
from bridge.advisors.import_batch import texture_reader
from bridge.advisors.import_project import ContextReader
from bridge.advisors.imported_assets import WANTED, Pixels, find_pixels, path_below, read_asset
from bridge.advisors.texts import EXPLANATIONS
from bridge.api import Context, RequestError, RunResult, SessionView, TextureIntent, UserError
from bridge.core.errors import BAD_PARAMS, NOT_FOUND, UNSUPPORTED
from bridge.core.textures import NO_USES
from bridge.host.observation import file_of
from bridge.locale import translate
from bridge.project import config
from bridge.project.config import ProjectFile

EXPLAIN, PREVIEW = "texture.explain", "texture.preview_lit"
TITLED = text("{title}: {message}")
SHOWN = ("kind", "color_space", "normal_convention", "mipmaps", "compression")
"""The settings that change how a texture looks."""


class ExplainParams(Struct, forbid_unknown_fields=True):
    """The parameters of `texture.explain`."""

    path: Annotated[str, Meta(min_length=1, max_length=4096)]
    """Below the project's root, or the engine's own path, such as `res://art/rock.png`."""
    asset: dict[str, Any] | None = None
    """The texture as in `asset.imported`, if no file of the project has its settings; else the last report
    counts."""


async def explain_texture(
    context: Context,
    session: SessionView,
    reader: ContextReader,
    params: Mapping[str, Any],
    reported: Callable[[str], Asset | None],
) -> RunResult:
    """Returns the explanation with sentences in the session's language.

    `reported` returns a texture that the editor has reported and whose settings no file of the project has.

    `lines` are its most important sentences, `not_raised` those about findings that weren't raised. The files
    `before` and `after` show the texture with its settings and with those of all fixes, if that can be drawn.
    Raises RequestError.
    """
    try:
        asked = msgspec.convert(params, ExplainParams)
    except msgspec.ValidationError as error:
        raise RequestError(BAD_PARAMS, workload=EXPLAIN, reason=str(error)) from None
    if session.root is None:
        raise RequestError(UNSUPPORTED, name=EXPLAIN, reason=text("the session has no project folder"))
    root = await asyncio.to_thread(session.root.resolve)
    asset, settings = await _find(session, root, asked, reported)
    file = asset.file
    pixels = await find_pixels(context, session, root, asset)
    if pixels is None:
        hint = text("Import the texture again, so that the editor sends its pixels.")
        raise RequestError(NOT_FOUND, hint, name=asked.path)
    try:
        project_file = await asyncio.to_thread(config.read, root)
    except UserError:
        project_file = ProjectFile()
    max_size = int(context.settings["textures.max_size"])
    surroundings = await reader.read(session, [asset], project_file, max_size)
    is_known = settings is not None and session.adapter is not None and session.version is not None
    evidence = surroundings.params_of(asset, session) if is_known else {}
    try:
        result = await context.run("texture.examine", evidence, [pixels.source], names=[file])
    except RequestError as error:
        if not isinstance(pixels.source, str) or error.code.name != NOT_FOUND.name:
            raise
        await context.notify(session, WANTED, {"paths": [asset.path]})
        hint = text("Its pixels have expired, and the editor is asked for them. Ask again in a moment.")
        raise RequestError(NOT_FOUND, hint, name=asked.path) from None
    alone = msgspec.convert(result.value, Examination)
    surroundings.seen.add(file, alone)
    (classification,) = surroundings.seen.judge([file], [alone])
    examination = replace(alone, classification=classification)
    uses = surroundings.uses.get(file, NO_USES)
    considered = judge_all(
        examination,
        file,
        settings,
        session.adapter,
        session.version,
        max_size=surroundings.max_size,
        uses=uses,
    )

    def options_of(each: Considered) -> Mapping[str, Any]:
        if each.finding is None or settings is None or session.adapter is None or session.version is None:
            return {}
        return options_for([each.finding], settings, session.adapter, session.version)

    found = explain(examination, file, considered, settings, options_of, uses=uses)
    not_raised = [each for each in found.findings if not each.raised]
    value = {
        "file": file,
        **plain(found, session.locale),
        "lines": [_begin(translate(line, session.locale)) for line in lines(found)],
        "not_raised": [
            translate(
                TITLED.fill(title=_title(each.code, session.locale), message=each.message), session.locale
            )
            for each in not_raised
        ],
    }
    fixes = [each.finding.intent for each in considered if each.finding and not each.finding.platforms]
    return RunResult(value, await _pictures(context, session, asset, pixels, found.judged_as, fixes))


def _title(code: str, locale: str) -> str:
    """Returns what a finding is called, without a full stop; the code itself without a title."""
    return translate(EXPLANATIONS[code].title, locale).rstrip(".。") if code in EXPLANATIONS else code


def _begin(line: str) -> str:
    """Returns a sentence with a capital, unless it begins with a name such as `sRGB` or `rock_n`."""
    return line[:1].upper() + line[1:] if re.match(r"[a-z]+[ ,:]", line) else line


async def _find(
    session: SessionView, root: Path, asked: ExplainParams, reported: Callable[[str], Asset | None]
) -> tuple[Asset, dict[str, Any] | None]:
    """Returns the texture and its settings, None if unknown. Raises RequestError if there is none."""
    known = reported(asked.path)
    if asked.asset is not None:
        try:
            known = read_asset(asked.asset)
        except msgspec.ValidationError as error:
            raise RequestError(BAD_PARAMS, workload=EXPLAIN, reason=str(error)) from None
    file = known.file if known else PurePath(file_of(asked.path)).as_posix()
    texture = None
    if known is None or (known.has_file and not known.unit):
        path = await asyncio.to_thread(path_below, root, file)
        support = session.adapter.project if session.adapter else None
        texture = await asyncio.to_thread(texture_reader(support, root), file) if path else None
    if known is not None:
        # What the project's files say is newer than the report.
        newer = known.options if texture is None or texture.options is None else dict(texture.options)
        return replace(known, options=newer), newer
    if texture is None:
        raise RequestError(NOT_FOUND, text("Give the path of a texture of the project."), name=asked.path)
    settings = None if texture.options is None else dict(texture.options)
    return Asset(texture.path, file, "texture", settings or {}), settings


async def _pictures(
    context: Context,
    session: SessionView,
    asset: Asset,
    pixels: Pixels,
    kind: str | None,
    fixes: Sequence[TextureIntent],
) -> Mapping[str, str]:
    """Returns the blobs of the texture as it looks in the game, `before` and `after` the fixes."""
    if session.adapter is None or session.version is None or kind is None or not asset.options:
        return {}
    before = after = session.adapter.read_texture(asset.options, session.version)
    for fix in fixes:
        after = fix.over(after)
    if after == before:
        return {}
    states = {
        name: {field: value for field, value in state.fields().items() if field in SHOWN}
        for name, state in (("before", before), ("after", after))
    }
    try:
        result = await context.run(PREVIEW, {"kind": kind, **states}, [pixels.source], names=[asset.file])
    # The sentences are the answer: not every texture can be drawn, nor by every daemon.
    except RequestError:
        return {}
    return {name: blob for name, blob in result.blobs.items() if name in states}
