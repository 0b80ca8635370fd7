"""Reports imported textures to the daemon, many at a time."""

import time
from typing import Any, Dict, List, Optional

import unreal

from popbridge_unreal import pixels, textures, uses
from popbridge_unreal.texts import say

DELAY_TICKS = 5
"""The editor's own check of normal maps changes a texture after its import: it shall be done before."""
MAX_DELAY_TICKS = 120
"""During an import of thousands, textures are reported in between."""
MAX_WAITING = 20000
MANY_EXPORTS = 4
"""From so many textures on, exporting their pixels shows its progress and can be cancelled."""
MAX_KNOWN = 4096
"""Reported textures that are remembered, for explanations."""
MAX_PENDING = 32
"""Uploads at a time; their pixels are in memory."""
FRAME = 200
"""Textures in a frame; each takes about half a kilobyte."""
REPEAT_S = 60.0
"""A restarted daemon gets the textures of this time again."""


class Imports(object):
    """The textures that were imported and not reported yet, by their paths.

    They wait a few ticks for the editor's own check of normal maps, are described, and get a blob of their
    pixels if the daemon can't read their file. Then all are reported at once.
    """

    def __init__(self, session, state, root, blobs, asks=True):
        # type: (Any, Any, str, Any, bool) -> None
        """`blobs` takes pixels; `asks`: whether progress may be shown."""
        self._session = session
        self._state = state
        self._root = root
        self._blobs = blobs
        self._asks = asks
        self._exports = []  # type: List[Dict[str, Any]]
        self._known = {}  # type: Dict[str, Dict[str, Any]]
        self._pending = 0
        self._waiting = {}  # type: Dict[str, None]
        self._described = []  # type: List[Dict[str, Any]]
        self._tick = 0
        self._first = 0
        self._last = 0
        self._batch = 0
        self._hooks = []  # type: List[Any]

    def connect(self):
        # type: () -> None
        """Registers the hooks; the list keeps them, as a collected one crashes the editor."""
        subsystem = unreal.get_editor_subsystem(unreal.ImportSubsystem)
        if subsystem is None:
            return
        post_import, reimport = self._imported, self._reimported
        subsystem.on_asset_post_import.add_callable(post_import)
        subsystem.on_asset_reimport.add_callable(reimport)
        self._hooks = [subsystem, post_import, reimport]

    def disconnect(self):
        # type: () -> None
        if self._hooks:
            subsystem, post_import, reimport = self._hooks
            subsystem.on_asset_post_import.remove_callable(post_import)
            subsystem.on_asset_reimport.remove_callable(reimport)

    def add(self, path):
        # type: (str) -> None
        """Adds a texture to those to report."""
        if len(self._waiting) >= MAX_WAITING:
            return
        if not self._waiting:
            self._first = self._tick
        self._last = self._tick
        self._waiting[path] = None

    def opened(self, daemon):
        # type: (str) -> None
        """Adds what another run of the daemon may have forgotten."""
        if self._state.daemon not in ("", daemon):
            since = time.time() - REPEAT_S
            for path, at in list(self._state.reported.items()):
                if at >= since:
                    self.add(path)
        self._state.daemon = daemon
        self._state.is_changed = True

    def tick(self, until, is_open):
        # type: (float, bool) -> None
        """Describes textures until the time `until` (monotonic), and reports them once all are."""
        self._tick += 1
        if not self._waiting and not self._described and not self._exports and not self._pending:
            return
        is_due = self._tick >= min(self._last + DELAY_TICKS, self._first + MAX_DELAY_TICKS)
        if not is_open or not (is_due or self._described or self._exports or self._pending):
            return
        while self._waiting:
            if time.monotonic() >= until:
                return
            path = next(iter(self._waiting))
            del self._waiting[path]
            self._describe(path)
        if self._exports and self._pending < MAX_PENDING:
            self._export()
        elif not self._exports and not self._pending:
            self._report()

    def known(self, path):
        # type: (str) -> Optional[Dict[str, Any]]
        """Returns a texture as it was reported, by its object path or its file; None if that is long ago."""
        return self._known.get(path)

    def _remember(self, assets):
        # type: (List[Dict[str, Any]]) -> None
        for asset in assets:
            for name in ("path", "file"):
                if name in asset:
                    self._known.pop(asset[name], None)
                    self._known[asset[name]] = asset
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]

    def check(self, paths):
        # type: (List[str]) -> None
        """Reports textures that weren't imported just now, such as those of a folder."""
        steps = float(max(1, len(paths)))
        title = say("Reading %(count)d textures", count=len(paths))
        with unreal.ScopedSlowTask(steps, title) as task:
            if self._asks and len(paths) >= MANY_EXPORTS:
                task.make_dialog(True)
            for path in paths:
                if self._asks and task.should_cancel():
                    break
                task.enter_progress_frame(1.0, path)
                self._describe(path)
        if not self._described and not self._exports:
            unreal.log("PopBridge: " + say("No textures to check."))

    def _imported(self, factory, created):
        # type: (Any, Any) -> None
        # `factory` is None for Interchange, `created` if the import failed.
        if isinstance(created, unreal.Texture2D):
            self.add(textures.path_of(created))

    def _reimported(self, created):
        # type: (Any) -> None
        if isinstance(created, unreal.Texture2D):
            self.add(textures.path_of(created))

    def _describe(self, path):
        # type: (str) -> None
        texture = textures.find(path)
        file = textures.source_file(texture, self._root) if texture is not None else None
        if texture is None:
            return
        if _is_importing(texture):
            self.add(path)
            return
        asset = {"path": path, "type": "texture", "options": textures.options_of(texture)}  # type: Dict[str, Any]
        known = uses.used_as(path)
        if known:
            asset["used_as"] = known
        if file is not None:
            asset["file"] = file
            self._described.append(asset)
        else:
            # The daemon reads files of the project only.
            self._exports.append(asset)

    def _export(self):
        # type: () -> None
        """Exports the pixels of some textures, each of which takes longer than a tick, and uploads them."""
        some, self._exports = self._exports[:MAX_PENDING], self._exports[MAX_PENDING:]
        with unreal.ScopedSlowTask(float(len(some)), say("Reading pixels")) as task:
            shows = self._asks and len(some) >= MANY_EXPORTS
            if shows:
                task.make_dialog(True)
            for asset in some:
                if shows and task.should_cancel():
                    self._exports = []
                    return
                task.enter_progress_frame(1.0, asset["path"])
                texture = textures.find(asset["path"])
                compression = str(asset["options"].get("compression_settings", ""))
                content = pixels.read(texture, compression) if texture is not None else None
                if content is None:
                    unreal.log(
                        "PopBridge: "
                        + say("%(path)s isn't checked: its pixels can't be read.", path=asset["path"])
                    )
                    continue
                self._pending += 1
                self._blobs.upload(content, _Uploaded(self, asset))

    def uploaded(self, asset, digest):
        # type: (Dict[str, Any], str) -> None
        """The pixels of a texture are with the daemon; without a digest they aren't."""
        self._pending -= 1
        if digest:
            self._described.append(dict(asset, blob=digest))

    def _report(self):
        # type: () -> None
        assets, self._described = self._described, []
        if not assets:
            return
        self._batch += 1
        now = time.time()
        reported = {path: at for path, at in self._state.reported.items() if at >= now - REPEAT_S}
        for at in range(0, len(assets), FRAME):
            some = assets[at : at + FRAME]
            data = {"batch": self._batch, "more": at + FRAME < len(assets), "assets": some}
            if not self._session.report("asset.imported", data):
                for asset in assets[at:]:
                    self.add(asset["path"])
                break
            reported.update((asset["path"], now) for asset in some)
            self._remember(some)
        self._state.reported = reported
        self._state.is_changed = True


def _is_importing(texture):
    # type: (Any) -> bool
    """Whether Interchange still works on a texture; False before 5.6, which doesn't tell."""
    try:
        manager = unreal.InterchangeManager.get_interchange_manager_scripted()
        return bool(manager.is_object_being_imported(texture))
    # The editor's own class of exceptions differs between versions.
    except Exception:
        return False


class _Uploaded(object):
    """Tells of the end of an upload."""

    def __init__(self, imports, asset):
        # type: (Imports, Dict[str, Any]) -> None
        self._imports = imports
        self._asset = asset

    def __call__(self, digest):
        # type: (str) -> None
        self._imports.uploaded(self._asset, digest)
