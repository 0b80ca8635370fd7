"""Where things lie, on each platform, from any platform."""

from __future__ import annotations

import sys
from pathlib import Path

import platformdirs
import pytest

from bridge.core.errors import UserError
from bridge.paths import Paths
from tests.messages import in_chinese


def test_one_variable_moves_everything_into_one_folder() -> None:
    paths = Paths.find({"POPBRIDGE_HOME": "/p", "XDG_RUNTIME_DIR": "/run/user/1"}, "linux")
    assert paths.connection_file == Path("/p/connection.json")
    assert paths.home == Path("/p")
    assert all(
        Path("/p") in path.parents
        for path in (paths.database, paths.blobs, paths.lock_file, paths.settings_file, paths.cache)
    )


def test_linux_uses_the_users_runtime_folder_or_else_the_share_folder() -> None:
    with_runtime = Paths.find({"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/1"}, "linux")
    without = Paths.find({"HOME": "/home/ann", "XDG_RUNTIME_DIR": "", "XDG_DATA_HOME": "/data"}, "linux")
    assert with_runtime.connection_file == Path("/run/user/1/popbridge/connection.json")
    assert with_runtime.cache == Path("/home/ann/.cache/popbridge")
    assert without.connection_file == Path("/home/ann/.local/share/popbridge/run/connection.json")
    assert without.data == Path("/data/popbridge")


def test_windows_keeps_all_in_the_local_application_data() -> None:
    paths = Paths.find({"LOCALAPPDATA": "/Local", "USERPROFILE": "/Users/Ann"}, "win32")
    assert paths.connection_file == Path("/Local/popbridge/run/connection.json")
    assert paths.data == Path("/Local/popbridge")
    bare = Paths.find({"USERPROFILE": "/Users/Ann"}, "win32")
    assert bare.data == Path("/Users/Ann/AppData/Local/popbridge")


@pytest.mark.parametrize("home", ['"C:\\Pop Bridge"', "C:\\Pop Bridge ", '"C:\\Pop Bridge" '])
def test_quotes_and_spaces_from_cmd_are_reported_with_the_right_command(home: str) -> None:
    with pytest.raises(UserError) as caught:
        Paths.find({"POPBRIDGE_HOME": home}, "win32")
    assert str(caught.value) == (
        f"POPBRIDGE_HOME is `{home}`, which isn't a valid folder name. "
        'In cmd, type set "POPBRIDGE_HOME=C:\\Pop Bridge".'
    )
    assert in_chinese(caught.value).endswith('请在 cmd 中输入 set "POPBRIDGE_HOME=C:\\Pop Bridge"。')
    assert Paths.find({"POPBRIDGE_HOME": home}, "linux").home == Path(home)


def test_macos_uses_the_librarys_folders() -> None:
    paths = Paths.find({"HOME": "/Users/ann"}, "darwin")
    assert paths.connection_file == Path(
        "/Users/ann/Library/Application Support/popbridge/run/connection.json"
    )
    assert paths.cache == Path("/Users/ann/Library/Caches/popbridge")


def test_data_and_cache_lie_where_this_platforms_other_programs_keep_theirs(monkeypatch) -> None:
    monkeypatch.delenv("POPBRIDGE_HOME", raising=False)
    paths = Paths.find(platform=sys.platform)
    assert paths.data == platformdirs.user_data_path("popbridge", appauthor=False)
    assert paths.cache == platformdirs.user_cache_path("popbridge", appauthor=False)
