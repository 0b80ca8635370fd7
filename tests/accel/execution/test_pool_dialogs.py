import sys
import types

from accel.execution import pool


def test_windows_is_told_to_show_no_box_and_nobody_else_is(monkeypatch):
    told = []
    flags = {"SEM_FAILCRITICALERRORS": 1, "SEM_NOGPFAULTERRORBOX": 2, "SEM_NOOPENFILEERRORBOX": 0x8000}
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(SetErrorMode=told.append, **flags))
    for platform in ("linux", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        pool.suppress_error_dialogs()
    assert told == [0x8003]
