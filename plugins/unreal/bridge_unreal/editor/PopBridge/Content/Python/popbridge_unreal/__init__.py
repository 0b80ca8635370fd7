"""PopBridge in the Unreal editor. Python 3.7 and its standard library suffice."""

VERSION = "0.3.0"

_plugin = None
"""Keeps everything that the editor calls: a callable that is collected crashes it."""


def start():
    # type: () -> None
    """Starts the plugin, once; in a commandlet, which has no ticks, it does nothing."""
    global _plugin
    if _plugin is not None:
        return
    from popbridge_unreal import plugin

    _plugin = plugin.create()


def show_questions():
    # type: () -> None
    """For the menu: shows the open questions."""
    if _plugin is not None:
        _plugin.show_questions()


def check_selection():
    # type: () -> None
    """For the menu: checks the textures that are selected in the Content Browser."""
    if _plugin is not None:
        _plugin.check_selection()


def check_folders():
    # type: () -> None
    """For the menu: checks the textures in the folders that are selected in the Content Browser."""
    if _plugin is not None:
        _plugin.check_folders()


def check_project():
    # type: () -> None
    """For the menu: checks all textures of the project."""
    if _plugin is not None:
        _plugin.check_project()


def create_normal_maps():
    # type: () -> None
    """For the menu: makes normal maps from the selected height maps."""
    if _plugin is not None:
        _plugin.create_normal_maps()
