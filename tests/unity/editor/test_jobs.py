"""Work that people start from the package's menus, in a fake editor, beside a real daemon."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.unity.editor.conftest import NORMAL_MAP, Open
from tests.unity.editor.session import Session
from tests.unity.editor.test_package import OTHER, copy
from tests.unity.editor.test_window import look

MANY = 200
FOLDER = "Assets/heights"


def heights(project: Path, count: int) -> list[str]:
    """Adds small height maps, each with other pixels."""
    (project / FOLDER).mkdir()
    files = [f"{FOLDER}/rock{number}.png" for number in range(count)]
    meta = (project / f"{NORMAL_MAP}.meta").read_text(encoding="utf-8")
    for number, file in enumerate(files):
        image = Image.new("L", (8, 8), number)
        image.putpixel((number % 8, number // 8 % 8), 255 - number)
        image.save(project / file)
        (project / f"{file}.meta").write_text(
            re.sub("guid: .*", f"guid: {number:032x}", meta), encoding="utf-8"
        )
    return files


def choose(session: Session, entry: str, *selected: str) -> None:
    if selected:
        session.order("select", *selected)
    session.order("menu", entry)
    assert session.wait("menu") == ["True"]


def test_normal_maps_are_new_files_that_are_imported_as_such(editor: Open, project: Path) -> None:
    (file,) = heights(project, 1)
    made = project / f"{FOLDER}/rock0_normal.png"
    session = editor()
    session.wait("opened")
    for name in ("rock0_normal", "rock0_normal 1"):
        choose(session, "Assets/PopBridge/Generate Normal Map", file)
        session.wait("task", "Succeeded")
        # Nothing is ever replaced.
        with Image.open(project / f"{FOLDER}/{name}.png") as image:
            assert image.mode == "RGB" and image.size == (8, 8)
    assert re.search(
        r"^  textureType: 1$", made.with_name(f"{made.name}.meta").read_text("utf-8"), re.MULTILINE
    )


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_compressed_files_lie_beside_their_textures(editor: Open, project: Path) -> None:
    session = editor()
    session.wait("opened")
    choose(session, "Tools/PopBridge/Compress to DDS", NORMAL_MAP)
    session.wait("task", "Succeeded")
    assert (project / NORMAL_MAP).with_suffix(".dds").read_bytes()[:4] == b"DDS "


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_what_cannot_be_done_is_said_for_each_file(editor: Open, project: Path) -> None:
    copy(project, OTHER)
    Image.new("RGB", (10, 10)).save(project / OTHER)
    session = editor()
    session.wait("opened")
    choose(session, "Tools/PopBridge/Compress to DDS", OTHER, NORMAL_MAP)
    assert OTHER in session.wait("warning")[0]
    assert (project / NORMAL_MAP).with_suffix(".dds").exists()
    assert not (project / OTHER).with_suffix(".dds").exists()


def test_a_domain_reload_in_the_middle_of_200_jobs_loses_and_repeats_none(
    editor: Open, project: Path
) -> None:
    heights(project, MANY)
    before = editor()
    before.wait("opened")
    choose(before, "Tools/PopBridge/Generate Normal Map", FOLDER)
    # So many files aren't created unasked.
    assert ["dialog"] in before.seen
    before.wait("answered", "result")
    before.close()
    after = editor()
    assert after.wait("opened")[1] == "True"
    after.wait("task", "Succeeded")
    made = sorted(file.name for file in (project / FOLDER).glob("*_normal*.png"))
    assert made == sorted(f"rock{number}_normal.png" for number in range(MANY))
    after.order("idle")
    after.wait("idle")
    after.order("idle")
    assert after.wait("idle") == ["0"]


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_cancelled_work_writes_no_more(editor: Open, project: Path) -> None:
    heights(project, 40)
    session = editor()
    session.wait("opened")
    choose(session, "Tools/PopBridge/Generate Normal Map", FOLDER)
    session.wait("task", "start")
    session.order("cancel")
    session.wait("task", "Canceled")
    made = len(list((project / FOLDER).glob("*_normal*.png")))
    assert made < 40
    session.order("tasks")
    assert session.wait("tasks") == ["0"]
    choose(session, "Tools/PopBridge/Generate Normal Map", f"{FOLDER}/rock1.png")
    session.wait("task", "Succeeded")


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_a_check_of_the_project_reports_every_texture(editor: Open, project: Path) -> None:
    copy(project, OTHER)
    session = editor()
    session.wait("opened")
    choose(session, "Tools/PopBridge/Check Project")
    session.wait("task", "Succeeded")
    assert session.wait("popup", "texture.import")[2] == "2"


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_a_texture_can_be_asked_about(editor: Open) -> None:
    session = editor()
    session.wait("opened")
    choose(session, "Assets/PopBridge/Ask Why", NORMAL_MAP)
    seen, texts = look(session, until=2)
    assert seen == [False, False, True] and NORMAL_MAP in texts


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_loaded_materials_tell_what_a_texture_is_used_as(editor: Open) -> None:
    session = editor()
    for material in (
        ("Standard", "_BumpMap", NORMAL_MAP),
        ("Mine", "_BumpMap", NORMAL_MAP),
        ("Mine", "_Bumps", NORMAL_MAP, "normal"),
        ("Mine", "_Bumps", NORMAL_MAP, "normal"),
        ("Mine", "_Ground", "Packages/other/ground.png"),
    ):
        session.order("material", *material)
    session.order("uses", NORMAL_MAP)
    # Reading them waits for a tick that has time.
    assert session.wait("uses") == [
        "False",
        "kind=normal slot=_BumpMap|slot=_BumpMap|basis=declaration kind=normal slot=_Bumps",
    ]
    session.order("uses", "Packages/other/ground.png")
    assert session.wait("uses")[1] == ""
