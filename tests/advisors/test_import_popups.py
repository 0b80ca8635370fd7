"""What popups of imports say after something was applied, or nothing could be."""

from __future__ import annotations

import pytest

from bridge.advisors.import_popups import FOLLOWED, KEPT, applied_popup
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
