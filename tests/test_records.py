"""A record with a field that isn't as promised disables its plugin alone, which is told which field."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bridge.api import (
    Adapter,
    Advisor,
    Answer,
    Batching,
    Context,
    Event,
    Input,
    Limits,
    Output,
    Params,
    Popup,
    SessionView,
    Setting,
    TextureIntent,
    Version,
    VersionScheme,
    Workload,
    hookimpl,
    workload,
)
from bridge.host import host
from tests.messages import in_chinese


class Odd(Adapter):
    name = "odd1"
    engine = "odd"
    versions = ">=1,<2"
    scheme = VersionScheme(engine="odd", stages={})

    def __init__(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        return {}

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return TextureIntent()

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return intent


class Helped(Odd):
    project: Any = object()


class Older(Odd):
    """Written before there was `ProjectSupport.texture`."""

    project: Any = SimpleNamespace(project_version=str, textures=list, uses=dict, apply=dict)


class Unhelped(Odd):
    project: Any = dict


class Locked(Odd):
    @property
    def project(self) -> Any:
        raise KeyError("licence")


class Lacking(Adapter):
    """Without what an adapter has to have."""

    name, engine, versions = "odd1", "odd", ">=1,<2"
    compile_texture, read_texture, expressible = Odd.compile_texture, Odd.read_texture, Odd.expressible  # type: ignore[assignment]


class Delegating(Adapter):
    """Has its attributes of another."""

    def __getattr__(self, name: str) -> Any:
        return getattr(Odd(), name)

    compile_texture, read_texture, expressible = Odd.compile_texture, Odd.read_texture, Odd.expressible  # type: ignore[assignment]


class Watcher(Advisor):
    name = "odd-watcher"

    def __init__(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None: ...

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None: ...


def traced(hook: Any) -> Any:
    @functools.wraps(hook)
    def passed(*args: Any) -> Any:
        return hook(*args)

    return passed


class Traced(Watcher):
    on_event = traced(Watcher.on_event)


async def replied(context: Context, session: SessionView, name: str, params: Mapping[str, Any]) -> Any: ...


class Plain(Watcher):
    def on_event(self, context: Context, session: SessionView, event: Event) -> None:  # type: ignore[override]
        ...


@workload("odd.count", version=1, params=Params)
def count(inputs: Sequence[Input], params: Params, limits: Limits) -> Output:
    """Counts."""
    return Output(1)


class Unknown(Params, frozen=True):
    what: Nothing = 1  # type: ignore[name-defined]  # noqa: F821


class Shadowing(Params, frozen=True):
    contradiction: str = ""  # type: ignore[assignment]


def counted(**changes: Any) -> Workload:
    return msgspec.structs.replace(count.workload, **changes)


def batched(**changes: Any) -> Workload:
    several = Batching("os:getcwd", 4, lambda params: 1, lambda params: "", lambda number: {})
    return counted(batching=msgspec.structs.replace(several, **changes))


def setting(**changes: Any) -> Setting:
    return Setting(**{"name": "odd.quiet", "type": bool, "default": False, "help": "Quiet.", **changes})


def told(hook: str, *records: object) -> str:
    """Why a plugin is disabled that gives these; empty where it isn't."""

    def give() -> list[object]:
        return list(records)

    give.__name__ = hook
    plugin = type("Plugin", (), {hook: staticmethod(hookimpl(give))})()
    (found,) = host.load({"odd": plugin}, installed=False).plugins
    assert not found.reason or in_chinese(found.reason) != found.reason
    return found.reason


def staged(**stages: str) -> Odd:
    return Odd(scheme=VersionScheme(engine="odd", stages=stages))


@pytest.mark.parametrize(
    ("adapter", "says"),
    [
        (Odd(), ""),
        (staged(b="b", patch=".post1000", final=""), ""),
        (Odd(name=5), "adapter Odd: name is 5; it must be text"),
        (Odd(engine=None), "adapter odd1: engine is None; it must be text"),
        (Odd(versions="4.x"), "adapter odd1: versions: Invalid specifier: '4.x'"),
        (Odd(versions="===4.x"), "adapter odd1: versions: Invalid version: '4.x'"),
        (Odd(scheme="x"), "adapter odd1: scheme is 'x'; it must be of type VersionScheme"),
        (Odd(scheme=VersionScheme("odd", None)), "scheme.stages is None; it must be of type Mapping"),  # type: ignore[arg-type]
        (staged(b="zz"), "scheme.stages['b'] is 'zz'; it must be a, b, rc, .dev, .post or empty"),
        (Odd(texture_fields={"mipmap"}), "odd1: texture_fields has 'mipmap'; it must be one of 'kind', "),
        (Odd(texture_fields="mipmaps"), "texture_fields is 'mipmaps'; it must be a frozenset of texts"),
        (Odd(srgb_kinds=("specular",), texture_fields=["mipmaps"]), ""),
        (Odd(srgb_kinds={"spec"}), "adapter odd1: srgb_kinds has 'spec'; it must be one of 'albedo', "),
        (Odd(packed_channels={"x": "height"}), "packed_channels has 'x'; it must be one of 'r', 'g', "),
        (Odd(packed_channels={"r": "ao"}), "packed_channels has 'ao'; it must be one of 'unused', "),
        (Older(), ""),
        (Delegating(), ""),
        (Lacking(), "adapter odd1 has no 'scheme'"),
        (Helped(), "adapter odd1: project, of type object, has no project_version()"),
        (Unhelped(), "adapter odd1: project is the class dict: write dict()"),
        (Locked(), "adapter odd1: project raised KeyError: 'licence' (tests/test_records.py:"),
    ],
)  # fmt: skip
def test_an_adapter_is_told_its_attribute(adapter: Adapter, says: str) -> None:
    reason = told("popbridge_adapters", adapter)
    assert says in str(reason) and bool(says) == bool(reason)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (counted(), ""),
        (counted(name="count"), "workload 'count' isn't named PLUGIN.NAME, with letters, digits, - and _"),
        (counted(name="odd.a+b"), "workload 'odd.a+b' isn't named PLUGIN.NAME"),
        (counted(version="1"), "workload odd.count: version is '1'; it must be a whole number"),
        (counted(version=0), "workload odd.count: version is 0; it must be a whole number, at least 1"),
        (counted(version=2**63), "version is 9223372036854775808; it must be a whole number"),
        (counted(name="odd." + "x" * 125), "Expected `str` of length <= 128 - at `$.name`"),
        (counted(summary=None), "workload odd.count: Expected `str`, got `null` - at `$.summary`"),
        (counted(summary="\ud800"), "surrogates not allowed"),
        (counted(inputs=(3, 1)), "inputs is (3, 1); it must be a number, or a minimum and a maximum"),
        (counted(params=int), "workload odd.count: params is <class 'int'>; it must be of type Params"),
        (counted(params=None), "workload odd.count: params is None; it must be of type Params"),
        (counted(target="os:getcwd"), "odd.count: os:getcwd isn't a function with @workload"),
        (counted(operation=True), "tests.test_records:count isn't a function with @operation"),
        (counted(composed=lambda params, limits: (params, [])), ""),
        (counted(composed=lambda *given: (given[0], [])), ""),
        (counted(composed=lambda params: (params, [])),
         "workload odd.count: composed must take parameters and limits (see Compose)"),
        (counted(composed=7), "workload odd.count: composed is 7; it must be of type Compose"),
        (batched(), ""),
        (batched(max_rows=0), "odd.count: batching.max_rows is 0; it must be a whole number, at least 1"),
        (batched(target="nowhere:x"), "workload odd.count: ModuleNotFoundError: No module named 'nowhere'"),
        (batched(target="os:name"), "workload odd.count: os:name isn't a function"),
        (counted(params=Unknown), "workload odd.count: NameError: name 'Nothing' is not defined"),
        (counted(params=Shadowing), "workload odd.count: params has a field named contradiction"),
        (counted(target="nowhere:x"), "workload odd.count: ModuleNotFoundError: No module named 'nowhere'"),
        (counted(target=f"{__name__}:NOTHING"), "workload odd.count: AttributeError: module "),
        (counted(right="change"), ""),
        (counted(right="everything"), "workload odd.count: 'everything' isn't a right; use one of status, "),
        (counted(right=["run"]), "workload odd.count: ['run'] isn't a right; use one of status, "),
    ],
)  # fmt: skip
def test_a_workload_is_told_its_field(record: Workload, says: str) -> None:
    reason = told("popbridge_workloads", record)
    assert says in str(reason) and bool(says) == bool(reason)


@pytest.mark.parametrize(
    ("advisor", "says"),
    [
        (Watcher(), ""),
        (Watcher(name=3), "advisor Watcher: name is 3; it must be text"),
        (Watcher(events="asset.imported"), "events is 'asset.imported'; it must be a tuple of"),
        (Watcher(asks=("ask",)), "advisor odd-watcher: asks: 'ask' isn't named PLUGIN.NAME"),
        (Watcher(asks=("odd.ask",)), "advisor odd-watcher: it has asks, so it needs on_ask"),
        (Watcher(events=frozenset({"asset.imported"})), ""),
        (Watcher(asks=("odd.ask",), on_ask=replied), ""),
        (Watcher(asks=("odd.ask",), on_ask=replied, rights={"odd.ask": "change"}), ""),
        (Watcher(asks=("odd.ask",), on_ask=replied, rights={"odd.ask": "all"}), "'all' isn't a right"),
        (Watcher(asks=("odd.ask",), on_ask=replied, rights={"odd.tell": "run"}), "rights names odd.tell"),
        (Watcher(rights=["run"]), "advisor odd-watcher: rights is ['run']; it must be a map"),
        (Watcher(on_event=None), "advisor odd-watcher: on_event must be defined with `async def`"),
        (Traced(), ""),
        (Plain(), "advisor odd-watcher: on_event must be defined with `async def`"),
    ],
)  # fmt: skip
def test_an_advisor_is_told_its_attribute(advisor: Advisor, says: str) -> None:
    reason = told("popbridge_advisors", advisor)
    assert says in str(reason) and bool(says) == bool(reason)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (setting(), ""),
        (setting(name="quiet"), "setting 'quiet' isn't named PLUGIN.NAME"),
        (setting(name="odd.Be quiet"), "setting 'odd.Be quiet': use a to z, 0 to 9 and _"),
        (setting(name="port.odd"), "setting 'port.odd' is inside one of PopBridge's own"),
        (
            setting(name="log.level"),
            "'log.level': POPBRIDGE_LOG_LEVEL is a variable of PopBridge's own",
        ),
        (setting(help=None), "setting odd.quiet: help is None; it must be text"),
        (setting(unit="MiB"), "setting odd.quiet: unit is 'MiB'; it must be 'bytes' or empty"),
        (setting(type="bool"), "setting odd.quiet: type: Type ''bool'' is not supported"),
        (setting(default="x"), "odd.quiet"),
    ],
)
def test_a_setting_is_told_its_field(given: Setting, says: str) -> None:
    reason = told("popbridge_settings", given)
    assert says in str(reason) and bool(says) == bool(reason)


@pytest.mark.parametrize(
    ("hook", "records", "says"),
    [
        ("popbridge_adapters", [Odd(), Odd(versions="<1")], "it adds adapter 'odd1' twice"),
        ("popbridge_adapters", [Odd(), Odd(name="odd2")], "odd1 (>=1,<2) and odd2 (>=1,<2) both serve odd 1"),
        ("popbridge_settings", [setting(), setting(name="odd.quiet.now")],
         "setting 'odd.quiet.now' is inside the setting odd.quiet: rename one of them"),
        ("popbridge_settings", [setting(name="odd.max.size"), setting(name="odd.max_size")],
         "settings odd.max.size and odd.max_size use the same variable POPBRIDGE_ODD_MAX_SIZE"),
        ("popbridge_workloads", [counted(), counted()], "it adds workload 'odd.count' twice"),
        ("popbridge_workloads", [counted(), counted(name="odd.more")],
         "workloads odd.count and odd.more are the same function tests.test_records:count"),
    ],
)  # fmt: skip
def test_what_a_plugin_gives_twice_costs_nobody_else(hook: str, records: list[object], says: str) -> None:
    assert says in told(hook, *records)


class Stranger(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Stranger("x"), "popbridge_adapters raised tests.test_records.Stranger: x"),
        (ValueError("two\nlines"), "popbridge_adapters raised ValueError: two lines"),
        (ValueError("y" * 9999), f"popbridge_adapters raised ValueError: {'y' * 400}"),
    ],
)
def test_whatever_a_hook_raises_is_one_line(error: BaseException, says: str) -> None:
    class Raises:
        @hookimpl
        def popbridge_adapters(self) -> list[Adapter]:
            raise error

    (plugin,) = host.load({"odd": Raises()}, installed=False).plugins
    assert str(plugin.reason).startswith(says) and "\n" not in plugin.reason and len(str(plugin.reason)) < 600


def test_a_hook_that_is_a_coroutine_is_told_so() -> None:
    class Waits:
        @hookimpl
        async def popbridge_adapters(self) -> list[Adapter]:
            return []

    (plugin,) = host.load({"odd": Waits()}, installed=False).plugins
    assert str(plugin.reason) == "popbridge_adapters is a coroutine: define it with `def`, not `async def`"
