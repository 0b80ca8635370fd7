"""The open popups: shown on a page in the browser; where none can be opened, in a dialog."""

import time
from typing import Any, Dict, List, Set

import popbridge_protocol as protocol
import unreal

from popbridge_unreal import texts
from popbridge_unreal.menu import textures_in
from popbridge_unreal.page import Page
from popbridge_unreal.texts import say

NAME = "PopBridge"
EXPLAIN = "texture.explain"
UNDONE = "texture.undone"
"""The kind of the popup that reports that a fix was undone."""
MAX_TEXT = 2000
"""Characters of a dialog, which doesn't scroll."""
MAX_REPLIES = 64
"""Explanations that the page remembers."""
RESULT_S = 1.5
"""After the daemon has stored an answer, a result or progress follows at once, or never."""
WORK_S = 300.0
"""The same for a result after progress."""


class Popups(object):
    """The open popups, oldest first."""

    def __init__(self, session, page, imports, project, asks):
        # type: (Any, Page, Any, str, bool) -> None
        """`imports` knows the textures; `project`: its name; `asks`: whether anybody is there to answer."""
        self._session = session
        self._page = page
        self._imports = imports
        self._project = project
        self._asks = asks
        self._open = {}  # type: Dict[int, Any]
        self._working = {}  # type: Dict[int, Dict[str, Any]]
        self._ends = {}  # type: Dict[int, float]
        self._due = []  # type: List[int]
        self._replies = {}  # type: Dict[str, Dict[str, Any]]
        self._questions = {}  # type: Dict[int, str]
        self._is_changed = True
        self._was_open = False
        self._is_undone = False

    @property
    def count(self):
        # type: () -> int
        """How many questions are open."""
        return sum(1 for popup in self._open.values() if popup.actions and popup.id not in self._working)

    def show(self, popup):
        # type: (Any) -> None
        """Shows a popup, or again one of before."""
        if popup.replaces is not None:
            self._remove(popup.replaces)
        self._is_undone = popup.kind == UNDONE
        is_new = popup.id not in self._open
        self._open[popup.id] = popup
        self._working.pop(popup.id, None)
        self._is_changed = True
        if not is_new:
            return
        if self._asks and popup.present == "modal" and not self._page.is_open():
            self._due.append(popup.id)
            return
        title = texts.sentence(popup.title)
        line = say("%(title)s Answer it in PopBridge > Show open questions.", title=title)
        unreal.log("PopBridge: " + (line if popup.actions and self._asks else title))

    def close(self, popup_id):
        # type: (int) -> None
        """Removes a popup; one whose answer is carried out stays until its result takes its place."""
        working = self._working.get(popup_id)
        if working is None:
            self._remove(popup_id)
        else:
            self._ends[popup_id] = time.monotonic() + (WORK_S if working["fraction"] else RESULT_S)

    def progress(self, progress):
        # type: (Any) -> None
        if progress.id in self._open:
            fraction = max(progress.fraction, 0.01)
            self._working[progress.id] = {"fraction": fraction, "text": progress.text or ""}
            if progress.id in self._ends:
                self._ends[progress.id] = time.monotonic() + WORK_S
            self._is_changed = True

    def keep(self, popup_ids):
        # type: (Any) -> None
        """Removes all others: the daemon has closed them meanwhile."""
        for each in [key for key in self._open if key not in popup_ids]:
            self._remove(each)

    def reply(self, request_id, message):
        # type: (int, Any) -> None
        """Takes the explanation of a texture, for the page."""
        path = self._questions.pop(request_id, "")
        if not path:
            return
        if isinstance(message, protocol.Result) and isinstance(message.value, dict):
            pictures = {each.name.partition(".")[0]: each.blob for each in message.outputs}
            self._replies[path] = {
                "problems": _problems(message.value),
                "lines": _evidence(message.value),
                "not_raised": [str(each) for each in message.value.get("not_raised", [])],
                "before": pictures.get("before", ""),
                "after": pictures.get("after", ""),
            }
        else:
            self._replies[path] = {
                "error": message.message if message is not None else say("The connection was lost.")
            }
        while len(self._replies) > MAX_REPLIES:
            del self._replies[next(iter(self._replies))]
        self._is_changed = True

    def tick(self, is_open):
        # type: (bool) -> None
        """Handles what the person did on the page, shows what has changed, and asks the next modal popup."""
        for order in self._page.take():
            self._obey(order)
        for each in [key for key, until in self._ends.items() if time.monotonic() >= until]:
            self._remove(each)
        if self._is_changed or is_open != self._was_open:
            self._was_open = is_open
            self._is_changed = False
            self._publish(is_open)
        if self._due and is_open:
            popup = self._open.get(self._due.pop(0))
            if popup is not None:
                self._present(popup)

    def show_questions(self):
        # type: () -> None
        """Shows all open popups, as the person wants to see them."""
        popups = [popup for popup in self._open.values() if popup.actions]
        if not self._open_page() and self._asks:
            if popups:
                self._ask(popups[-1])
            else:
                unreal.EditorDialog.show_message(
                    NAME, say("There is no open question."), unreal.AppMsgType.OK
                )

    def _present(self, popup):
        # type: (Any) -> None
        if not self._page.is_open() and not self._open_page():
            self._ask(popup)

    def _open_page(self):
        # type: () -> bool
        """Opens the page in the browser; False if this editor can't, or nobody is there."""
        launch = getattr(unreal.SystemLibrary, "launch_url", None)
        if launch is None or not self._asks:
            return False
        try:
            launch(self._page.url())
        # No port, or the editor's own class of exceptions, which differs between versions.
        except Exception:
            return False
        return True

    def _publish(self, is_open):
        # type: (bool) -> None
        shown = []
        pictures = set()  # type: Set[str]
        for popup in self._open.values():
            plain = popup.plain()
            plain.setdefault("actions", [])
            if popup.id in self._working:
                plain["working"] = self._working[popup.id]
            self._name_assets(plain)
            _collect(plain, pictures)
            shown.append(plain)
        for each in self._replies.values():
            pictures.update(each[name] for name in ("before", "after") if each.get(name))
        self._page.publish(
            {
                "popups": shown,
                "replies": self._replies,
                "connected": is_open,
                "undone": self._is_undone,
                "project": self._project,
                "language": texts.language(),
                "labels": texts.labels(),
            },
            pictures,
        )

    def _name_assets(self, plain):
        # type: (Dict[str, Any]) -> None
        """Adds to a popup's textures the names of their assets, as the Content Browser shows them."""
        pending = list(plain.get("items", []))
        while pending:
            item = pending.pop()
            known = self._imports.known(item["path"]) if item.get("path") else None
            if known is not None:
                item["asset"] = known["path"].partition(".")[0]
            pending.extend(item.get("children", []))

    def _obey(self, order):
        # type: (Dict[str, Any]) -> None
        """Does what the page asks; it may show an older state, so everything is checked."""
        verb = order.get("do")
        if verb == "why":
            path = order.get("path")
            if isinstance(path, str) and 0 < len(path) <= 4096 and path not in self._questions.values():
                asset = self._imports.known(path)
                params = {"path": path} if asset is None else {"path": path, "asset": asset}
                request_id = self._session.ask(EXPLAIN, params)
                if request_id:
                    self._questions[request_id] = path
            return
        if verb == "check":
            self._imports.check(textures_in(["/Game"]))
            return
        popup = self._open.get(order.get("popup", 0)) if isinstance(order.get("popup"), int) else None
        if popup is None or popup.id in self._working:
            return
        if verb == "dismiss":
            self._answer(popup, protocol.Answer(id=popup.id, state="dismissed"))
        elif verb == "answer":
            answer = _answer_of(popup, order)
            if answer is not None:
                self._answer(popup, answer)

    def _answer(self, popup, answer):
        # type: (Any, Any) -> None
        if answer.state == "dismissed":
            self._remove(popup.id)
        else:
            self._working[popup.id] = {"fraction": 0.0, "text": ""}
        self._is_changed = True
        self._session.answer(answer)

    def _ask(self, popup):
        # type: (Any) -> None
        """Shows a dialog, the last resort: what is ticked at first can't be changed there."""
        action = _main_action(popup)
        if action is None or not self._asks:
            return
        no = unreal.AppReturnType.CANCEL
        kind = unreal.AppMsgType.YES_NO_CANCEL
        chosen = unreal.EditorDialog.show_message(popup.title, _text(popup, action), kind, no)
        if chosen == unreal.AppReturnType.YES:
            values = {field.name: field.value for field in popup.fields or []}
            choices = [choice.id for choice in action.choices if choice.checked]
            answer = protocol.Answer(
                id=popup.id,
                state="answered",
                action=action.id,
                values=values or None,
                choices=choices if action.choices else None,
            )
        elif chosen == unreal.AppReturnType.NO:
            answer = protocol.Answer(id=popup.id, state="dismissed")
        else:
            return
        self._answer(popup, answer)

    def _remove(self, popup_id):
        # type: (int) -> None
        self._working.pop(popup_id, None)
        self._ends.pop(popup_id, None)
        if self._open.pop(popup_id, None) is not None:
            self._is_changed = True


def _answer_of(popup, order):
    # type: (Any, Dict[str, Any]) -> Any
    """Returns the answer to send; None if the page's order doesn't fit the popup."""
    actions = {each.id: each for each in [*popup.actions, *(popup.menu or [])]}
    action = actions.get(order.get("action"))
    if action is None:
        return None
    checked, choices, values = order.get("checked"), order.get("choices"), order.get("values")
    known = {each.id for each in action.choices}
    if not _are_texts(checked) or not _are_texts(choices) or not set(choices or []) <= known:
        return None
    return protocol.Answer(
        id=popup.id,
        state="answered",
        action=action.id,
        values=values if isinstance(values, dict) else None,
        checked=checked,
        choices=choices if action.choices else None,
    )


def _problems(value):
    # type: (Dict[str, Any]) -> List[Dict[str, str]]
    """Returns what is wrong with a texture, of the daemon's explanation."""
    raised = [each for each in value.get("findings", []) if each.get("raised") and each.get("severity")]
    return [{"severity": str(each["severity"]), "text": str(each.get("message", ""))} for each in raised]


def _evidence(value):
    # type: (Dict[str, Any]) -> List[str]
    """Returns the lines of an explanation without those about what is wrong."""
    messages = tuple(each["text"] for each in _problems(value))
    lines = [str(each) for each in value.get("lines", [])]
    return [each for each in lines if not (messages and each.endswith(messages))]


def _are_texts(value):
    # type: (Any) -> bool
    return value is None or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _collect(plain, found):
    # type: (Dict[str, Any], Set[str]) -> None
    """Adds the blobs that a popup names."""
    found.update(each for each in (plain.get("image"), plain.get("items_blob")) if each)
    pending = list(plain.get("items", []))
    while pending:
        item = pending.pop()
        if item.get("picture"):
            found.add(item["picture"])
        pending.extend(item.get("children", []))


def _main_action(popup):
    # type: (Any) -> Any
    """Returns the action that Yes stands for; None if there is nothing to choose."""
    for rank in (lambda each: each.style == "primary", lambda each: each.default, lambda each: True):
        for action in popup.actions:
            if rank(action):
                return action
    return None


def _text(popup, action):
    # type: (Any, Any) -> str
    lines = [popup.body[:MAX_TEXT]] if popup.body else []
    lines += ["- " + choice.label for choice in action.choices if choice.checked]
    lines += ["%s: %s" % (field.label, field.value) for field in popup.fields or []]
    sentence = "Yes: %(action)s. No: dismiss the question. Cancel: decide later."
    return "\n".join([*lines, "", say(sentence, action=action.label)])
