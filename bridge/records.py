"""What plugins give, held against what bridge.api promises: by record and field, before anything uses it."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import msgspec
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion, Version

from accel.workload import Batching, Params, Workload, load
from bridge import failures
from bridge.api import Adapter, Advisor, EditorSupport, ProjectSupport
from bridge.core import versions
from bridge.core.errors import UserError
from bridge.core.parts import WorkloadInfo
from bridge.core.settings import SETTINGS, Setting
from bridge.core.textures import ChannelMeaning, Kind, TextureIntent
from bridge.core.versions import VersionScheme

NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
"""Of what clients ask for, at the shell too, where + and , stand between names."""

SETTING = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
"""What environment names and TOML can hold."""

LATER = frozenset({"texture"})
"""Methods that supports which were written before there were such need not have."""


def check_adapter(adapter: Adapter) -> None:
    """Raises UserError, as all here do, with the adapter and the attribute."""
    what = f"adapter {_text(adapter, f'adapter {type(adapter).__name__}', 'name')}"
    _text(adapter, what, "engine")
    _check_range(what, _text(adapter, what, "versions"))
    scheme = _of(adapter, what, "scheme", VersionScheme)
    if not isinstance(scheme.stages, Mapping):
        raise UserError(f"{what}: scheme.stages is {scheme.stages!r:.80}; it must be of type Mapping")
    for word, segment in scheme.stages.items():
        _check_stage(f"{what}: scheme.stages[{word!r}]", segment)
    for name, known in (("texture_fields", TextureIntent.__struct_fields__), ("srgb_kinds", get_args(Kind))):
        _known(what, name, _several(adapter, what, name, "a frozenset"), known)
    if (order := _get(adapter, what, "packed_channels")) is not None:
        _of(adapter, what, "packed_channels", Mapping)
        _known(what, "packed_channels", order, ("r", "g", "b", "a"))
        _known(what, "packed_channels", order.values(), get_args(ChannelMeaning))
    _check_support(adapter, what, "project", ProjectSupport)
    _check_support(adapter, what, "editor", ProjectSupport, EditorSupport)


def _check_range(what: str, text: str) -> None:
    try:
        # `===4.x` is a specifier, and has no bound that could be compared with another's.
        versions.lowest(text)
        versions.overlap(text, text)
    except (InvalidSpecifier, InvalidVersion) as error:
        raise UserError(f"{what}: versions: {error}") from None


def _check_stage(what: str, segment: object) -> None:
    try:
        Version(f"1{segment}1")
    except InvalidVersion:
        raise UserError(f"{what} is {segment!r}; it must be a, b, rc, .dev, .post or empty") from None


def check_workload(workload: Workload) -> None:
    _check_name("workload", workload.name)
    what = f"workload {workload.name}"
    _check_told(what, workload)
    match workload.inputs:
        case (int(low), int(high)) if 0 <= low <= high:
            pass
        case _:
            raise UserError(f"{what}: inputs is {workload.inputs!r}; it must be a number, or fewest and most")
    if not isinstance(workload.params, type) or not issubclass(workload.params, Params):
        raise UserError(f"{what}: params is {workload.params!r:.80}; it must be of type Params")
    try:
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert(None, workload.params)
        found = workload.load()
        together = workload.batching is None or callable(load(workload.batching.target))
    # Whatever a type or a module of a plugin raises.
    except (Exception, SystemExit) as error:
        raise UserError(f"{what}: {failures.told(error)}") from error
    if "contradiction" in workload.params.__struct_fields__:
        reason = "params has a field named contradiction, which is its check's name; name it otherwise"
        raise UserError(f"{what}: {reason}")
    if not isinstance(getattr(found, "workload", None), Workload):
        raise UserError(f"{what}: {workload.target} is no function with @workload above it")
    if workload.operation and not callable(getattr(found, "operate", None)):
        raise UserError(f"{what}: {workload.target} is no function with @operation above it")
    if workload.composed is not None:
        _check_composed(what, workload.composed)
    if workload.batching is not None:
        _check_batching(what, workload.batching, together)


def _check_told(what: str, workload: Workload) -> None:
    """What each client is told of it: who can't read that ends the connection."""
    version = workload.version
    if type(version) is not int or not 1 <= version < 2**63:
        raise UserError(f"{what}: version is {version!r:.80}; it must be a whole number, at least 1")
    told = {"name": workload.name, "version": version, "summary": workload.summary}
    try:
        msgspec.msgpack.encode(msgspec.convert(told, WorkloadInfo))
    except (msgspec.ValidationError, UnicodeError) as error:
        raise UserError(f"{what}: {error}") from None


def _check_composed(what: str, composed: object) -> None:
    if not callable(composed):
        raise UserError(f"{what}: composed is {composed!r:.80}; it must be of type Compose")
    try:
        inspect.signature(composed).bind(None, None)
    except TypeError:
        raise UserError(f"{what}: composed must take parameters and limits, as Compose says") from None
    # Of what is written in C nothing may be known.
    except ValueError:
        pass


def _check_batching(what: str, batching: Batching, found: bool) -> None:
    if not found:
        raise UserError(f"{what}: {batching.target} is no function")
    if type(batching.max_rows) is not int or batching.max_rows < 1:
        given = f"{batching.max_rows!r:.80}"
        raise UserError(f"{what}: batching.max_rows is {given}; it must be a whole number, at least 1")


def check_advisor(advisor: Advisor) -> None:
    what = f"advisor {_text(advisor, f'advisor {type(advisor).__name__}', 'name')}"
    _texts(advisor, what, "events")
    for ask in _texts(advisor, what, "asks"):
        _check_name(f"{what}: asks:", ask)
    for hook in ("on_event", "on_answer", "on_ask"):
        if not _is_coroutine(_get(advisor, what, hook)):
            raise UserError(f"{what}: {hook} must be written with `async def`")
    if advisor.asks and getattr(advisor.on_ask, "__func__", None) is Advisor.on_ask:
        raise UserError(f"{what}: it has asks, so that it must have on_ask, too")


def _is_coroutine(hook: Any) -> bool:
    """Also where a decorator that used functools.wraps gives what that returns."""
    return inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(inspect.unwrap(hook))


def check_setting(setting: Setting) -> None:
    name = setting.name
    if not isinstance(name, str) or "." not in name:
        raise UserError(f"setting {name!r} isn't named PLUGIN.NAME")
    if not SETTING.fullmatch(name):
        raise UserError(f"setting {name!r}: names are of a to z, 0 to 9 and _, as acme.max_size")
    if any(name.startswith(f"{own.name}.") for own in SETTINGS):
        raise UserError(f"setting {name!r} lies in one of PopBridge's own: begin with the plugin's name")
    # One of the same name is told as a conflict, with both plugins.
    if any(setting.environment == own.environment and name != own.name for own in SETTINGS):
        own_too = f"{setting.environment} is a variable of PopBridge's own"
        raise UserError(f"setting {name!r}: {own_too}: begin with the plugin's name")
    if not isinstance(setting.help, str):
        raise UserError(f"setting {name}: help is {setting.help!r}; it must be text")
    if setting.unit not in ("", "bytes"):
        raise UserError(f"setting {name}: unit is {setting.unit!r:.80}; it must be 'bytes' or empty")
    try:
        setting.parse(setting.default, "its default")
    except TypeError as error:
        raise UserError(f"setting {name}: type: {error}") from None


def check_settings(settings: Iterable[Setting]) -> None:
    """Raises UserError for those of one plugin that can't both be set in the environment or in a file."""
    for one, other in itertools.permutations(settings, 2):
        if one.environment == other.environment:
            raise UserError(f"settings {one.name} and {other.name} are both the variable {one.environment}")
        if other.name.startswith(f"{one.name}."):
            raise UserError(f"setting {other.name!r} lies in the setting {one.name}: rename one of them")


def check_alone(claims: Iterable[str], workloads: Iterable[Workload]) -> None:
    """Raises UserError for what one plugin gives twice."""
    seen: set[str] = set()
    for claim in claims:
        if claim in seen:
            raise UserError(f"it gives {claim} twice")
        seen.add(claim)
    targets: dict[str, str] = {}
    for workload in workloads:
        other = targets.setdefault(workload.target, workload.name)
        if other != workload.name:
            names = f"workloads {other} and {workload.name}"
            raise UserError(f"{names} are both the function {workload.target}: give each a name of its own")


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(f"{what} {name!r} isn't named PLUGIN.NAME, of letters, digits, - and _")


def _get(record: object, what: str, name: str) -> Any:
    """An attribute, which may be a property that raises anything."""
    try:
        return getattr(record, name)
    except (Exception, SystemExit) as error:
        # A property may raise AttributeError, too.
        if isinstance(error, AttributeError) and not hasattr(type(record), name):
            raise UserError(f"{what} has no {name!r}") from None
        raise UserError(f"{what}: {name} raised {failures.told(error)}") from error


def _of(record: object, what: str, name: str, kind: type) -> Any:
    value = _get(record, what, name)
    if not isinstance(value, kind):
        raise UserError(f"{what}: {name} is {value!r:.80}; it must be of type {kind.__name__}")
    return value


def _text(record: object, what: str, name: str) -> str:
    value = _get(record, what, name)
    if not isinstance(value, str) or not value:
        raise UserError(f"{what}: {name} is {value!r:.80}; it must be text")
    return value


def _texts(record: object, what: str, name: str) -> Sequence[str]:
    value = _several(record, what, name, "a tuple")
    if not all(isinstance(each, str) and each for each in value):
        raise UserError(f"{what}: {name} is {value!r:.80}; it must be a tuple of texts")
    return tuple(value)


def _several(record: object, what: str, name: str, kind: str) -> Collection[Any]:
    """Of any type that has several; `kind` is what they are promised in."""
    value = _get(record, what, name)
    if not isinstance(value, Collection) or isinstance(value, str | bytes):
        hint = f"; write ({value!r:.60},)" if isinstance(value, str) and kind == "a tuple" else ""
        raise UserError(f"{what}: {name} is {value!r:.80}; it must be {kind} of texts{hint}")
    return value


def _known(what: str, name: str, given: Iterable[object], known: Sequence[str]) -> None:
    for one in given:
        if one not in known:
            raise UserError(f"{what}: {name} has {one!r:.80}; there are {', '.join(map(repr, known))}")


def _check_support(adapter: Adapter, what: str, name: str, *protocols: type) -> None:
    support = _get(adapter, what, name)
    if support is None:
        return
    if isinstance(support, type):
        raise UserError(f"{what}: {name} is the class {support.__name__}: write {support.__name__}()")
    for method in _methods(protocols):
        if not callable(getattr(support, method, None)):
            raise UserError(f"{what}: {name}, of type {type(support).__name__}, has no {method}()")


def _methods(protocols: Iterable[type]) -> Iterator[str]:
    names = (name for protocol in protocols for name in vars(protocol) if not name.startswith("_"))
    return (name for name in names if name not in LATER)
