"""Questions to the person: a line in the log and a menu entry, or a dialog if the popup asks for one."""

from typing import Any, Dict, List

import popbridge_protocol as protocol
import unreal

from popbridge_unreal.texts import say

MENU = "LevelEditor.MainMenu"
NAME = "PopBridge"
QUESTION, CHECK = "ShowQuestion", "CheckSelection"
MAX_TEXT = 2000
"""Characters of a dialog, which doesn't scroll."""


class Popups(object):
    """The open popups, oldest first."""

    def __init__(self, session, asks):
        # type: (Any, bool) -> None
        """`asks`: whether anybody is there to answer."""
        self._session = session
        self._asks = asks
        self._open = {}  # type: Dict[int, Any]
        self._due = []  # type: List[int]
        self._menu = None  # type: Any
        self._entries = []  # type: List[Any]

    def create_menu(self):
        # type: () -> None
        """Adds the menu; its entries run commands by name, so that no callable has to be kept."""
        menus = unreal.ToolMenus.get()
        main = menus.find_menu(MENU)
        if not self._asks or main is None:
            return
        self._menu = main.add_sub_menu(main.get_name(), NAME, NAME, NAME)
        self._set_entry(CHECK, say("Check the selected textures"), "check_selection")
        self._update()

    def show(self, popup):
        # type: (Any) -> None
        """Shows a popup, or again one of before."""
        if popup.replaces is not None:
            self._open.pop(popup.replaces, None)
        is_new = popup.id not in self._open
        self._open[popup.id] = popup
        if is_new and self._asks and popup.present == "modal":
            self._due.append(popup.id)
        elif is_new:
            title = popup.title.rstrip(".。") + "."
            line = say("%(title)s Answer it in PopBridge > Show the open question.", title=title)
            unreal.log("PopBridge: " + (line if popup.actions and self._asks else title))
        self._update()

    def close(self, popup_id):
        # type: (int) -> None
        self._open.pop(popup_id, None)
        self._update()

    def keep(self, popup_ids):
        # type: (Any) -> None
        """Removes all others: the daemon has closed them meanwhile."""
        self._open = {key: value for key, value in self._open.items() if key in popup_ids}
        self._update()

    def run_next(self):
        # type: () -> None
        """Asks the next modal popup."""
        if self._due:
            popup = self._open.get(self._due.pop(0))
            if popup is not None:
                self._ask(popup)

    def show_question(self):
        # type: () -> None
        """Asks the newest popup that has something to choose, as the person wants to see it."""
        popups = [popup for popup in self._open.values() if popup.actions]
        if popups:
            self._ask(popups[-1])
        elif self._asks:
            text = say("There is no open question.")
            unreal.EditorDialog.show_message(NAME, text, unreal.AppMsgType.OK)

    def _ask(self, popup):
        # type: (Any) -> None
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
        self._open.pop(popup.id, None)
        self._session.answer(answer)
        self._update()

    def _update(self):
        # type: () -> None
        """Shows in the menu how many questions are open."""
        if self._menu is None:
            return
        count = sum(1 for popup in self._open.values() if popup.actions)
        self._set_entry(QUESTION, say("Show the open question (%(count)d)", count=count), "show_question")

    def _set_entry(self, name, label, function):
        # type: (str, str, str) -> None
        entry = unreal.ToolMenuEntry(name=name, type=unreal.MultiBlockType.MENU_ENTRY)
        entry.set_label(label)
        command = "import popbridge_unreal; popbridge_unreal.%s()" % function
        entry.set_string_command(unreal.ToolMenuStringCommandType.PYTHON, "", command)
        self._menu.add_menu_entry(NAME, entry)
        self._entries = [each for each in self._entries if each[0] != name] + [(name, entry)]
        unreal.ToolMenus.get().refresh_all_widgets()


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
