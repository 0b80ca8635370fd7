"""What popups of imports say after something was applied, or nothing could be."""

from __future__ import annotations

import pytest

from bridge.advisors.import_popups import FOLLOWED, KEPT, applied_popup, undo_popup
from bridge.advisors.texts import say


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_of_a_rule_only_what_is_so_is_told(locale: str) -> None:
    def body(rule: str, undoable: bool) -> str:
        paths = ["a.png"] if undoable else []
        return applied_popup(paths, [("b.png", "read-only")], undoable, locale, rule).body

    stays = say("rule_stays", locale)
    assert body(KEPT, True).endswith(f"\n{stays}")
    assert stays not in body(KEPT, False) and "`popbridge.toml`" in body(KEPT, False)
    assert "`popbridge.toml`" in body(FOLLOWED, True) and stays not in body(FOLLOWED, True)
    assert body(FOLLOWED, False) == "`b.png`: read-only"


def test_an_editors_words_never_become_a_link() -> None:
    popup = applied_popup([], [("a.png", "see [here](http://evil) **now**")], False, "en")
    assert popup.body == "`a.png`: see [here] (http://evil) *now*"


def test_what_went_wrong_with_one_file_takes_one_line() -> None:
    left = [("a.png", f"option {number} has changed.") for number in range(3)]
    of_none = [("", "the editor is gone"), ("", "it is busy")]
    body = undo_popup([*left, ("b.png", "read-only"), *of_none], "en", partly=True).body
    assert body.splitlines() == [
        "`a.png`: option 0 has changed. option 1 has changed. option 2 has changed.",
        "`b.png`: read-only",
        "the editor is gone",
        "it is busy",
    ]
    many = [(f"{number}.png", said) for number in range(8) for said in ("已改。", "仍在。")]
    *told, more = undo_popup(many, "zh-CN", partly=True).body.splitlines()
    assert len(told) == 6 and told[0] == "`0.png`: 已改。仍在。" and "2" in more
