"""Joins session, imports, commands and popups, and gives them the editor's ticks."""

import hashlib
import os
import time
import traceback
import uuid
from typing import Any, Dict, List, Optional

import unreal

import popbridge_unreal
from popbridge_unreal import menu, texts, textures
from popbridge_unreal.blobs import Blobs
from popbridge_unreal.commands import Commands
from popbridge_unreal.imports import Imports
from popbridge_unreal.normal_maps import NormalMaps
from popbridge_unreal.page import Page
from popbridge_unreal.popups import Popups
from popbridge_unreal.session import CONNECTED, Listener, Session
from popbridge_unreal.state_file import StateFile

BUDGET_S = 0.004
"""Of a tick. A command takes longer: it changes assets, and shows its progress."""


class Plugin(Listener):
    """One editor. The module `popbridge_unreal` keeps it."""

    def __init__(self):
        # type: () -> None
        root = textures.project_root()
        locale = _locale()
        texts.use(locale)
        asks = not _is_unattended()
        state = StateFile(os.path.join(root, "Saved", "PopBridge", "session.json"))
        self._session = Session(_identity(root, locale), state, self)
        self._blobs = Blobs()
        self._imports = Imports(self._session, state, root, self._blobs, asks)
        self._normal_maps = NormalMaps(self._session, self._blobs, root)
        self._commands = Commands(self._session, state, root, asks)
        self._page = Page(self._blobs)
        self._popups = Popups(self._session, self._page, self._imports, _project_name(root), asks)
        self._menu = menu.Menu()
        self._asks = asks
        self._is_ticking = False
        self._last_error = ""
        # Bound methods are made anew at each access; the editor needs these for its whole life.
        self._tick_callable = self.tick
        self._shutdown_callable = self.close
        self._tick_handle = None  # type: Any

    def start(self):
        # type: () -> None
        """Registers everything with the editor."""
        self._imports.connect()
        if self._asks:
            self._menu.create()
        self._tick_handle = unreal.register_slate_post_tick_callback(self._tick_callable)
        unreal.register_python_shutdown_callback(self._shutdown_callable)

    def tick(self, delta_s):
        # type: (float) -> None
        # A dialog ticks, too.
        if self._is_ticking:
            return
        self._is_ticking = True
        try:
            until = time.monotonic() + BUDGET_S
            self._session.tick(BUDGET_S)
            is_open = self._session.state == CONNECTED
            self._blobs.tick()
            self._imports.tick(until, is_open)
            if is_open:
                self._commands.run_next()
            self._popups.tick(is_open)
            self._menu.update(self._popups.count)
        # An error here must not end the editor's other callbacks; it is told once.
        except Exception:
            error = traceback.format_exc()
            if error != self._last_error:
                self._last_error = error
                unreal.log_error("PopBridge: " + error)
        finally:
            self._is_ticking = False

    def close(self):
        # type: () -> None
        """Ends the connection and the thread before Python ends."""
        if self._tick_handle is not None:
            unreal.unregister_slate_post_tick_callback(self._tick_handle)
            self._tick_handle = None
            self._imports.disconnect()
            self._page.close()
            self._session.close()
            self._blobs.close()

    def show_questions(self):
        # type: () -> None
        self._popups.show_questions()

    def check_selection(self):
        # type: () -> None
        self._imports.check(menu.selected_textures())

    def create_normal_maps(self):
        # type: () -> None
        for path in menu.selected_textures():
            self._normal_maps.create(path)

    def check_folders(self):
        # type: () -> None
        self._imports.check(menu.textures_in(menu.selected_folders()))

    def check_project(self):
        # type: () -> None
        self._imports.check(menu.textures_in(["/Game"]))

    # What the session tells

    def opened(self, hello, ready, file):
        # type: (Any, Any, Any) -> None
        self._blobs.use(file.http, ready.http_token or "", file.fingerprint)
        if not ready.resumed:
            self._commands.clear()
        keep = list(ready.popups or [])  # type: List[int]
        self._popups.keep(keep if ready.resumed else [])
        self._imports.opened(hello.server.instance)
        if ready.notice:
            unreal.log_warning("PopBridge: " + ready.notice)

    def forgotten(self):
        # type: () -> None
        self._commands.clear()
        self._popups.keep([])

    def popup(self, popup):
        # type: (Any) -> None
        self._popups.show(popup)

    def popup_progress(self, progress):
        # type: (Any) -> None
        self._popups.progress(progress)

    def reply(self, request_id, message):
        # type: (int, Any) -> None
        self._popups.reply(request_id, message)
        self._normal_maps.reply(request_id, message)

    def event(self, name, data):
        # type: (str, Dict[str, Any]) -> None
        paths = data.get("paths")
        if name == "asset.wanted" and isinstance(paths, list):
            for path in paths:
                self._imports.add(str(path))

    def popup_close(self, popup_id):
        # type: (int) -> None
        self._popups.close(popup_id)

    def command(self, command):
        # type: (Any) -> None
        self._commands.add(command)

    def cancel(self, command_id):
        # type: (int) -> None
        self._commands.cancel(command_id)

    def problem(self, text):
        # type: (str) -> None
        if text:
            unreal.log_warning("PopBridge: " + text)


def create():
    # type: () -> Optional[Plugin]
    """Returns the started plugin; None in a commandlet, which has no ticks."""
    if "-run=" in str(unreal.SystemLibrary.get_command_line()).lower():
        return None
    plugin = Plugin()
    plugin.start()
    return plugin


def _identity(root, locale):
    # type: (str, str) -> Dict[str, Any]
    return {
        "client": {"kind": "editor", "name": "popbridge-unreal", "version": popbridge_unreal.VERSION},
        "engine": {"name": "unreal", "version": str(unreal.SystemLibrary.get_engine_version())},
        "project": {
            "id": hashlib.sha256(root.encode("utf-8")).hexdigest(),
            "name": _project_name(root),
            "root": root,
        },
        "instance": uuid.uuid4().hex,
        "locale": locale,
    }


def _project_name(root):
    # type: (str) -> str
    return str(unreal.SystemLibrary.get_game_name()) or os.path.basename(root)


def _locale():
    # type: () -> str
    """Returns the editor's language as BCP 47."""
    library = getattr(unreal, "InternationalizationLibrary", None)
    try:
        found = str(library.get_current_language()) if library is not None else ""
    # It isn't in every version.
    except Exception:
        found = ""
    return found or "en"


def _is_unattended():
    # type: () -> bool
    asked = getattr(unreal.SystemLibrary, "is_unattended", None)
    line = str(unreal.SystemLibrary.get_command_line()).lower()
    return bool(asked()) if asked is not None else "-unattended" in line
