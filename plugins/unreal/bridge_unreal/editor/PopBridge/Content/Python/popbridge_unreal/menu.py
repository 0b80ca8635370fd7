"""The entries in the editor's menus. They run commands by name, so that no callable has to be kept."""

from typing import Any, List

import unreal

from popbridge_unreal import textures
from popbridge_unreal.texts import say

MAIN = "LevelEditor.MainMenu"
TEXTURES, FOLDERS = "ContentBrowser.AssetContextMenu.Texture2D", "ContentBrowser.FolderContextMenu"
NAME = "PopBridge"


class Menu(object):
    """The menu PopBridge, and entries in the Content Browser's context menus of textures and folders."""

    def __init__(self):
        # type: () -> None
        self._menu = None  # type: Any
        self._kept = []  # type: List[Any]
        self._count = -1

    def create(self):
        # type: () -> None
        menus = unreal.ToolMenus.get()
        main = menus.find_menu(MAIN)
        if main is not None:
            self._menu = main.add_sub_menu(main.get_name(), NAME, NAME, NAME)
            self._add(self._menu, "CheckSelection", say("Check the selected textures"), "check_selection")
            self._add(self._menu, "CheckProject", say("Check all textures of the project"), "check_project")
            self.update(0)
        for name, entry, label, function in (
            (TEXTURES, "CheckSelection", say("Check with PopBridge"), "check_selection"),
            (TEXTURES, "CreateNormalMap", say("Make a normal map from heights"), "create_normal_maps"),
            (FOLDERS, "CheckFolder", say("Check textures with PopBridge"), "check_folders"),
        ):
            menu = menus.extend_menu(name)
            if menu is not None:
                self._add(menu, entry, label, function)

    def update(self, count):
        # type: (int) -> None
        """Shows how many questions are open."""
        if self._menu is None or count == self._count:
            return
        self._count = count
        self._add(
            self._menu, "ShowQuestions", say("Show open questions (%(count)d)", count=count), "show_questions"
        )
        unreal.ToolMenus.get().refresh_all_widgets()

    def _add(self, menu, name, label, function):
        # type: (Any, str, str, str) -> None
        entry = unreal.ToolMenuEntry(name=NAME + name, type=unreal.MultiBlockType.MENU_ENTRY)
        entry.set_label(label)
        command = "import popbridge_unreal; popbridge_unreal.%s()" % function
        entry.set_string_command(unreal.ToolMenuStringCommandType.PYTHON, "", command)
        menu.add_menu_entry(NAME, entry)
        self._kept = [each for each in self._kept if each[:2] != (id(menu), name)] + [
            (id(menu), name, menu, entry)
        ]


def selected_textures():
    # type: () -> List[str]
    """Returns the object paths of the textures that are selected in the Content Browser."""
    assets = unreal.EditorUtilityLibrary.get_selected_assets()
    return [textures.path_of(each) for each in assets if isinstance(each, unreal.Texture2D)]


def selected_folders():
    # type: () -> List[str]
    """Returns the folders that are selected in the Content Browser, such as `/Game/Textures`."""
    library, found = unreal.EditorUtilityLibrary, []  # type: Any, List[str]
    for name in ("get_selected_folder_paths", "get_selected_path_view_folder_paths"):
        asked = getattr(library, name, None)
        found += [str(each) for each in asked()] if asked is not None else []
    # 5.0 and later: /All/Game/Textures
    return sorted({each[4:] if each.startswith("/All/") else each for each in found})


def textures_in(folders):
    # type: (List[str]) -> List[str]
    """Returns the object paths of all textures in folders, without loading them."""
    registry = unreal.AssetRegistryHelpers.get_asset_registry()
    found = []
    for folder in folders:
        for each in registry.get_assets_by_path(folder, True) or []:
            if _class_of(each) == "Texture2D":
                found.append("%s.%s" % (each.package_name, each.asset_name))
    return sorted(set(found))


def _class_of(data):
    # type: (Any) -> str
    """Returns an asset's class: a path from 5.1 on, a name before."""
    path = getattr(data, "asset_class_path", None)
    return str(path.asset_name) if path is not None else str(data.asset_class)
