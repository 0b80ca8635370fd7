"""Every setting can be given by flag, environment and file, and a bad one is named with its source."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, Setting, misspelt_variables, resolve


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
    assert resolve(SETTINGS, {"allowed_hosts": value})["allowed_hosts"] == names


def test_a_name_in_the_file_that_no_setting_has_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"C:\\s\.toml sets 'prot'\. .* Did you mean port"):
        resolve(SETTINGS, file={"prot": 1}, file_name=r"C:\s.toml")
    with pytest.raises(
        UserError, match=r"settings are allowed_hosts, .*, workers, and those of loaded plugins\."
    ):
        resolve(SETTINGS, file={"zzz.q": 1})


def test_a_name_that_may_be_a_disabled_plugins_is_passed_over() -> None:
    names = ["acme.max_size", "acme.q", "imagery.quality"]
    found = resolve(SETTINGS, file={**dict.fromkeys(names, 1), "port": 3}, plugins_disabled=True)
    assert found["port"] == 3 and found.ignored == tuple(names)
    for name in ("", "prot", "session.keeps", "imagess.max_pixels", "sesion.keep_s", "texture.max_size"):
        with pytest.raises(UserError, match=f"sets '{name}'"):
            resolve(SETTINGS, file={name: 1}, plugins_disabled=True)


@pytest.mark.parametrize(
    ("file", "environment", "value", "renamed"),
    [
        ({"cache.off": ["w"]}, {}, ["w"], [("cache.off", "cache.exclude")]),
        ({}, {"POPBRIDGE_CACHE_OFF": "w"}, ["w"], [("POPBRIDGE_CACHE_OFF", "POPBRIDGE_CACHE_EXCLUDE")]),
        ({"cache.off": ["w"], "cache.exclude": ["x"]}, {}, ["x"], [("cache.off", "cache.exclude")]),
        ({"cache.exclude": ["x"]}, {}, ["x"], []),
    ],
)
def test_old_names_of_settings_still_work_and_are_reported(
    file: dict[str, Any], environment: dict[str, str], value: list[str], renamed: list[tuple[str, str]]
) -> None:
    found = resolve(SETTINGS, None, environment, file)
    assert found["cache.exclude"] == value and list(found.renamed) == renamed
    assert misspelt_variables(SETTINGS, environment) == []


def test_a_bad_value_is_told_with_what_is_allowed() -> None:
    for value in ("many", "-1"):
        with pytest.raises(
            UserError, match=f"port from s.toml is '{value}'; it must be a whole number from 0 to"
        ):
            resolve(SETTINGS, file={"port": value}, file_name="s.toml")
    odd = Setting(name="a.b", type=Literal["x", "y"], default="x", help="One.")
    with pytest.raises(
        UserError, match=r"Setting a.b from a flag is 'z'; it must be one of x, y\. \(One\.\)"
    ):
        odd.parse("z", "a flag")
    with pytest.raises(UserError, match="Expected"):
        Setting(name="a.b", type=tuple[int, int], default=(1, 2), help="Two.").parse([1], "a flag")


def test_blobs_cant_be_kept_for_less_than_a_request_may_take_to_name_them() -> None:
    says = r"blobs\.keep_s from s\.toml is 60; it must be a number from 300\.0 to"
    with pytest.raises(UserError, match=says):
        resolve(SETTINGS, file={"blobs.keep_s": 60}, file_name="s.toml")
    assert resolve(SETTINGS, file={"blobs.keep_s": 300})["blobs.keep_s"] == 300


def test_a_variable_that_looks_like_a_settings_is_found_and_others_are_left_alone() -> None:
    others = [
        "POPBRIDGE_HOME",
        "POPBRIDGE_TEST_ANSWER",
        "POPBRIDGE_GODOT4",
        "POPBRIDGE_REQUIRE_ENGINES",
        "PATH",
    ]
    assert misspelt_variables(SETTINGS, [*others, "POPBRIDGE_PORT", "POPBRIDGE_CHANNEL"]) == []
    assert misspelt_variables(SETTINGS, ["POPBRIDGE_WORKER", "POPBRIDGE_LOGLEVEL"]) == [
        ("POPBRIDGE_LOGLEVEL", "POPBRIDGE_LOG_LEVEL"),
        ("POPBRIDGE_WORKER", "POPBRIDGE_WORKERS"),
    ]


def test_a_plugins_setting_gets_an_environment_name_from_its_own() -> None:
    assert (
        Setting(name="acme-tools.key", type=str, default="", help="").environment
        == "POPBRIDGE_ACME_TOOLS_KEY"
    )


@pytest.mark.parametrize(
    ("bounds", "kind"),
    [
        ({}, "{kind}"),
        ({"ge": 1}, "{kind} from {ge}"),
        ({"le": 9}, "{kind} up to {le}"),
        ({"ge": 1, "le": 9}, "{kind} from {ge} to {le}"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_the_range(bounds: dict[str, int], kind: str) -> None:
    setting = Setting(name="acme.size", type=Annotated[int, Meta(**bounds)], default=1, help="A size.")
    with pytest.raises(UserError) as error:
        setting.parse("many", "test")
    must = error.value.text.values["must"].values["kind"]
    assert must.id == kind or not bounds


def test_a_limit_that_0_disables_may_still_have_a_lowest_value():
    setting = Setting(name="acme.size", type=int, default=0, help="A size.", lowest=512)
    assert [setting.parse(value, "test") for value in ("0", 512)] == [0, 512]
    for value in (1, "511", "many"):
        with pytest.raises(UserError) as caught:
            setting.parse(value, "test")
        assert "at least 512" in str(caught.value)
