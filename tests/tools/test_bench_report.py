import sys
import types

import pytest

from tools.bench import reliability, report
from tools.bench.page import sections


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(report, "SECTIONS", ("first", "second"))
    for name in ("first", "second"):
        module = types.ModuleType(f"tools.bench.{name}")
        module.measure = lambda name=name: f"## {name}\n\nA figure.\n"
        monkeypatch.setitem(sys.modules, f"tools.bench.{name}", module)
    return report.PAGE


def test_every_section_is_measured_and_says_on_what(page):
    assert report.main([]) == 0
    found = sections(page.read_text())
    assert list(found) == ["first", "second"]
    assert all(text.startswith("## ") and "Measured on" in text for text in found.values())


def test_one_section_is_measured_anew_and_the_others_stay(page):
    report.main([])
    page.write_text(page.read_text().replace("A figure", "An old figure"))
    report.main(["second"])
    found = sections(page.read_text())
    assert "An old figure" in found["first"] and "A figure" in found["second"]


def test_a_section_that_is_none_is_named(page, capsys):
    assert report.main(["third"]) == 2
    assert "third" in capsys.readouterr().out and not page.exists()


def test_the_page_holds_every_section_that_it_is_made_of():
    found = sections(report.PAGE.read_text(encoding="utf-8"))
    assert list(found) == list(report.SECTIONS)


def test_the_page_of_proofs_holds_what_it_is_made_of_in_its_order():
    found = sections(reliability.PAGE.read_text(encoding="utf-8"))
    assert list(found) == [name for name in reliability.SECTIONS if name in found]
    assert {"reconnects", "conformance", "frames", "bombs", "peers", "control", "idle"} <= set(found)
