"""popbridge.toml: written by the bridge and by hand; what people wrote is never lost."""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.advisors import findings
from bridge.advisors.findings import DESIRED
from bridge.audit.texts import HELP
from bridge.core.errors import UserError
from bridge.core.textures import CODES, RULE_CODES, UNSETTLED
from bridge.project import config
from bridge.project.config import (
    NAME,
    TextureSettings,
    add_rules,
    ignored_code_notices,
    read,
    remove_rules,
    set_asking,
)
from tests.messages import in_chinese

OUTSIDE = re.compile(r"^[a-z]:|^\.\.$|^\.\./|/\.\./|/\.\.$|://", re.IGNORECASE)
BY_HAND = """\
# Ours. Ask Mei before you change it.
[textures]   # for the audit too
ignore = [
    "third_party/**",   # not ours
]
max_size = 2_048

[[always]]
folder = "materials"    # all of them
advice = [
    "normal_as_color",  # of course
]

# The end.
"""


def written(root: Path, text: str) -> Path:
    (root / NAME).write_bytes(text.encode())
    return root


def text_of(root: Path) -> str:
    return (root / NAME).read_bytes().decode()


def test_a_project_without_the_file_has_no_rules(tmp_path: Path) -> None:
    assert read(tmp_path) == config.ProjectFile()


def test_what_was_written_by_hand_is_read(tmp_path: Path) -> None:
    found = read(written(tmp_path, BY_HAND))
    assert found.rules() == {"materials": ["normal_as_color"]}
    assert found.textures == TextureSettings(ignore=["third_party/**"], max_size=2048)


def test_the_first_rule_makes_a_file_that_people_can_read(tmp_path: Path) -> None:
    add_rules(tmp_path, {"textures/岩石": ["normal_as_color"], "": ["too_large"]})
    lines = text_of(tmp_path).splitlines()
    assert lines[0].startswith("# What this project's people agreed on with PopBridge")
    assert lines[1].startswith("# Commit this file") and lines[2:] == [
        "", "[[always]]", 'folder = "textures/岩石"', 'advice = ["normal_as_color"]',
        "", "[[always]]", 'folder = "."', 'advice = ["too_large"]',
    ]  # fmt: skip
    assert read(tmp_path).rules() == {"textures/岩石": ["normal_as_color"], "": ["too_large"]}
    if sys.platform != "win32":
        assert (tmp_path / NAME).stat().st_mode & 0o044, "a file to be committed isn't private"


def test_a_rule_is_added_and_every_comment_stays_where_it_was(tmp_path: Path) -> None:
    add_rules(written(tmp_path, BY_HAND), {"ui": ["ui_mipmaps"], "materials": ["no_mipmaps"]})
    course = '    "normal_as_color",  # of course\n'
    added = BY_HAND.replace(course, course + '    "no_mipmaps",\n')
    assert text_of(tmp_path) == added + '\n[[always]]\nfolder = "ui"\nadvice = ["ui_mipmaps"]\n'


def test_a_rule_that_is_there_already_leaves_the_file_untouched(tmp_path: Path) -> None:
    written(tmp_path, BY_HAND.replace('"materials"', '"./materials/"'))
    before = (tmp_path / NAME).stat()
    add_rules(tmp_path, {"materials": ["normal_as_color"], "x": []})
    assert (tmp_path / NAME).stat().st_mtime_ns == before.st_mtime_ns


RULES = {"textures/岩石": ["normal_as_color", "no_mipmaps"], "": ["too_large"]}


def test_what_was_added_is_removed_and_leaves_no_file(tmp_path: Path) -> None:
    add_rules(tmp_path, RULES)
    remove_rules(tmp_path, RULES)
    assert not (tmp_path / NAME).exists()
    remove_rules(tmp_path, RULES)
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_was_added_to_a_file_of_people_is_removed_and_theirs_stays(tmp_path: Path, newline: str) -> None:
    by_hand = BY_HAND.replace("\n", newline)
    add_rules(written(tmp_path, by_hand), {"ui": ["ui_mipmaps"], "materials": ["no_mipmaps"]})
    remove_rules(tmp_path, {"ui": ["ui_mipmaps"], "materials": ["no_mipmaps"]})
    assert read(tmp_path).rules() == {"materials": ["normal_as_color"]}
    assert text_of(tmp_path).split() == by_hand.split()


def test_a_rule_without_codes_of_its_own_goes_and_other_codes_stay(tmp_path: Path) -> None:
    add_rules(tmp_path, RULES)
    remove_rules(tmp_path, {"textures/岩石": ["no_mipmaps"], "": ["too_large", "ui_mipmaps"], "gone": ["x"]})
    assert read(tmp_path).rules() == {"textures/岩石": ["normal_as_color"]}


def test_rules_in_one_line_are_removed(tmp_path: Path) -> None:
    written(
        tmp_path,
        'always = [{ folder = "a", advice = ["no_mipmaps"] }, { folder = "b", advice = ["too_large"] }]\n',
    )
    remove_rules(tmp_path, {"a": ["no_mipmaps"]})
    assert read(tmp_path).rules() == {"b": ["too_large"]}


@pytest.mark.parametrize(
    "text", ["", BY_HAND, "[textures]\nmax_size = 5\n", '[[always]]\nfolder = "a"\nadvice = ["no_mipmaps"]\n']
)
def test_asking_is_switched_off_and_on_again(tmp_path: Path, text: str) -> None:
    if text:
        written(tmp_path, text)
    before = read(tmp_path)
    set_asking(tmp_path, False)
    assert not read(tmp_path).textures.ask and read(tmp_path).rules() == before.rules()
    assert "ask = false" in text_of(tmp_path)
    set_asking(tmp_path, False)
    set_asking(tmp_path, True)
    assert read(tmp_path) == before
    assert (tmp_path / NAME).exists() == bool(text)


def test_a_file_with_a_mistake_is_edited_in_no_way(tmp_path: Path) -> None:
    written(tmp_path, "[textures]\nask = 1\n")
    for edit in (lambda: set_asking(tmp_path, False), lambda: remove_rules(tmp_path, RULES)):
        with pytest.raises(UserError, match="ask"):
            edit()
    assert text_of(tmp_path) == "[textures]\nask = 1\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_stay_as_they_are(tmp_path: Path, newline: str) -> None:
    add_rules(written(tmp_path, BY_HAND.replace("\n", newline)), {"ui": ["ui_mipmaps"]})
    assert text_of(tmp_path).count(newline) == text_of(tmp_path).count("\n") > BY_HAND.count("\n")


def test_a_byte_order_mark_of_notepad_is_read_and_kept(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"\xef\xbb\xbf" + BY_HAND.encode())
    add_rules(tmp_path, {"ui": ["ui_mipmaps"]})
    assert (tmp_path / NAME).read_bytes().startswith(b"\xef\xbb\xbf# Ours.")
    assert "ui" in read(tmp_path).rules()


@pytest.mark.parametrize(
    "text",
    [
        "always = []\n",
        "always = [{folder = 'a', advice = ['acme.x']}]\n[textures]\n",
        "[textures]\nmax_size = 1",
        "# only a remark",
        "",
        "[[always]]\nadvice = []\nfolder = 'b'",
    ],
)
def test_rules_are_added_however_the_file_is_laid_out(tmp_path: Path, text: str) -> None:
    before = read(written(tmp_path, text))
    add_rules(tmp_path, {"b": ["too_large"]})
    after = read(tmp_path)
    assert after.textures == before.textures
    assert {**before.rules(), "b": ["too_large"]} == after.rules()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BY_HAND.replace("folder = ", "folder "), r"popbridge\.toml, line 9: "),
        ("[textures\n", r"popbridge\.toml, line 1: "),
        ('[textures]\r\nignore = ["Assets\\UI"]', r"line 2: a backslash in double quotes begins an escape"),
        ('[[always]]\nfolder = "Assets\\art"', r"line 2: a backslash in double quotes begins an escape"),
        ("[textures]\nmax_size = ", r"popbridge\.toml, line 2: "),
        ("[textures]\nmax_size = 0\n", r"textures\.max_size: it must be a whole number >= 1\."),
        ("[textures]\nmax_size = 'a'\n", r"textures\.max_size: it must be a whole number, but is text\."),
        ("[textures]\nmax_size = 1.5\n", r"a whole number, but is a number with a fraction\."),
        ("[textures]\nignore = 'a'\n", r"textures\.ignore: it must be a list, but is text\."),
        ("[textures]\nmaxsize = 5\n", r"textures: unknown name `maxsize` \(did you mean `max_size`\?"),
        ("ban = 5\n", r"toml: unknown name `ban`; known names: `always`, `textures`, `privacy`\."),
        ("[[always]]\nfolder = 'a'\n", r"always\[0\]: `advice` is missing\."),
        (
            "[[always]]\nfolder = 'a'\nadvices = []",
            r"always\[0\]: unknown name `advices` \(did you mean `advice`\?\)",
        ),
        (
            "[[always]]\nfolder = 7\nadvice = []\n",
            r"always\[0\]\.folder: it must be text, but is a whole",
        ),
        ("[always]\nfolder = 'a'\nadvice = []\n", r"always: write `\[\[always\]\]`, in double brackets\."),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_file_is_left_as_it_is(
    tmp_path: Path, text: str, says: str
) -> None:
    written(tmp_path, text)
    with pytest.raises(UserError, match=says) as raised:
        read(tmp_path)
    told = in_chinese(raised.value).replace(str(tmp_path), "")
    # What the TOML parser says of a line stays in its own words.
    assert "Fix it" not in told and ("第" in told or not re.search("[a-z]{2,} [a-z]{2,}", told))
    with pytest.raises(UserError, match=says):
        add_rules(tmp_path, {"ui": ["ui_mipmaps"]})
    assert text_of(tmp_path) == text
    assert os.listdir(tmp_path) == [NAME]


def test_a_file_in_another_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"# ok\n# \xfcber\n")
    with pytest.raises(UserError, match="line 2 isn't UTF-8"):
        read(tmp_path)


def test_a_folder_in_its_place_or_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / NAME).mkdir(parents=True)
    with pytest.raises(UserError, match="Can't read"):
        read(tmp_path / "a")
    (tmp_path / NAME).write_bytes(b"#" * (config.MAX_BYTES + 1))
    with pytest.raises(UserError, match="larger than 1 MiB"):
        read(tmp_path)


def test_a_project_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Can't write"):
        add_rules(tmp_path / "gone", {"ui": ["ui_mipmaps"]})


def test_rules_from_many_sides_at_once_are_all_there(tmp_path: Path) -> None:
    written(tmp_path, BY_HAND)
    threads = [
        threading.Thread(target=add_rules, args=(tmp_path, {f"folder{n}": ["too_large"]})) for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(tmp_path).rules().keys() == {"materials", *(f"folder{n}" for n in range(12))}
    assert os.listdir(tmp_path) == [NAME]


def test_what_somebody_saves_in_the_middle_is_added_to_and_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, BY_HAND)
    edited, saved = config._edited, []

    def and_somebody_saves(text: str, wanted: object) -> str:
        if not saved:
            saved.append(written(tmp_path, BY_HAND + "# New.\n"))
        return edited(text, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(config, "_edited", and_somebody_saves)
    add_rules(tmp_path, {"ui": ["ui_mipmaps"]})
    assert "# New." in text_of(tmp_path) and "ui" in read(tmp_path).rules()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_link_within_the_project_stays_a_link_and_one_out_of_it_is_only_read(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "settings").mkdir(parents=True)
    elsewhere.mkdir()
    written(project / "settings", BY_HAND)
    (project / NAME).symlink_to(Path("settings", NAME))
    add_rules(project, {"ui": ["ui_mipmaps"]})
    assert (project / NAME).is_symlink()
    assert "ui" in read(project / "settings").rules()
    (elsewhere / NAME).symlink_to(project / "settings" / NAME)
    assert "ui" in read(elsewhere).rules()
    with pytest.raises(UserError, match="link"):
        add_rules(elsewhere, {"ui": ["too_large"]})
    assert read(elsewhere) == read(project)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
folders = names.map(config._folder).filter(lambda name: not OUTSIDE.search(name))


@given(folder=folders, code=names.map("acme.s{}".format), other=folders)
def test_folders_of_any_name_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, folder: str, code: str, other: str
) -> None:
    root = tmp_path_factory.mktemp("project")
    add_rules(root, {folder: [code]})
    add_rules(root, {other: [code]})
    assert code in read(root).rules()[folder]
    tomllib.loads(text_of(root))


@pytest.mark.parametrize(
    "folder",
    [
        "..", "../..", "textures/../../other", r"..\other", "/textures", r"C:\game\textures", "C:/game",
        "c:textures", r"\\server\share\textures", "//server/share", "res://textures",
    ],
)  # fmt: skip
def test_a_folder_that_isnt_named_from_the_root_is_refused_on_each_system(
    tmp_path: Path, folder: str
) -> None:
    said = f"`folder` is `{folder}`; it must be a path below the project, such as `textures/rock`"
    text = f"[[always]]\nfolder = '{folder}'\nadvice = ['too_large']\n"
    with pytest.raises(UserError, match=re.escape(f"{NAME}: always[0]: {said}. Fix it")):
        read(written(tmp_path, text))
    written(tmp_path, BY_HAND)
    with pytest.raises(UserError, match=re.escape(f"{NAME}: this rule can't be added: {said}.")):
        add_rules(tmp_path, {"ui": ["ui_mipmaps"], folder: ["too_large"]})
    assert text_of(tmp_path) == BY_HAND


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("normal_as_colour", " (did you mean `normal_as_color`?)"),
        ("No_Mipmaps", " (did you mean `no_mipmaps`?)"),
        ("", "; there are `alpha_constant`, "),
        ("seams", "; there are `alpha_constant`, "),
    ],
)
def test_a_code_that_no_finding_has_is_passed_over_and_told_with_what_may_be_meant(
    tmp_path: Path, code: str, near: str
) -> None:
    text = BY_HAND + f"\n[[always]]\nfolder = '.'\nadvice = ['no_mipmaps', '{code}']\n"
    found = read(written(tmp_path, text))
    assert found.rules() == {"materials": ["normal_as_color"], "": ["no_mipmaps"]}
    assert found.textures.max_size == 2048
    (told,) = map(str, ignored_code_notices(tmp_path, found))
    says = f"`advice` has `{code}`, but no finding has that code{near}"
    assert told.startswith(f"{tmp_path / NAME}: always[1]: {says}")
    assert told.endswith("a newer PopBridge may know it.")
    add_rules(tmp_path, {"": ["too_large"]})
    assert f"'{code}'" in text_of(tmp_path) and read(tmp_path).rules()[""] == ["no_mipmaps", "too_large"]
    with pytest.raises(UserError, match=re.escape(says)):
        add_rules(tmp_path / "gone", {"ui": [code]})


def test_of_many_codes_that_arent_known_the_first_are_told_once_each(tmp_path: Path) -> None:
    rule = f"[[always]]\nfolder = 'a'\nadvice = {[f'code{number}' for number in range(7)]}\n"
    told = ignored_code_notices(tmp_path, read(written(tmp_path, rule + rule)))
    assert len(told) == 6 and all("always[0]: " in each for each in told[:-1])
    assert told[-1] == f"{tmp_path / NAME}: 2 more codes are ignored."


@pytest.mark.parametrize("code", sorted(UNSETTLED))
def test_what_no_import_settings_settle_is_told_to_settle_nothing(tmp_path: Path, code: str) -> None:
    found = read(written(tmp_path, f"[[always]]\nfolder = 'a'\nadvice = ['{code}', 'acme.{code}']\n"))
    assert found.rules() == {"a": [f"acme.{code}"]}
    (told,) = map(str, ignored_code_notices(tmp_path, found))
    assert f"`{code}`, but no import setting fixes that finding, so a rule can't either." in told
    assert "newer" not in told
    with pytest.raises(UserError, match="no import setting fixes"):
        add_rules(tmp_path, {"a": [code]})


def test_every_code_of_a_finding_is_known_and_rules_name_those_that_settings_settle() -> None:
    made = ast.walk(ast.parse(inspect.getsource(findings)))
    calls = [call for call in made if isinstance(call, ast.Call) and _is_finding(call)]
    wanted = {want.code for wants in DESIRED.values() for want in wants}
    assert _codes(calls) | wanted == set(CODES) <= set(HELP) and set(HELP) >= UNSETTLED
    assert _codes([call for call in calls if _has_intent(call)]) | wanted == set(RULE_CODES)


def _codes(calls: list[ast.Call]) -> set[object]:
    return {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}


def _has_intent(call: ast.Call) -> bool:
    return len(call.args) > 4 or any(keyword.arg == "intent" for keyword in call.keywords)


def _is_finding(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "Finding"


def test_what_it_ignores_is_passed_over() -> None:
    settings = TextureSettings(ignore=["third_party/**", "*.psd"])
    assert settings.ignores("third_party/a/b.png") and settings.ignores("a/b.psd")
    assert not settings.ignores("ours/a.png") and not TextureSettings().ignores("a.png")


@pytest.mark.parametrize(
    ("wanted", "file", "path", "ignored"),
    [
        ("com.acme.rocks", "Packages/rocks/a.png", "Packages/com.acme.rocks/a.png", True),
        ("rocks", "Packages/rocks/a.png", "Packages/com.acme.rocks/a.png", True),
        # Of the scheme nothing is a folder.
        ("*/*/*.png", "a.png", "res://a.png", False),
        ("res:", "a.png", "res://a.png", False),
        # Nor is what is before a slash that it begins with.
        ("*/*/*.png", "Content/a.png", "/Game/a.png", False),
        ("/a.png", "a.png", "res://a.png", True),
    ],
)
def test_what_the_engine_calls_it_counts_where_that_is_a_place(
    wanted: str, file: str, path: str, ignored: bool
) -> None:
    assert TextureSettings([wanted]).ignores(file, path) is ignored


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[textures]\nignore = ["!kept.png"]\n', "`ignore` has `!kept.png`, but `!` isn't supported"),
        ('[textures]\nignore = ["a", ""]\n', "empty pattern"),
        ('[textures]\nignore = ["/"]\n', "empty pattern"),
        ("a = " + "[" * 100_000, "nested too deeply"),
    ],
)
def test_what_can_mean_nothing_is_told(tmp_path: Path, text: str, says: str) -> None:
    written(tmp_path, text)
    with pytest.raises(UserError, match=re.escape(says)):
        read(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names in folders there")
def test_a_pipe_of_that_name_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(UserError, match="isn't a regular file"):
        read(tmp_path)


def test_what_is_read_only_stays_as_it_is(tmp_path: Path) -> None:
    written(tmp_path, BY_HAND)
    (tmp_path / NAME).chmod(0o444)
    with pytest.raises(UserError, match="it is read-only"):
        add_rules(tmp_path, {"ui": ["ui_mipmaps"]})
    assert text_of(tmp_path) == BY_HAND
    (tmp_path / NAME).chmod(0o644)


def test_the_manual_names_what_no_rule_can_settle() -> None:
    manual = (Path(__file__).parent.parent / "docs/reference/audit.md").read_text(encoding="utf-8")
    listed = manual.partition("No rule can fix these codes: ")[2].partition(".")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(UNSETTLED)
