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


def show_question():
    # type: () -> None
    """For the menu: shows the newest open question."""
    if _plugin is not None:
        _plugin.show_question()


def check_selection():
    # type: () -> None
    """For the menu: checks the textures that are selected in the Content Browser."""
    if _plugin is not None:
        _plugin.check_selection()
