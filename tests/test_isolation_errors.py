"""An error in somebody else's code is told in one line that says where it arose."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.api import read_text
from bridge.core.errors import ContractViolation
from bridge.host.isolation import describe


def noted(error: BaseException, note: str = "see the manual\nof acme") -> BaseException:
    error.add_note(note)
    return error


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (noted(KeyError("licence")), "KeyError: 'licence'"),
        (noted(SyntaxError("invalid syntax", ("acme/plugin.py", 3, 1, "x =", 3, 2))),
         "SyntaxError: invalid syntax (acme/plugin.py:3)"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (Speechless(), f"{__name__}.Speechless: <exception str() failed>"),
        (ExceptionGroup("several", [ValueError("one")]), "ExceptionGroup: several (1 sub-exception)"),
        (noted(ContractViolation("uses gave 5")), "uses gave 5"),
    ],
)  # fmt: skip
def test_it_is_one_line_without_notes(error: BaseException, says: str) -> None:
    assert describe(error) == says


def test_the_place_is_the_line_of_theirs_that_called_ours() -> None:
    def called() -> None:
        read_text(Path(__file__).parent)

    with pytest.raises(OSError) as caught:
        called()
    line = called.__code__.co_firstlineno + 1
    assert describe(caught.value).endswith(f"(tests/test_isolation_errors.py:{line})")
