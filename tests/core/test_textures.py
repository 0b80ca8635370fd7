"""Texture intents combine as one would expect: what is said goes before what isn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect as types

from accel.text import Text
from bridge.core.textures import (
    FLAT_KINDS,
    LINEAR_KINDS,
    MATERIAL_KINDS,
    PlatformOverride,
    TextureIntent,
    TextureUse,
    TextureUses,
    finding_code_error,
    severity_of,
)
from tests.core.strategies import of_type

NAMES = TextureIntent.__struct_fields__
EMPTY = TextureIntent()
INTENTS = of_type(types.type_info(TextureIntent), st.nothing())
SUBSETS = st.frozensets(st.sampled_from(NAMES))


@given(INTENTS, INTENTS)
def test_over_takes_each_point_from_the_upper_where_it_says_something(
    upper: TextureIntent, base: TextureIntent
) -> None:
    found = upper.over(base)
    rest = found.without("platforms").fields()
    assert rest == {**base.without("platforms").fields(), **upper.without("platforms").fields()}
    ours, theirs, merged = upper.platforms or {}, base.platforms or {}, found.platforms or {}
    assert (found.platforms is None) == (upper.platforms is None and base.platforms is None)
    assert merged.keys() == ours.keys() | theirs.keys()
    for name, override in merged.items():
        for field in ("max_size", "compression"):
            known = [getattr(each[name], field) for each in (ours, theirs) if name in each]
            assert getattr(override, field) == next((value for value in known if value is not None), None)


@given(INTENTS, INTENTS, INTENTS)
def test_intents_can_be_stacked_in_any_grouping(a: TextureIntent, b: TextureIntent, c: TextureIntent) -> None:
    assert a.over(b).over(c) == a.over(b.over(c))


@given(INTENTS)
def test_an_intent_that_says_nothing_changes_nothing(intent: TextureIntent) -> None:
    assert intent.over(EMPTY) == EMPTY.over(intent) == intent.over(intent) == intent
    assert intent.differs(EMPTY) == intent
    assert EMPTY.differs(intent) == intent.differs(intent) == EMPTY


@given(INTENTS, INTENTS)
def test_applying_what_differs_gives_what_was_wanted(wanted: TextureIntent, present: TextureIntent) -> None:
    difference = wanted.differs(present)
    assert difference.over(present) == wanted.over(present)
    assert wanted.differs(wanted.over(present)) == EMPTY
    assert difference.differs(present) == difference


@given(INTENTS, SUBSETS, SUBSETS)
def test_only_keeps_the_named_points(
    intent: TextureIntent, some: frozenset[str], others: frozenset[str]
) -> None:
    assert intent.only(some).fields().keys() == intent.fields().keys() & some
    assert intent.only(some).only(others) == intent.only(some & others)
    assert intent.only(frozenset(NAMES)) == intent
    assert intent.only(some).over(intent) == intent


def test_of_platforms_only_what_differs_is_wanted() -> None:
    present = TextureIntent(platforms={"a": PlatformOverride(max_size=512, compression="block")})
    same = TextureIntent(platforms={"a": PlatformOverride(max_size=512)})
    assert same.differs(present) == EMPTY
    both = {"a": PlatformOverride(max_size=256, compression="block"), "b": PlatformOverride(max_size=512)}
    assert TextureIntent(platforms=both).differs(present).platforms == {
        "a": PlatformOverride(max_size=256), "b": PlatformOverride(max_size=512),
    }  # fmt: skip


def test_a_false_or_zero_is_something_said() -> None:
    assert TextureIntent(mipmaps=False, max_size=0).fields() == {"mipmaps": False, "max_size": 0}


def test_no_kind_is_both_flat_and_on_a_material() -> None:
    assert LINEAR_KINDS < MATERIAL_KINDS
    assert not FLAT_KINDS & MATERIAL_KINDS


@pytest.mark.parametrize(
    ("word", "severity"), [("error", "error"), ("wrong", "error"), ("waste", "warning"), ("worst", None)]
)
def test_a_severity_has_a_name_of_today_and_one_of_0_1_0(word: str, severity: str | None) -> None:
    assert severity_of(word) == severity


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("no_mipmaps", None),
        ("acme.seams", None),
        ("duplicate", {"code": "duplicate"}),
        ("acme.unsettled", {"code": "acme.unsettled"}),
        ("no_mipmap", {"code": "no_mipmap", "near": "no_mipmaps"}),
    ],
)
def test_a_rule_uses_only_codes_that_settings_fix(code: str, values: dict[str, str] | None) -> None:
    problem = finding_code_error(code, {"acme.unsettled"})
    assert (problem.values if isinstance(problem, Text) else None) == values


def test_a_code_like_no_other_is_answered_with_all_codes() -> None:
    problem = finding_code_error("xyz")
    assert isinstance(problem, Text) and "`no_mipmaps`" in str(problem)


def test_fields_can_be_left_out_of_an_intent() -> None:
    assert TextureIntent(mipmaps=True, kind="normal").without("kind") == TextureIntent(mipmaps=True)


def test_the_kinds_of_uses_are_distinct_and_filtered_by_their_basis() -> None:
    slot = TextureUse(kinds=("normal", "height"))
    named = TextureUse(kinds=("height", "ao"), basis="name")
    uses = TextureUses((slot, named, slot))
    assert uses.kinds() == ["normal", "height", "ao"]
    assert uses.kinds("slot", "declaration") == ["normal", "height"]
    assert uses.kinds("declaration") == TextureUses().kinds() == []


def test_domains_are_those_of_all_uses() -> None:
    uses = TextureUses((TextureUse(domain="ui"), TextureUse(), TextureUse(domain="particles")))
    assert uses.domains == {"ui", "particles"}


@pytest.mark.parametrize(
    ("channels", "reads"), [((), None), (("rgb", ""), None), (("rgb", "r"), False), (("", "ra"), True)]
)
def test_a_channel_is_unread_only_if_all_uses_are_known(
    channels: tuple[str, ...], reads: bool | None
) -> None:
    assert TextureUses(tuple(TextureUse(channels=read) for read in channels)).reads("a") is reads


def test_the_smallest_scale_counts_of_those_that_are_known() -> None:
    uses = TextureUses((TextureUse(scale=0.5), TextureUse(size=(64, 16)), TextureUse()))
    # The larger ratio: a widget may be stretched in one direction.
    assert uses.smallest_scale(256, 256) == 0.25
    assert TextureUses((TextureUse(),)).smallest_scale(256, 256) is None
