"""Reports imported textures to the daemon, many at a time."""

import time
from typing import Any, Dict, List

import unreal

from popbridge_unreal import textures

DELAY_TICKS = 5
"""The editor's own check of normal maps changes a texture after its import: it shall be done before."""
MAX_DELAY_TICKS = 120
"""During an import of thousands, textures are reported in between."""
MAX_WAITING = 20000
FRAME = 200
"""Textures in a frame; each takes about half a kilobyte."""
REPEAT_S = 60.0
"""A restarted daemon gets the textures of this time again."""


class Imports(object):
    """The textures that were imported and not reported yet, by their paths."""

    def __init__(self, session, state, root):
        # type: (Any, Any, str) -> None
        self._session = session
        self._state = state
        self._root = root
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
        if not self._waiting and not self._described:
            return
        is_due = self._tick >= min(self._last + DELAY_TICKS, self._first + MAX_DELAY_TICKS)
        if not is_open or not (is_due or self._described):
            return
        while self._waiting:
            if time.monotonic() >= until:
                return
            path = next(iter(self._waiting))
            del self._waiting[path]
            self._describe(path)
        self._report()

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
        # The daemon reads pixels from files of the project only.
        if file is not None:
            self._described.append(
                {"path": path, "file": file, "type": "texture", "options": textures.options_of(texture)}
            )

    def _report(self):
        # type: () -> None
        assets, self._described = self._described, []
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
        self._state.reported = reported
        self._state.is_changed = True
