"""Every setting can be given by flag, environment and file, and a bad one is named with its source."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, Setting, resolve


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default() -> None:
    flags, environment, file = {"port": 1}, {"POPBRIDGE_PORT": "2"}, {"port": 3}
    assert resolve(SETTINGS, flags, environment, file)["port"] == 1
    assert resolve(SETTINGS, {"port": None}, environment, file)["port"] == 2
    assert resolve(SETTINGS, None, {}, file)["port"] == 3
    assert resolve(SETTINGS, {"port": 0}, environment, file)["port"] == 0
    settings = resolve(SETTINGS)
    assert settings["port"] == 7757
    assert settings.sources["port"] == "the default"


def test_each_value_says_where_it_came_from() -> None:
    settings = resolve(SETTINGS, {"port": 1}, {"POPBRIDGE_HOST": "::1"}, {"workers": 2})
    assert settings.sources["port"] == "a flag"
    assert settings.sources["host"] == "POPBRIDGE_HOST"
    assert settings.sources["workers"] == "the settings file"
    assert settings.as_dict()["host"] == "::1"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_each_default_is_a_value_that_its_setting_takes(setting: Setting) -> None:
    assert setting.parse(setting.default, "the default") == setting.default
    assert re.fullmatch(r"POPBRIDGE_[A-Z0-9_]+", setting.environment)
    assert setting.help.endswith(".")


def test_no_two_settings_share_a_name_or_an_environment_name() -> None:
    assert len({s.name for s in SETTINGS}) == len({s.environment for s in SETTINGS}) == len(SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "65536"), ("port", "http"), ("port", "-1"), ("heartbeat_s", "nan"), ("workers", "1.5")],
)
def test_a_bad_value_is_refused_with_the_settings_name_and_source(name: str, value: str) -> None:
    variable = f"POPBRIDGE_{name.upper()}"
    with pytest.raises(UserError, match=f"(?s){name}.*{variable}"):
        resolve(SETTINGS, None, {variable: value})


@pytest.mark.parametrize(("value", "names"), [("a, b,,c ", ["a", "b", "c"]), ("", []), (["a"], ["a"])])
def test_a_list_is_given_by_comma(value: Any, names: list[str]) -> None:
    assert resolve(SETTINGS, {"hosts": value})["hosts"] == names


def test_a_name_in_the_file_that_no_setting_has_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="'prot'"):
        resolve(SETTINGS, file={"prot": 1})


def test_a_plugins_setting_gets_an_environment_name_from_its_own() -> None:
    assert (
        Setting(name="acme-tools.key", type=str, default="", help="").environment
        == "POPBRIDGE_ACME_TOOLS_KEY"
    )
