"""What two plugins claim: the one that comes first has it, the other is told whose it is and what to do."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from accel.workload import echo
from bridge.api import Adapter, Setting
from bridge.core.errors import UserError
from bridge.host.host import OWN, Claims, Contribution
from tests.messages import in_chinese
from tests.test_records import Odd, Watcher

FIRST = "plugin 'first' (first 1.0)"


def setting(name: str) -> Contribution:
    return Contribution(settings=[Setting(name=name, type=int, default=1, help="A number.")])


def workload(name: str) -> Contribution:
    return Contribution(workloads=[replace(echo.workload, name=name)])


def adapter(name: str, versions: str) -> Contribution:
    adapters: list[Adapter] = [Odd(name=name, versions=versions)]
    return Contribution(adapters=adapters)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (workload("fx.blur"), workload("fx.blur"), f"it adds workload 'fx.blur', like {FIRST}"),
        (adapter("joe's", ">=1"), adapter("joe's", ">=1"), f'it adds adapter "joe\'s", like {FIRST}'),
        (setting("fx.size"), setting("fx.size"), f"it adds setting 'fx.size', like {FIRST}"),
        (
            setting("a.b_c"),
            setting("a_b.c"),
            f"its setting 'a_b.c' uses the variable POPBRIDGE_A_B_C, like {FIRST}",
        ),
        (setting("a.b"), setting("a.b.c"), f"its setting 'a.b.c' and 'a.b' of {FIRST}"),
        (setting("a.b.c"), setting("a.b"), f"its setting 'a.b' and 'a.b.c' of {FIRST}"),
        (
            adapter("one", ">=1,<3"),
            adapter("two", ">=2,<4"),
            "its adapter two (>=2,<4) serves odd 2",
        ),
    ],
)
def test_what_another_has_is_refused_with_both_names_in_either_language(
    first: Contribution, second: Contribution, says: str
) -> None:
    claims = Claims()
    claims.add(first, FIRST)
    with pytest.raises(UserError) as caught:
        claims.add(second, "second")
    told = str(caught.value)
    assert told.startswith(says) and told.endswith(": uninstall one of them")
    chinese = in_chinese(caught.value)
    assert "first" in chinese and "请卸载其中一个" in chinese
    assert not re.search("uninstall|adapter|workload|advisor|setting", chinese)


@pytest.mark.parametrize(
    "given", [workload("image.resize"), adapter("odd", ">=1"), setting("textures.max_size")]
)
def test_what_came_with_popbridge_is_nobody_elses(given: Contribution) -> None:
    claims = Claims()
    if not given.settings:
        claims.add(given, OWN)
    with pytest.raises(UserError, match=r"like PopBridge itself: uninstall this plugin$") as caught:
        claims.add(given, FIRST)
    chinese = in_chinese(caught.value)
    assert "PopBridge 自身" in chinese and chinese.endswith("：请卸载此扩展")
    assert not re.search("adapter|workload|advisor|setting", chinese)


@pytest.mark.parametrize(
    "given",
    [
        workload("receipts.list"),
        Contribution(advisors=[Watcher(name="receipts")]),
        Contribution(advisors=[Watcher(asks=("receipts.revert",))]),
    ],
)
def test_nobody_answers_for_the_daemon_what_was_changed(given: Contribution) -> None:
    with pytest.raises(UserError, match=r"^it adds .*, like PopBridge itself: uninstall this plugin$"):
        Claims().add(given, FIRST)


def test_who_is_refused_holds_nothing_of_what_else_it_claims() -> None:
    claims = Claims()
    claims.add(workload("fx.blur"), FIRST)
    both = Contribution(workloads=[*workload("fx.free").workloads, *workload("fx.blur").workloads])
    with pytest.raises(UserError):
        claims.add(both, "second")
    claims.add(workload("fx.free"), "third")


def test_neighbours_are_no_conflict() -> None:
    claims = Claims()
    for given in (setting("a.b"), setting("a.bc"), adapter("one", ">=1,<2"), adapter("two", ">=2,<3")):
        claims.add(given, FIRST)
