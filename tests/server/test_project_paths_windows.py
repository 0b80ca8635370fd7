"""Which paths Windows would take somewhere else; decided here on whatever system this runs."""

from __future__ import annotations

import ntpath
from pathlib import PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import RequestError
from bridge.server.project_paths import is_name, join_windows_path

ROOT = "C:\\Games\\My Project"
SHARE = "\\\\studio\\art\\project"


@pytest.mark.parametrize(
    ("path", "root", "becomes"),
    [
        ("a.png", ROOT, "C:\\Games\\My Project\\a.png"),
        ("Assets/Tex/a.png", ROOT, "C:\\Games\\My Project\\Assets\\Tex\\a.png"),
        ("Assets\\..\\a.png", ROOT, "C:\\Games\\My Project\\a.png"),
        (".\\a.png", ROOT, "C:\\Games\\My Project\\a.png"),
        ("C:\\Games\\My Project\\a.png", ROOT, "C:\\Games\\My Project\\a.png"),
        ("C:/Games/My Project/a.png", ROOT, "C:\\Games\\My Project\\a.png"),
        ("c:\\GAMES\\my project\\A.PNG", ROOT, "c:\\GAMES\\my project\\A.PNG"),
        ("\\Games\\My Project\\a.png", ROOT, "C:\\Games\\My Project\\a.png"),
        ("a.png", "C:/Games/My Project/", "C:\\Games\\My Project\\a.png"),
        ("a.png", "D:\\", "D:\\a.png"),
        ("a.png", SHARE, "\\\\studio\\art\\project\\a.png"),
        ("\\\\STUDIO\\Art\\project\\a.png", SHARE, "\\\\STUDIO\\Art\\project\\a.png"),
        ("//studio/art/project/a.png", SHARE, "\\\\studio\\art\\project\\a.png"),
        ("贴图/ä.png", ROOT, "C:\\Games\\My Project\\贴图\\ä.png"),
        ("console.png", ROOT, "C:\\Games\\My Project\\console.png"),
        ("con-1.png", ROOT, "C:\\Games\\My Project\\con-1.png"),
        ("comic\\com10.png", ROOT, "C:\\Games\\My Project\\comic\\com10.png"),
        (".hidden\\..a", ROOT, "C:\\Games\\My Project\\.hidden\\..a"),
        # 8.3 names: which folder that is only the file system knows, which is asked next.
        ("C:\\GAMES\\MYPROJ~1\\a.png", ROOT, "C:\\GAMES\\MYPROJ~1\\a.png"),
        ("C:\\Users\\runner\\p\\a.png", "C:\\Users\\RUNNER~1\\p", "C:\\Users\\runner\\p\\a.png"),
    ],
)
def test_a_file_below_the_root_is_taken(path: str, root: str, becomes: str) -> None:
    assert join_windows_path(path, root) == becomes


@pytest.mark.parametrize(
    ("path", "why"),
    [
        # Up and out.
        ("..\\a.png", "outside"),
        ("Assets\\..\\..\\a.png", "outside"),
        ("Assets/../../My Project 2/a.png", "outside"),
        ("C:\\Games\\My Project 2\\a.png", "outside"),
        ("C:\\Windows\\win.ini", "outside"),
        ("\\Windows\\win.ini", "outside"),
        ("/Windows/win.ini", "outside"),
        # Another drive, or wherever some process last was on it.
        ("D:\\a.png", "outside"),
        ("D:a.png", "outside"),
        ("C:a.png", "current folder"),
        ("c:", "current folder"),
        ("C:..\\a.png", "current folder"),
        # Another machine.
        ("\\\\evil\\share\\a.png", "outside"),
        ("//evil/share/a.png", "outside"),
        ("\\/evil\\share\\a.png", "outside"),
        # Devices and other namespaces.
        ("\\\\?\\C:\\Games\\My Project\\a.png", "device"),
        ("//?/C:/Games/My Project/a.png", "device"),
        ("\\\\?\\UNC\\evil\\share\\a.png", "device"),
        ("\\\\.\\pipe\\name", "device"),
        ("\\\\.\\PhysicalDrive0", "device"),
        ("//./C:", "device"),
        ("\\??\\C:\\Games\\My Project\\a.png", "device"),
        ("CON", "CON is a device"),
        ("Assets\\nul", "nul is a device"),
        ("NUL.png", "NUL.png is a device"),
        ("nul .png", "is a device"),
        ("aux.tar.gz", "is a device"),
        ("com1", "is a device"),
        ("LPT9.txt", "is a device"),
        ("COM\u00b9", "is a device"),
        ("conin$", "is a device"),
        ("prn\\a.png", "prn is a device"),
        # Streams.
        ("a.png:secret", "alternate data stream"),
        ("a.png::$DATA", "alternate data stream"),
        ("Assets:x\\a.png", "alternate data stream"),
        ("C:\\Games\\My Project\\a.png:x", "alternate data stream"),
        # Names that are another's.
        ("a.png.", "ignores dots and spaces"),
        ("a.png ", "ignores dots and spaces"),
        ("Assets. \\a.png", "ignores dots and spaces"),
        ("...", "ignores dots and spaces"),
        ("a*.png", "file names can't"),
        ("a?.png", "file names can't"),
        ('a".png', "file names can't"),
        ("a|b", "file names can't"),
        ("<a>", "file names can't"),
        ("a\x1f.png", "file names can't"),
        ("a\0.png", "file names can't"),
    ],
)
def test_whatever_else_a_path_means_is_refused(path: str, why: str) -> None:
    with pytest.raises(RequestError, match=why) as caught:
        join_windows_path(path, ROOT)
    assert caught.value.code.name in ("forbidden", "bad_input")


@pytest.mark.parametrize(
    ("name", "fits"),
    [("rock.png", True), ("岩石", True), ("con.png", False), ("NUL", False), ("a:b", False), ("a?", False),
     ("a.", False), ("a/b", False), ("a\\b", False), ("..", False), ("", False)],
)  # fmt: skip
def test_a_name_that_no_file_has_on_windows_is_none(name: str, fits: bool) -> None:
    assert is_name(name) is fits


PIECES = st.sampled_from(
    ["..", ".", "a", "a.png", "C:", "D:", "c:", "\\", "/", "\\\\", "?", "\\\\?\\", "CON", "nul.txt", ":",
     "x:y", " ", "~1", "Games", "My Project", "server", "\0", "UNC", "com1", "."]
)  # fmt: skip


@given(
    st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=20), st.sampled_from([ROOT, SHARE, "D:\\"])
)
def test_what_is_taken_lies_below_the_root_or_has_a_short_name(path: str, root: str) -> None:
    try:
        found = join_windows_path(path, root)
    except RequestError as error:
        assert error.code.name in ("forbidden", "bad_input")
        return
    assert ntpath.splitdrive(found)[0].lower() == ntpath.splitdrive(root)[0].lower()
    assert ".." not in PureWindowsPath(found).parts
    rest = ntpath.splitdrive(found)[1]
    assert not set(rest) & set(':*?"<>|\0')
    assert PureWindowsPath(found).is_relative_to(root) or "~" in found
