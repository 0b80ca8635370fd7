"""docs/reference/unity-apis.md lists every member of Unity that the package uses.

The package is compiled against the stand-ins in `editor/fakes`, so what it uses of Unity is declared there.
Names are compared as text: a declared member counts as used if its name stands in the package's sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests/unity/editor/fakes"
PACKAGE = ROOT / "plugins/unity/bridge_unity/editor/com.popbridge.editor"
PAGE = ROOT / "docs/reference/unity-apis.md"

TEST_ONLY = {
    "GenericMenu.Items", "MenuItem.Choose", "MenuItem.Path", "Progress.Func", "Shader.Slots", "Texture.Path",
    "VisualElement.All", "VisualElement.Resize", "VisualElement.Send",
}  # fmt: skip
"""What the stand-ins have for tests, and whose names the package has for something else."""

_NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|@"(?:[^"]|"")*"|\$?"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|^[ \t]*#[^\n]*',
    re.DOTALL | re.MULTILINE,
)
_NAMESPACE = re.compile(r"namespace\s+(Unity[\w.]*)\s*\{")
_TYPE = re.compile(
    r"\b(?:public|internal)\s+(?:(?:static|sealed|abstract|partial|readonly)\s+)*"
    r"(class|struct|interface|enum)\s+(\w+)(?:<[^>]*>)?\s*(?::\s*([^{]*?))?\s*(?:where[^{]*)?\{"
)
_MEMBER = re.compile(
    r"\b(?:public|protected)\s+(?:(?:static|virtual|override|abstract|readonly|const|new|event)\s+)*"
    r"(?:[\w.<>,\[\]?]+(?:\s*<[^;{(=]*>)?\s+)(\w+)\s*(?:<[^(]*>)?\s*(?:[({;=]|=>)"
)


class Type(Struct):
    """A type of the stand-ins."""

    bases: set[str]
    words: set[str]
    """The words of its declarations."""
    members: set[str]


def without_noise(source: str) -> str:
    """Returns C# without comments, texts and directives."""
    return _NOISE.sub(" ", source)


def block(text: str, start: int) -> str:
    """Returns what stands up to the brace that closes the one before `start`."""
    depth, at = 1, start
    while depth and at < len(text):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return text[start : at - 1]


def outermost(body: str) -> str:
    """Returns a body without what stands in braces."""
    text, depth = [], 0
    for each in body:
        if each == "{":
            text.append("{" if depth == 0 else "")
            depth += 1
        elif each == "}":
            depth -= 1
            text.append("};" if depth == 0 else "")
        elif depth == 0:
            text.append(each)
    return "".join(text)


def declared(body: str, outer: str = "") -> Iterator[tuple[str, Type]]:
    """Yields the types of a namespace or of another type."""
    at = 0
    while found := _TYPE.search(body, at):
        inner = block(body, found.end())
        kind, name, bases = found[1], outer + found[2], found[3] or ""
        own = outermost(inner)
        members = {
            "enum": lambda text: re.findall(r"(?:^|,)\s*(\w+)", text),
            "interface": lambda text: re.findall(r"(\w+)\s*[({;]", re.sub(r"\{\};", ";", text)),
        }.get(kind, _MEMBER.findall)(own)
        short = {base.split("<")[0].split(".")[-1].strip() for base in bases.split(",")}
        yield name, Type(short, set(re.findall(r"\w+", own)), set(members) - {found[2]})
        if kind in ("class", "struct"):
            yield from declared(inner, f"{name}.")
        at = found.end() + len(inner)


def unity() -> dict[str, Type]:
    """Returns what the stand-ins declare of Unity, by name."""
    types: dict[str, Type] = {}
    for file in sorted(FAKES.glob("*.cs")):
        text = without_noise(file.read_text(encoding="utf-8"))
        for namespace in _NAMESPACE.finditer(text):
            for name, found in declared(block(text, namespace.end())):
                if not name.startswith("Fake"):
                    known = types.setdefault(name, Type(set(), set(), set()))
                    known.bases |= found.bases
                    known.words |= found.words
                    known.members |= found.members
    return types


def used() -> set[str]:
    """Returns the types and members of Unity that the package uses, as `Type` and `Type.Member`."""
    types = unity()
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.cs")]
    words = {word for text in texts for word in re.findall(r"\b[A-Za-z_]\w*", without_noise(text))}
    live = {name for name in types if name.rpartition(".")[2] in words}
    while True:
        # A member may be of a base, or of a type that no source names, such as `IStyle`.
        near = {word for name in live for word in types[name].bases | types[name].words}
        more = {name for name in types if name.rpartition(".")[2] in near} - live
        if not more:
            break
        live |= more
    members = {f"{name}.{member}" for name in live for member in types[name].members & words}
    return (live | members) - TEST_ONLY


def listed(page: str) -> set[str]:
    """Returns the names in the first column of the page's tables, with the types of their members."""
    names: set[str] = set()
    for line in page.splitlines():
        owner = ""
        for name in re.findall(r"`([\w.]+)`", line.split("|")[1]) if line.startswith("| `") else ():
            before, point, _ = name.rpartition(".")
            owner = before if point else owner
            names |= {name, owner} if point else {f"{owner}.{name}"} if owner else {name}
    return names


def test_the_page_lists_every_member_that_the_package_uses() -> None:
    missing = used() - listed(PAGE.read_text(encoding="utf-8"))
    assert not missing, f"add to {PAGE.name}, with the first version that has it: {sorted(missing)}"


def test_every_row_says_from_which_version_on_and_where_that_was_read() -> None:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and cells[0].startswith("`"):
            assert re.fullmatch(r"\d{4}\.\d", cells[1]) and re.search(r"`[\w.]+\.cs`", cells[2]), line


@pytest.mark.parametrize(
    "name", ["AssetDatabase.MakeEditable", "TextureImporter.swizzleG", "IStyle.flexGrow"]
)
def test_what_is_taken_from_the_page_is_missed(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert name in used() <= listed(page)
    assert name not in listed(
        re.sub(rf"`(?:{name.partition('.')[0]}\.)?{name.partition('.')[2]}`", "``", page)
    )
