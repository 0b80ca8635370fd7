import pytest

from accel.image.atlas import sprite_names
from accel.workload import WorkloadError


def test_the_folder_that_all_share_is_left_out():
    given = ["game/art/hero/run.png", "game/art/tree.png", "game/art/hero/idle.png"]
    assert sprite_names(given, True, True) == ["hero/run.png", "tree.png", "hero/idle.png"]
    assert sprite_names(given[:1], True, True) == ["run.png"]
    assert sprite_names(["a/x.png", "b/x.png"], True, True) == ["a/x.png", "b/x.png"]


def test_a_folder_s_beginning_is_no_folder():
    assert sprite_names(["hero/a.png", "hero2/b.png"], True, True) == ["hero/a.png", "hero2/b.png"]


def test_windows_paths_and_addresses_read_alike():
    assert sprite_names(["C:\\art\\a\\x.png", "C:\\art\\b.png"], True, True) == ["a/x.png", "b.png"]
    assert sprite_names(["res://ui/a.png", "res://ui/b.png"], True, True) == ["a.png", "b.png"]
    assert sprite_names(["/"], True, True) == ["/"]


def test_folders_and_extensions_are_left_out_where_that_is_asked_for():
    given = ["art/hero/run.01.png", "art/tree.tga", "art/.hidden"]
    assert sprite_names(given, False, True) == ["run.01.png", "tree.tga", ".hidden"]
    assert sprite_names(given, True, False) == ["hero/run.01", "tree", ".hidden"]


@pytest.mark.parametrize(
    ("given", "folders", "extension", "hint"),
    [
        (["a/x.png", "b/x.png"], False, True, True),
        (["x.png", "x.tga"], True, False, True),
        (["x.png", "X.png"], True, True, False),
        (["x.png", "x.png"], True, True, False),
    ],
)
def test_two_that_would_be_called_the_same_are_named(given, folders, extension, hint):
    with pytest.raises(WorkloadError) as caught:
        sprite_names(given, folders, extension)
    assert (caught.value.code, caught.value.name) == ("bad_params", given[1])
    assert given[0] in caught.value.reason
    assert ("or keep folders" in caught.value.reason) is hint
