"""Which files a request may name by their paths."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import RequestError
from bridge.server.project_paths import confine

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and special files as POSIX has them")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "Assets").mkdir(parents=True)
    (made / "Assets" / "a.png").touch()
    (tmp_path / "secret.png").touch()
    return made


def taken(path: str, root: Path) -> Path:
    return Path(confine(path, root))


def refused(path: str, root: Path | None) -> str:
    with pytest.raises(RequestError) as caught:
        confine(path, root)
    return caught.value.code.name


def test_a_file_of_the_project_is_taken_however_it_is_written(root: Path) -> None:
    found = root.resolve() / "Assets" / "a.png"
    plain = ["Assets/a.png", "./Assets/a.png", "Assets/../Assets/a.png", str(found), "Assets//a.png"]
    for path in (*plain, "Assets/a.png/", "missing/../Assets/a.png"):
        assert taken(path, root) == found


@posix
def test_what_a_path_comes_back_from_isnt_told_to_exist(root: Path) -> None:
    (root.parent / "secret").mkdir()
    for name in ("secret", "nosecret"):
        assert taken(f"../{name}/../project/Assets/a.png", root) == root.resolve() / "Assets" / "a.png"


def test_without_a_project_no_path_is_taken() -> None:
    assert refused("a.png", None) == "forbidden"


@pytest.mark.parametrize("path", ["../secret.png", "../missing.png", "Assets/../../secret.png", ".."])
def test_what_lies_outside_is_refused_whether_it_exists_or_not(root: Path, path: str) -> None:
    assert refused(path, root) == "forbidden"
    assert refused(os.path.join(str(root), path), root) == "forbidden"


def test_another_folder_whose_name_begins_alike_lies_outside(root: Path) -> None:
    other = root.with_name("project 2")
    other.mkdir()
    (other / "a.png").touch()
    assert refused(str(other / "a.png"), root) == "forbidden"
    assert refused("../project 2/a.png", root) == "forbidden"


@pytest.mark.parametrize("path", ["missing.png", "Assets/a.png/b", "a" * 300, "a/" * 3000 + "b"])
def test_what_isnt_there_isnt_found(root: Path, path: str) -> None:
    assert refused(path, root) == "not_found"


@pytest.mark.parametrize("path", ["", ".", "Assets"])
def test_a_folder_is_no_file(root: Path, path: str) -> None:
    assert refused(path, root) == "bad_input"


def test_a_nul_ends_no_path(root: Path) -> None:
    with pytest.raises(RequestError, match=r"Assets/a\.png\\0\.txt: a path can't contain NUL"):
        confine("Assets/a.png\0.txt", root)


@posix
def test_a_link_may_stay_inside_and_may_not_lead_out(root: Path) -> None:
    (root / "inside.png").symlink_to(root / "Assets" / "a.png")
    (root / "relative.png").symlink_to("Assets/a.png")
    (root / "outside.png").symlink_to(root.parent / "secret.png")
    (root / "up").symlink_to("..")
    (root / "chain.png").symlink_to("outside.png")
    (root / "dangling.png").symlink_to(root.parent / "missing.png")
    for path in ("inside.png", "relative.png"):
        assert taken(path, root) == root.resolve() / "Assets" / "a.png"
    for path in ("outside.png", "up/secret.png", "chain.png", "dangling.png", "Assets/../up/secret.png"):
        assert refused(path, root) == "forbidden"


@posix
def test_links_in_a_circle_lead_nowhere(root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    (root / "outside.png").symlink_to(root.parent / "secret.png")
    assert refused("one", root) == "not_found"
    assert refused("one/../outside.png", root) == "forbidden"
    assert refused("one/../../secret.png", root) == "forbidden"


@posix
def test_a_root_that_is_a_link_is_as_good(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    found = root.resolve() / "Assets" / "a.png"
    for start in (link, root):
        for path in ("Assets/a.png", str(link / "Assets" / "a.png"), str(root / "Assets" / "a.png")):
            assert taken(path, start) == found


@posix
def test_what_would_wait_or_answer_when_it_is_opened_is_no_file(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(root / "fifo.png")
    # A socket's path may be 107 bytes long.
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        assert refused("socket.png", root) == "bad_input"
    assert refused("fifo.png", root) == "bad_input"
    (root / "null.png").symlink_to("/dev/null")
    assert refused("null.png", root) == "forbidden"
    assert refused("null", Path("/dev")) == "bad_input"


@posix
def test_forms_of_windows_are_plain_names_elsewhere(root: Path) -> None:
    for path in ("C:x", "..\\secret.png", "\\\\server\\share", "NUL", "a.png:stream", "a.png."):
        assert refused(path, root) == "not_found"
        (root / path).touch()
        assert taken(path, root) == root.resolve() / path


@given(
    st.lists(
        st.sampled_from(["..", ".", "Assets", "a.png", "/", "up", "\0", "~", "secret.png", "x"]), max_size=8
    )
)
def test_whatever_is_asked_for_what_is_given_lies_inside(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    base = tmp_path_factory.getbasetemp() / "confine"
    root = base / "project"
    if not root.exists():
        (root / "Assets").mkdir(parents=True)
        (root / "Assets" / "a.png").touch()
        (base / "secret.png").touch()
        if sys.platform != "win32":
            (root / "up").symlink_to("..")
    for path in ("/".join(parts), "".join(parts), str(root) + "/" + "/".join(parts)):
        try:
            found = taken(path, root)
        except RequestError as error:
            assert error.code.name in ("forbidden", "not_found", "bad_input")
        else:
            assert found.is_relative_to(root.resolve()) and found.is_file()
