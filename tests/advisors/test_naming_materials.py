"""Which files are maps of one material."""

from __future__ import annotations

import pytest
from msgspec import Struct

from bridge.advisors import naming
from bridge.advisors.naming import MAX_SIBLINGS, group_by_material, group_names, material_siblings


class File(Struct, frozen=True):
    file: str


def grouped(*files: str) -> list[tuple[str, list[str]]]:
    return [
        (name, [one.file for one in found]) for name, found in group_by_material([File(f) for f in files])
    ]


def test_maps_of_one_material_in_one_folder_belong_together() -> None:
    found = grouped("m/rock_albedo.png", "m/wall_n.png", "m/rock_n.png", "x/rock_n.png", "m/rock_orm.png")
    assert found == [
        ("rock", ["m/rock_albedo.png", "m/rock_n.png", "m/rock_orm.png"]),
        ("", ["m/wall_n.png"]),
        ("", ["x/rock_n.png"]),
    ]


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("rock_roughness.png", "rock_rma.png"), "rock"),
        (("MossyRockNormal.png", "MossyRockRoughness.png"), "MossyRock"),
        (("Mossy Rock_nor_gl_2k.jpg", "Mossy Rock_diff_2k.jpg"), "Mossy Rock"),
        (("rock.png", "rock_n.png"), "rock"),
        (("岩石_normal.png", "岩石_roughness.png"), "岩石"),
        (("камень_n.png", "камень_d.png"), "камень"),
    ],
)
def test_a_material_is_called_what_its_people_call_it(files: tuple[str, ...], name: str) -> None:
    assert grouped(*files) == [(name, list(files))]


@pytest.mark.parametrize(
    "files",
    [
        ("ui/button_normal.png", "ui/button_hover.png"),
        ("岩石_normal.png", "木头_normal.png"),
        ("a/1.png", "a/2.png"),
        ("rock_01.png", "rock_02.png"),
        ("rock_n.png", "rocket_n.png"),
        ("n.png", "d.png"),
    ],
)
def test_what_only_sounds_alike_stays_apart(files: tuple[str, ...]) -> None:
    assert [name for name, _ in grouped(*files)] == ["", ""]


def test_siblings_are_those_that_may_be_of_the_same_material() -> None:
    folder = group_names(["rock_n.png", "rock_d.png", "Rock.png", "rocket.png", "岩石.png", "readme.txt"])
    assert material_siblings("m/rock_n.png", folder) == ["Rock.png", "rock_d.png"]
    assert material_siblings("m/岩石_n.png", group_names(["岩石_d.png", "木_d.png"])) == ["岩石_d.png"]
    assert material_siblings("m/sand_n.png", folder) == []


def test_a_huge_folder_stays_a_short_list() -> None:
    assert (
        len(material_siblings("rock_n.png", group_names(f"rock_{n}.png" for n in range(10_000))))
        == MAX_SIBLINGS
    )
    first = sorted(f"rock_{n}.png" for n in range(100))
    assert material_siblings("rock_0.png", group_names(first)) == first[1 : MAX_SIBLINGS + 1]


def test_names_of_a_folder_of_thousands_are_read_once_and_not_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    real = naming._first_word
    monkeypatch.setattr(naming, "_first_word", lambda name: read.append(name) or real(name))
    folder = group_names(f"{name}_n.png" for name in range(1000))
    for name in range(1000):
        material_siblings(f"{name}_n.png", folder)
    assert len(read) == 2000
