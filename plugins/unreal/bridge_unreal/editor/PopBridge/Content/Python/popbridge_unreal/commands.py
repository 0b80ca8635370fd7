"""Executes the daemon's commands on textures, one a tick, and replies with what it observes afterwards."""

import os
from typing import Any, Dict, List, Tuple

import popbridge_protocol as protocol
import unreal

from popbridge_unreal import textures
from popbridge_unreal.texts import say

NAMES = ("texture.apply", "texture.revert")
ROOM = protocol.MAX_FRAME - 4096


class Commands(object):
    """The commands that wait; `run_next` executes one on the main thread."""

    def __init__(self, session, state, root, asks):
        # type: (Any, Any, str, bool) -> None
        """`asks`: whether dialogs may be shown."""
        self._session = session
        self._state = state
        self._root = root
        self._asks = asks
        self._queue = []  # type: List[Any]

    def add(self, command):
        # type: (Any) -> None
        self._queue.append(command)

    def cancel(self, command_id):
        # type: (int) -> None
        """Removes a command that hasn't started."""
        for command in [each for each in self._queue if each.id == command_id]:
            self._queue.remove(command)
            message = say("%(command)s was cancelled before it started.", command=command.name)
            self._session.reply(command, _error(command, protocol.ERROR_CANCELLED, message))

    def clear(self):
        # type: () -> None
        """Forgets all commands, with the session that they belong to."""
        self._queue = []

    def run_next(self):
        # type: () -> None
        if not self._queue:
            return
        command = self._queue.pop(0)
        changes = command.args.get("changes")
        if command.name not in NAMES:
            message = say("This plugin doesn't support the command %(command)s.", command=command.name)
            reply = _error(command, protocol.ERROR_UNSUPPORTED, message)
        elif not isinstance(changes, list):
            message = say("%(command)s: changes must be a list of changes.", command=command.name)
            reply = _error(command, protocol.ERROR_BAD_PARAMS, message)
        else:
            reply = self._apply(command, changes)
        self._session.reply(command, reply)

    def _apply(self, command, changes):
        # type: (Any, List[Any]) -> Any
        result = {"before": [], "after": [], "errors": []}  # type: Dict[str, List[Any]]
        started = self._state.before.get(command.id, {})
        planned = self._plan(changes, started, result["errors"])
        self._state.store_before(command.id, {path: before for path, _, _, before in planned})
        dirty = _dirty_packages()
        title = say("Fixing import settings")
        name, steps = "PopBridge: " + title, float(max(1, len(planned)))
        with unreal.ScopedEditorTransaction(name), unreal.ScopedSlowTask(steps, title) as task:
            if self._asks:
                task.make_dialog(True)
            for path, texture, options, before in planned:
                if self._asks and task.should_cancel():
                    _add_error(result, path, say("The fix was cancelled before this texture."))
                    continue
                task.enter_progress_frame(1.0, path)
                self._change(path, texture, options, before, dirty, result)
        return protocol.Result(id=command.id, value=_fitting(result))

    def _plan(self, changes, started, errors):
        # type: (List[Any], Dict[str, Any], List[Any]) -> List[Tuple[str, Any, Dict[str, Any], Dict[str, Any]]]
        """Returns path, texture, options to set and settings before of each texture that may be changed."""
        planned = []
        for change in changes:
            path = str(change.get("path", "")) if isinstance(change, dict) else ""
            options = change.get("options") if isinstance(change, dict) else None
            expected = change.get("expected", {}) if isinstance(change, dict) else None
            if not path or not isinstance(options, dict) or not isinstance(expected, dict):
                errors.append({"path": path, "message": say("A change needs a path and options.")})
                continue
            texture = textures.find(path)
            if texture is None:
                errors.append({"path": path, "message": say("This isn't a texture of the project.")})
                continue
            present = textures.options_of(texture)
            problem = _problem(options, present)
            if problem:
                errors.append({"path": path, "message": problem})
                continue
            # A killed editor had started to set these.
            earlier = started.get(path, {})
            due = {}
            for name, value in options.items():
                now = present[name]
                if name in expected and name not in earlier and now not in (expected[name], value):
                    sentence = (
                        "%(option)s was changed meanwhile: it is %(now)s, not %(expected)s. Left unchanged."
                    )
                    message = say(sentence, option=name, now=now, expected=expected[name])
                    errors.append({"path": path, "message": message})
                else:
                    due[name] = value
            if due or not options:
                before = {name: earlier.get(name, present[name]) for name in due}
                planned.append((path, texture, due, before))
        return planned

    def _change(self, path, texture, options, before, dirty, result):
        # type: (str, Any, Dict[str, Any], Dict[str, Any], Any, Dict[str, List[Any]]) -> None
        """Checks out, sets, observes and saves one texture."""
        file = textures.package_file(path, self._root)
        problem = _make_writable(file) if file is not None else ""
        if problem:
            _add_error(result, path, problem)
            return
        for name in (each for each in textures.OPTIONS if each in options):
            try:
                texture.set_editor_property(name, textures.engine_value(name, options[name]))
            # The editor's own class of exceptions differs between versions.
            except Exception as error:
                _add_error(
                    result, path, say("%(option)s can't be set: %(reason)s", option=name, reason=error)
                )
        present = textures.options_of(texture)
        after = {name: present.get(name) for name in options}
        result["before"].append({"path": path, "options": before})
        result["after"].append({"path": path, "options": after})
        for name, wanted in options.items():
            if after[name] != wanted:
                sentence = "%(option)s is %(now)s, not %(wanted)s."
                _add_error(result, path, say(sentence, option=name, now=after[name], wanted=wanted))
        # What the person has changed and not saved is theirs to save.
        if file is None or textures.package_of(path) in dirty:
            return
        if not unreal.EditorAssetLibrary.save_loaded_asset(texture, True):
            sentence = "The change is made, but the asset can't be saved. Save it in the editor."
            _add_error(result, path, say(sentence))


def _problem(options, present):
    # type: (Dict[str, Any], Dict[str, Any]) -> str
    """Returns why these options can't be set, or an empty text."""
    for name, value in options.items():
        if name not in present:
            sentence = "%(option)s isn't a property of textures in this version of Unreal."
            return say(sentence, option=name)
        try:
            textures.engine_value(name, value)
        except ValueError:
            return say("%(option)s can't be %(value)s.", option=name, value=value)
    return ""


def _make_writable(file):
    # type: (str) -> str
    """Checks a file out; returns why it can't be written, or an empty text."""
    name = os.path.basename(file)
    control = unreal.SourceControl
    if control.is_enabled() and control.is_available() and not control.check_out_or_add_file(file, True):
        return say("%(file)s can't be checked out: %(reason)s", file=name, reason=control.last_error_msg())
    if not os.access(file, os.W_OK):
        return say("%(file)s is read-only. Check it out, or make it writable.", file=name)
    return ""


def _dirty_packages():
    # type: () -> Any
    """Returns the names of the packages with changes that aren't saved."""
    packages = unreal.EditorLoadingAndSavingUtils.get_dirty_content_packages()
    return {str(package.get_path_name()) for package in packages}


def _fitting(result):
    # type: (Dict[str, List[Any]]) -> Dict[str, List[Any]]
    """Returns the result with as many errors as a frame has room for; what was changed is never left out."""
    errors = result["errors"]
    left = list(errors)
    while left and len(protocol.pack(dict(result, errors=left))) > ROOM:
        del left[len(left) // 2 :]
    if len(left) < len(errors):
        count = len(errors) - len(left)
        left.append({"path": "", "message": say("%(count)d more errors aren't shown.", count=count)})
    return dict(result, errors=left)


def _add_error(result, path, message):
    # type: (Dict[str, List[Any]], str, str) -> None
    result["errors"].append({"path": path, "message": message})


def _error(command, code, message):
    # type: (Any, str, str) -> Any
    return protocol.Error(id=command.id, code=code, message=message)
