"""An adapter whose project support isn't as promised is told the method and what it gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy
import pytest

from bridge.api import Remark, TextureAsset, TextureIntent, TextureUse, TextureUses
from bridge.core.errors import ContractViolation
from bridge.host.isolation import describe
from bridge.host.validation import (
    check_done,
    check_intent,
    check_memory,
    check_options,
    check_remark,
    check_remarks,
    check_texture,
    check_uses,
    check_version,
)

REMARK = Remark("acme.odd", "note", "is odd")


def test_what_is_as_promised_passes() -> None:
    check_version(None)
    check_version("4.2")
    check_texture(TextureAsset("res://a.png", "a.png", {}))
    uses = TextureUses((TextureUse(kinds=("normal",)),))
    assert check_uses({"a.png": ["normal"], "b.png": uses}) == {"a.png": uses, "b.png": uses}
    done = {"before": [], "after": [{"path": "a", "options": {"x": 1}}], "errors": []}
    assert check_done(done) == done
    assert check_done({"before": None, "errors": None}) == {"before": [], "errors": []}
    assert check_memory(None) is None
    assert type(check_memory(numpy.int64(5))) is int
    assert check_remark(REMARK) is REMARK


@pytest.mark.parametrize(
    ("check", "given", "says"),
    [
        (check_version, 5, "project_version returned 5 instead of text or None"),
        (check_texture, {"path": "a"}, "textures returned {'path': 'a'} instead of a TextureAsset"),
        (check_texture, TextureAsset("a", Path("a")), "textures returned a TextureAsset whose file is "),  # type: ignore[arg-type]
        (check_texture, TextureAsset("a", "a", [1]), "a: its options are [1] instead of a dict or None"),  # type: ignore[arg-type]
        (check_uses, None, "uses returned None instead of a dict of TextureUses"),
        (check_uses, {"a": ["wood"]}, "uses returned ['wood'] for a instead of TextureUses or a list"),
        (check_uses, {"a": "normal"}, "uses returned 'normal' for a instead of "),
        (check_uses, {"a": None}, "uses returned None for a instead of "),
        (check_uses, {"a": [["normal"]]}, "uses returned [['normal']] for a instead of "),
        (check_uses, {"a": iter(["normal"])}, " for a instead of TextureUses or a list of Kind"),
        (check_uses, {"a": TextureUses(("normal",))}, "uses returned 'normal' for a instead of a TextureUse"),  # type: ignore[arg-type]
        (check_uses, {5: ["normal"]}, "uses returned 5 as a file instead of text"),
        (check_done, None, "apply returned None instead of a dict of before, after and errors"),
        (check_done, {"after": [1]}, "apply returned 1 in after instead of a dict with path in it"),
        (check_done, {"after": 5}, "apply returned 5 as after instead of a list of dicts"),
        (check_done, {"before": [{"path": "a"}]}, "apply returned {'path': 'a'} in before"),
        (check_memory, "5", "gpu_memory returned '5' instead of a whole number or None"),
        (check_memory, 5.0, "gpu_memory returned 5.0 instead of a whole number or None"),
        (check_remarks, 5, "remarks returned 5 instead of Remarks, one after the other"),
        (check_remark, 5, "remarks returned 5 instead of a Remark"),
        (check_remark, msgspec.structs.replace(REMARK, text=None), "a Remark whose text is None"),
        (check_remark, msgspec.structs.replace(REMARK, title=5), "a Remark whose title is 5"),
        (check_done, {"after": [{"path": "a", "options": {"x": 1j}}]}, "['options']['x'] is complex"),
    ],
)  # fmt: skip
def test_what_is_not_is_told(check: Any, given: object, says: str) -> None:
    with pytest.raises(ContractViolation) as error:
        check(given)
    assert says in describe(error.value) and "supports.py" not in describe(error.value)


def test_what_a_texture_is_judged_by_names_the_adapter_too() -> None:
    assert check_intent(TextureIntent(), "acme1") == TextureIntent()
    assert check_options({"a": 1}, "acme1") == {"a": 1}
    with pytest.raises(
        ContractViolation, match=r"^acme1: read_texture returned None instead of a TextureIntent$"
    ):
        check_intent(None, "acme1")
    with pytest.raises(
        ContractViolation, match=r"^acme1: compile_texture returned None instead of a dict of options$"
    ):
        check_options(None, "acme1")
