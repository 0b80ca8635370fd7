"""Versions of any scheme compare; each engine version gets exactly one adapter; overlaps are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bridge.core.errors import UserError
from bridge.core.versions import VersionScheme, choose, contains, is_newer, lowest, overlap, reads_older

SCHEME = VersionScheme("acme", {"dev": ".dev", "alpha": "a", "beta": "b", "rc": "rc", "final": ""})


class Made(Struct, frozen=True):
    name: str
    engine: str
    versions: str
    older_versions: str = ""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("4.2", "4.2"),
        ("v4.2.1", "4.2.1"),
        ("  4.2.1.final", "4.2.1"),
        ("4.2-rc2", "4.2rc2"),
        ("4.2.beta", "4.2b0"),
        ("4.2.dev.custom", "4.2.dev0"),
        ("4.2.1-betatest", "4.2.1"),
        ("4.2.1rc1c1", "4.2.1rc1"),
        ("1.2.3.4.5", "1.2.3.4"),
    ],
)
def test_a_version_is_dotted_numbers_and_perhaps_a_stage(text: str, version: str) -> None:
    assert SCHEME.parse(text) == Version(version)


@pytest.mark.parametrize("text", ["", "4", "four.two", "final 4.2", "٤.٢", ".4.2"])
def test_what_is_no_version_is_refused_with_its_text_and_the_engines_name(text: str) -> None:
    with pytest.raises(UserError, match="acme") as caught:
        SCHEME.parse(text)
    assert repr(text) in str(caught.value)


@given(st.text() | st.from_regex(r"\A\s*v?[0-9]+\.[0-9.]+[.\-]?(dev|rc|final)?.{0,9}\Z"))
def test_any_text_is_a_version_or_is_refused(text: str) -> None:
    try:
        assert isinstance(SCHEME.parse(text), Version)
    except UserError as error:
        assert repr(text) in str(error)


def test_a_release_to_come_counts_as_that_release() -> None:
    assert contains(">=4.5", Version("4.5.dev1"))
    assert not contains("<4.5", Version("4.5rc1"))
    assert contains("<=4.5", Version("4.5.post3"))


OLD, NEW = Made("old", "acme", ">=3.5,<3.7"), Made("new", "acme", ">=4.2")
CAPPED = Made("capped", "acme", ">=4.2,<5")
OTHER = Made("other", "emca", ">=1")
READER = Made("reader", "acme", ">=4.2,<5", ">=4.0,<4.2")


@pytest.mark.parametrize(
    ("version", "name"), [("3.5", "old"), ("3.6.2", "old"), ("4.2rc1", "new"), ("9", "new")]
)
def test_the_adapter_made_for_a_version_serves_it_without_a_word(version: str, name: str) -> None:
    choice = choose([OTHER, NEW, OLD], "acme", Version(version))
    assert choice is not None
    assert (choice.adapter.name, choice.exact, choice.notice) == (name, True, "")


@pytest.mark.parametrize(("version", "name"), [("4.0", "reader"), ("4.1rc1", "reader"), ("3.9", "old")])
def test_a_version_that_an_adapter_reads_as_an_older_one_gets_it_and_a_notice(
    version: str, name: str
) -> None:
    choice = choose([OLD, READER], "acme", Version(version))
    assert choice is not None
    assert (choice.adapter.name, choice.exact, bool(choice.notice)) == (name, False, True)
    assert reads_older(choice.adapter, Version(version)) is (name == "reader")


@pytest.mark.parametrize(
    ("version", "name"), [("5.0", "capped"), ("5.1b1", "capped"), ("4.1", "old"), ("3.7", "old")]
)
def test_a_version_that_nothing_is_made_for_gets_the_newest_older_adapter_and_a_notice(
    version: str, name: str
) -> None:
    choice = choose([OLD, CAPPED, OTHER], "acme", Version(version))
    assert choice is not None
    assert (choice.adapter.name, choice.exact) == (name, False)
    values = choice.notice.values  # type: ignore[union-attr]
    assert (
        values["engine"] == f"acme {version}" and str(values["like"]) == {"old": "3.5", "capped": "4.2"}[name]
    )


@pytest.mark.parametrize(
    ("version", "newer"), [("5.0", True), ("4.2", True), ("4.1", False), ("3.6", False), ("1.0", False)]
)
def test_a_version_is_newer_if_no_range_begins_above_it(version: str, newer: bool) -> None:
    assert is_newer([OLD, CAPPED, OTHER], "acme", Version(version)) is newer
    assert not is_newer([OLD], "unknown", Version(version))


def test_the_notice_names_a_release_without_the_segments_of_its_scheme() -> None:
    choice = choose([OLD], "acme", Version("9.1.post3"))
    assert choice is not None and choice.notice.values["engine"] == "acme 9.1"  # type: ignore[union-attr]
    named = choose([OLD], "acme", Version("9.1.post3"), "Acme 9.1f3")
    assert named is not None and named.notice.values["engine"] == "Acme 9.1f3"  # type: ignore[union-attr]


def test_newer_versions_between_ranges_and_older_ones_have_their_own_notices() -> None:
    notices = {
        str(choice.notice).replace(version, "")
        for version in ("5.0", "3.8", "4.0")
        if (choice := choose([OLD, READER], "acme", Version(version))) is not None
    }
    assert len(notices) == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("v4.2.1", "4.2.1"),
        ("4.2-rc2.custom", "4.2-rc2"),
        ("4.2.1.final.abc", "4.2.1"),
        ("4.2.dev", "4.2.dev"),
    ],
)
def test_a_version_is_shown_as_the_engine_writes_it(text: str, shown: str) -> None:
    assert SCHEME.shown(text) == shown


def test_an_engine_has_a_name_and_an_example_for_people() -> None:
    titled = VersionScheme("acme", {}, title="Acme Engine", example="7.1f1")
    assert (SCHEME.name, titled.name) == ("acme", "Acme Engine")
    with pytest.raises(UserError, match=r"Acme Engine.*7\.1f1"):
        titled.parse("x")


def test_an_engine_that_is_too_old_or_unknown_gets_none() -> None:
    assert choose([OLD, NEW], "acme", Version("3.4")) is None
    assert choose([OLD, NEW], "unknown", Version("4.2")) is None
    assert choose([], "acme", Version("4.2")) is None


@pytest.mark.parametrize(
    ("versions", "low"),
    [
        (">=3.5,<4", "3.5"),
        ("==4.2.*", "4.2"),
        ("~=4.2.1", "4.2.1"),
        (">4", "4"),
        ("<4", "0"),
        ("!=4.2", "0"),
        ("", "0"),
    ],
)
def test_a_range_starts_at_its_lower_bound(versions: str, low: str) -> None:
    assert lowest(versions) == Version(low)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (">3.5,<3.6", ">=3.5.1"),
        (">3.5,<3.5.0.1", "<4"),
        ("==4.2.*", ">4.2.9"),
        ("==4.2.*", "==4.2.7"),
        ("~=4.2", ">4.2,!=4.2.*"),
        ("~=4.2.1", ">4.2.1,<4.3"),
        ("!=4.2", "!=4.3"),
        ("!=4.2.*", ">=4.2,<=4.3"),
        ("<4", ""),
        (">=4.5b1", "<=4.5"),
        (">=0", "==0.0.*,>0.0"),
    ],
)
def test_two_ranges_that_share_a_version_overlap_there(one: str, other: str) -> None:
    for a, b in ((one, other), (other, one)):
        found = overlap(a, b)
        assert found is not None
        assert contains(a, found)
        assert contains(b, found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (">=3.5,<4.2", ">=4.2"),
        (">3.5", "<=3.5"),
        ("==4.2.*", "==4.3.*"),
        ("==4.2.*", "!=4.2.*"),
        ("~=4.2.1", ">=4.3"),
        ("~=4.2", ">=5"),
        (">=4.2,!=4.2", "<4.2.0.0,>=4.1"),
        (">4,<4", ""),
    ],
)
def test_two_ranges_that_only_touch_do_not_overlap(one: str, other: str) -> None:
    assert overlap(one, other) is None


NUMBERS = st.lists(st.integers(0, 3), min_size=2, max_size=3).map(lambda parts: ".".join(map(str, parts)))
SPECIFIERS = (
    st.tuples(st.sampled_from([">=", ">", "<=", "<", "==", "!=", "~="]), NUMBERS).map("".join)
    | NUMBERS.map("=={}.*".format)
    | NUMBERS.map("!={}.*".format)
)
RANGES = st.lists(SPECIFIERS, min_size=1, max_size=3).map(",".join)
SAMPLES = [
    Version(f"{a}.{b}.{c}{rest}")
    for a in range(5)
    for b in range(5)
    for c in range(5)
    for rest in ("", ".0.1", ".9")
]


@given(RANGES, RANGES)
def test_an_overlap_is_found_exactly_where_sampling_finds_one(one: str, other: str) -> None:
    found = overlap(one, other)
    if found is None:
        both = SpecifierSet(f"{one},{other}")
        assert not list(both.filter(SAMPLES))
    else:
        assert contains(one, found)
        assert contains(other, found)


@given(st.lists(RANGES, max_size=4), st.sampled_from(SAMPLES))
def test_where_no_ranges_overlap_the_order_of_adapters_does_not_matter(
    ranges: list[str], version: Version
) -> None:
    made: list[Made] = []
    for n, versions in enumerate(ranges):
        if not any(overlap(versions, m.versions) for m in made):
            made.append(Made(str(n), "acme", versions))
    choice, reverse = choose(made, "acme", version), choose(made[::-1], "acme", version)
    serving = [m for m in made if contains(m.versions, version)]
    assert len(serving) <= 1
    if serving:
        assert choice == reverse
        assert choice is not None
        assert choice.exact
    elif choice is not None:
        assert lowest(choice.adapter.versions) <= version
        assert choice.notice
