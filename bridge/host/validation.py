"""Validates the records that plugins add, and what adapters return."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import operator
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard, get_args

import msgspec
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion, Version

from accel.text import AnyText, Text, text
from accel.workload import Batching, Params, Workload, load, to_builtins
from bridge.api import (
    Adapter,
    AddonInstaller,
    Advisor,
    BatchEditor,
    EditorSupport,
    OptionLabel,
    ProjectSupport,
    Remark,
    TextureAsset,
)
from bridge.core import versions
from bridge.core.access import RIGHTS
from bridge.core.errors import ContractViolation, UserError
from bridge.core.messages import WorkloadInfo
from bridge.core.settings import SETTINGS, Setting
from bridge.core.textures import ChannelMeaning, Kind, TextureIntent, TextureUse, TextureUses
from bridge.core.versions import VersionScheme
from bridge.host import isolation
from bridge.host.isolation import claim_text

NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
"""Names that clients request. Shell arguments use + and , between names."""

SETTING = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
"""Setting names that fit environment variables and TOML."""

LATER = frozenset({"texture", "install_reference", "reference", "fault"})
"""Methods added after 0.1.0, which older supports lack."""


def check_adapter(adapter: Adapter) -> None:
    """Raises UserError that names the adapter and the attribute."""
    name = _text(adapter, claim_text(f"adapter {type(adapter).__name__}"), "name")
    what = claim_text(f"adapter {name}")
    _text(adapter, what, "engine")
    _check_range(what, "versions", _text(adapter, what, "versions"))
    if adapter.older_versions:
        _check_range(what, "older_versions", _text(adapter, what, "older_versions"))
    scheme = _of(adapter, what, "scheme", VersionScheme)
    if not isinstance(scheme.stages, Mapping):
        raise UserError(
            text(
                "{what}: scheme.stages is {stages}; it must be of type Mapping",
                what=what,
                stages=format(repr(scheme.stages), ".80"),
            )
        )
    for word, segment in scheme.stages.items():
        _check_stage(text("{what}: scheme.stages[{word}]", what=what, word=repr(word)), segment)
    for name, known in (("texture_fields", TextureIntent.__struct_fields__), ("srgb_kinds", get_args(Kind))):
        _known(what, name, _several(adapter, what, name, "a frozenset"), known)
    if (order := _get(adapter, what, "packed_channels")) is not None:
        _of(adapter, what, "packed_channels", Mapping)
        _known(what, "packed_channels", order, ("r", "g", "b", "a"))
        _known(what, "packed_channels", order.values(), get_args(ChannelMeaning))
    _check_support(adapter, what, "project", ProjectSupport)
    _check_support(adapter, what, "installer", AddonInstaller)
    _check_support(adapter, what, "batch_editor", BatchEditor)
    _check_support(adapter, what, "editor", ProjectSupport, AddonInstaller, EditorSupport)


def _check_range(what: AnyText, name: str, specifier: str) -> None:
    try:
        # `===4.x` is a valid specifier, but has no comparable bound.
        versions.lowest(specifier)
        versions.overlap(specifier, specifier)
    except (InvalidSpecifier, InvalidVersion) as error:
        raise UserError(text("{what}: {name}: {error}", what=what, name=name, error=error)) from None


def _check_stage(what: AnyText, segment: object) -> None:
    try:
        Version(f"1{segment}1")
    except InvalidVersion:
        raise UserError(
            text(
                "{what} is {segment}; it must be a, b, rc, .dev, .post or empty",
                what=what,
                segment=repr(segment),
            )
        ) from None


def check_workload(workload: Workload) -> None:
    _check_name("workload", workload.name)
    what = claim_text(f"workload {workload.name}")
    _check_info(what, workload)
    match workload.inputs:
        case (int(low), int(high)) if 0 <= low <= high:
            pass
        case _:
            raise UserError(
                text(
                    "{what}: inputs is {inputs}; it must be a number, or a minimum and a maximum",
                    what=what,
                    inputs=repr(workload.inputs),
                )
            )
    if not isinstance(workload.params, type) or not issubclass(workload.params, Params):
        raise UserError(
            text(
                "{what}: params is {params}; it must be of type Params",
                what=what,
                params=format(repr(workload.params), ".80"),
            )
        )
    try:
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert(None, workload.params)
        found = workload.load()
        together = workload.batching is None or callable(load(workload.batching.target))
    # A plugin's types and modules may raise anything.
    except (Exception, SystemExit) as error:
        raise UserError(text("{what}: {reason}", what=what, reason=isolation.describe(error))) from error
    if "contradiction" in workload.params.__struct_fields__:
        reason = text(
            "params has a field named contradiction, which is the name of its check: rename the field"
        )
        raise UserError(text("{what}: {reason}", what=what, reason=reason))
    if not isinstance(getattr(found, "workload", None), Workload):
        raise UserError(
            text("{what}: {target} isn't a function with @workload", what=what, target=workload.target)
        )
    if workload.operation and not callable(getattr(found, "operate", None)):
        raise UserError(
            text("{what}: {target} isn't a function with @operation", what=what, target=workload.target)
        )
    if workload.composed is not None:
        _check_composed(what, workload.composed)
    if workload.batching is not None:
        _check_batching(what, workload.batching, together)


def _check_info(what: AnyText, workload: Workload) -> None:
    """Checks the fields that clients receive: an invalid one would end their connections."""
    version = workload.version
    if type(version) is not int or not 1 <= version < 2**63:
        raise UserError(
            text(
                "{what}: version is {version}; it must be a whole number, at least 1",
                what=what,
                version=format(repr(version), ".80"),
            )
        )
    if workload.right != "":
        _check_right(what, workload.right)
    told = {"name": workload.name, "version": version, "summary": workload.summary}
    try:
        msgspec.msgpack.encode(msgspec.convert(told, WorkloadInfo))
    except (msgspec.ValidationError, UnicodeError) as error:
        raise UserError(text("{what}: {reason}", what=what, reason=error)) from None


def _check_composed(what: AnyText, composed: object) -> None:
    if not callable(composed):
        raise UserError(
            text(
                "{what}: composed is {composed}; it must be of type Compose",
                what=what,
                composed=format(repr(composed), ".80"),
            )
        )
    try:
        inspect.signature(composed).bind(None, None)
    except TypeError:
        raise UserError(
            text("{what}: composed must take parameters and limits (see Compose)", what=what)
        ) from None
    # A C function may have no signature.
    except ValueError:
        pass


def _check_batching(what: AnyText, batching: Batching, found: bool) -> None:
    if not found:
        raise UserError(text("{what}: {target} isn't a function", what=what, target=batching.target))
    if type(batching.max_rows) is not int or batching.max_rows < 1:
        given = f"{batching.max_rows!r:.80}"
        raise UserError(
            text(
                "{what}: batching.max_rows is {given}; it must be a whole number, at least 1",
                what=what,
                given=given,
            )
        )


def check_advisor(advisor: Advisor) -> None:
    name = _text(advisor, claim_text(f"advisor {type(advisor).__name__}"), "name")
    what = claim_text(f"advisor {name}")
    _texts(advisor, what, "events")
    for ask in _texts(advisor, what, "asks"):
        _check_name(text("{what}: asks:", what=what), ask)
    for hook in ("on_event", "on_answer", "on_ask"):
        if not _is_coroutine(_get(advisor, what, hook)):
            raise UserError(text("{what}: {hook} must be defined with `async def`", what=what, hook=hook))
    for ask, right in _rights(advisor, what).items():
        if ask not in advisor.asks:
            raise UserError(
                text("{what}: rights names {ask}, which isn't one of its asks", what=what, ask=ask)
            )
        _check_right(what, right)
    if advisor.asks and getattr(advisor.on_ask, "__func__", None) is Advisor.on_ask:
        raise UserError(text("{what}: it has asks, so it needs on_ask", what=what))


def _rights(advisor: Advisor, what: AnyText) -> Mapping[str, str]:
    rights = _get(advisor, what, "rights")
    if not isinstance(rights, Mapping):
        raise UserError(
            text("{what}: rights is {given}; it must be a map", what=what, given=f"{rights!r:.80}")
        )
    return rights


def _check_right(what: AnyText, right: object) -> None:
    if right not in RIGHTS:
        raise UserError(
            text(
                "{what}: {given} isn't a right; use one of {rights}",
                what=what,
                given=f"{right!r:.80}",
                rights=", ".join(RIGHTS),
            )
        )


def _is_coroutine(hook: Any) -> bool:
    """Whether it is a coroutine function, also behind a decorator with functools.wraps."""
    return inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(inspect.unwrap(hook))


def check_setting(setting: Setting) -> None:
    name = setting.name
    if not isinstance(name, str) or "." not in name:
        raise UserError(text("setting {name} isn't named PLUGIN.NAME", name=repr(name)))
    if not SETTING.fullmatch(name):
        raise UserError(
            text("setting {name}: use a to z, 0 to 9 and _, as in acme.max_size", name=repr(name))
        )
    if any(name.startswith(f"{own.name}.") for own in SETTINGS):
        raise UserError(
            text(
                "setting {name} is inside one of PopBridge's own: begin with the plugin's name",
                name=repr(name),
            )
        )
    # The same name is reported as a conflict between plugins.
    if any(setting.environment == own.environment and name != own.name for own in SETTINGS):
        raise UserError(
            text(
                "setting {name}: {variable} is a variable of PopBridge's own: begin with the plugin's name",
                name=repr(name),
                variable=setting.environment,
            )
        )
    if not isinstance(setting.help, str):
        raise UserError(
            text("setting {name}: help is {help}; it must be text", name=name, help=repr(setting.help))
        )
    if setting.unit not in ("", "bytes"):
        raise UserError(
            text(
                "setting {name}: unit is {unit}; it must be 'bytes' or empty",
                name=name,
                unit=format(repr(setting.unit), ".80"),
            )
        )
    try:
        setting.parse(setting.default, "its default")
    except TypeError as error:
        raise UserError(text("setting {name}: type: {error}", name=name, error=error)) from None


def check_settings(settings: Iterable[Setting]) -> None:
    """Raises UserError for settings of one plugin that can't both be set in the environment or a file."""
    for one, other in itertools.permutations(settings, 2):
        if one.environment == other.environment:
            raise UserError(
                text(
                    "settings {one} and {other} use the same variable {environment}",
                    one=one.name,
                    other=other.name,
                    environment=one.environment,
                )
            )
        if other.name.startswith(f"{one.name}."):
            raise UserError(
                text(
                    "setting {other} is inside the setting {one}: rename one of them",
                    other=repr(other.name),
                    one=one.name,
                )
            )


def check_alone(claims: Iterable[str], workloads: Iterable[Workload]) -> None:
    """Raises UserError for names and functions that one plugin adds twice."""
    seen: set[str] = set()
    for claim in claims:
        if claim in seen:
            raise UserError(text("it adds {claim} twice", claim=claim_text(claim)))
        seen.add(claim)
    targets: dict[str, str] = {}
    for workload in workloads:
        other = targets.setdefault(workload.target, workload.name)
        if other != workload.name:
            raise UserError(
                text(
                    "workloads {one} and {other} are the same function {target}: define one for each",
                    one=other,
                    other=workload.name,
                    target=workload.target,
                )
            )


def _check_name(what: AnyText, name: object) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError(
            text(
                "{what} {name} isn't named PLUGIN.NAME, with letters, digits, - and _",
                what=what,
                name=repr(name),
            )
        )


def _get(record: object, what: AnyText, name: str) -> Any:
    """Returns an attribute; a property may raise anything."""
    try:
        return getattr(record, name)
    except (Exception, SystemExit) as error:
        # A property may raise AttributeError, too.
        if isinstance(error, AttributeError) and not hasattr(type(record), name):
            raise UserError(text("{what} has no {name}", what=what, name=repr(name))) from None
        raise UserError(
            text("{what}: {name} raised {reason}", what=what, name=name, reason=isolation.describe(error))
        ) from error


def _of(record: object, what: AnyText, name: str, kind: type) -> Any:
    value = _get(record, what, name)
    if not isinstance(value, kind):
        raise UserError(
            text(
                "{what}: {name} is {value}; it must be of type {type}",
                what=what,
                name=name,
                value=format(repr(value), ".80"),
                type=kind.__name__,
            )
        )
    return value


def _text(record: object, what: AnyText, name: str) -> str:
    value = _get(record, what, name)
    if not isinstance(value, str) or not value:
        raise UserError(
            text(
                "{what}: {name} is {value}; it must be text",
                what=what,
                name=name,
                value=format(repr(value), ".80"),
            )
        )
    return value


def _texts(record: object, what: AnyText, name: str) -> Sequence[str]:
    value = _several(record, what, name, "a tuple")
    if not all(isinstance(each, str) and each for each in value):
        raise UserError(
            text(
                "{what}: {name} is {value}; it must be a tuple of texts",
                what=what,
                name=name,
                value=format(repr(value), ".80"),
            )
        )
    return tuple(value)


def _several(record: object, what: AnyText, name: str, kind: str) -> Collection[Any]:
    """Returns a collection attribute; `kind` is the type that the contract names."""
    value = _get(record, what, name)
    if not isinstance(value, Collection) or isinstance(value, str | bytes):
        hint = (
            text("; write ({value},)", value=format(repr(value), ".60"))
            if isinstance(value, str) and kind == "a tuple"
            else ""
        )
        raise UserError(
            text(
                "{what}: {name} is {value}; it must be {kind} of texts{hint}",
                what=what,
                name=name,
                value=format(repr(value), ".80"),
                kind=kind,
                hint=hint,
            )
        )
    return value


def _known(what: AnyText, name: str, given: Iterable[object], known: Sequence[str]) -> None:
    for one in given:
        if one not in known:
            raise UserError(
                text(
                    "{what}: {name} has {value}; it must be one of {choices}",
                    what=what,
                    name=name,
                    value=format(repr(one), ".80"),
                    choices=[*map(repr, known)],
                )
            )


def _check_support(adapter: Adapter, what: AnyText, name: str, *protocols: type) -> None:
    support = _get(adapter, what, name)
    if support is None:
        return
    if isinstance(support, type):
        raise UserError(
            text(
                "{what}: {name} is the class {type}: write {type}()",
                what=what,
                name=name,
                type=support.__name__,
            )
        )
    for method in _methods(protocols):
        if not callable(getattr(support, method, None)):
            raise UserError(
                text(
                    "{what}: {name}, of type {type}, has no {method}()",
                    what=what,
                    name=name,
                    type=type(support).__name__,
                    method=method,
                )
            )


def _methods(protocols: Iterable[type]) -> Iterator[str]:
    known = ((name, value) for protocol in protocols for name, value in vars(protocol).items())
    return (
        name for name, value in known if not name.startswith("_") and name not in LATER and callable(value)
    )


KINDS = frozenset(get_args(Kind))
GUARDS = frozenset({"seen", "expected"})
"""Fields of a change that only `apply` reads; an adapter may return them."""


def check_version(text: object) -> None:
    """Raises ContractViolation."""
    if text is not None and not isinstance(text, str):
        raise ContractViolation(f"project_version returned {text!r:.80} instead of text or None")


def check_texture(asset: object) -> None:
    if not isinstance(asset, TextureAsset):
        raise ContractViolation(f"textures returned {asset!r:.80} instead of a TextureAsset")
    texts = (
        ("path", str),
        ("file", str),
        ("problem", str | Text),
        ("read_only", str | Text),
        ("settings", str),
    )
    for name, kind in texts:
        if not isinstance(value := getattr(asset, name), kind):
            raise ContractViolation(
                f"textures returned a TextureAsset whose {name} is {value!r:.80} instead of text"
            )
    if asset.options is not None and not isinstance(asset.options, Mapping):
        raise ContractViolation(
            f"{asset.file}: its options are {asset.options!r:.80} instead of a dict or None"
        )


def check_uses(uses: object) -> dict[str, TextureUses]:
    """Validates the uses of textures by file; a list of kinds becomes a slot of each kind."""
    if not isinstance(uses, Mapping):
        raise ContractViolation(f"uses returned {uses!r:.80} instead of a dict of TextureUses")
    return {_check_file(file): _check_texture_uses(file, found) for file, found in uses.items()}


def _check_file(file: object) -> str:
    if not isinstance(file, str):
        raise ContractViolation(f"uses returned {file!r:.80} as a file instead of text")
    return file


def _check_texture_uses(file: str, found: object) -> TextureUses:
    if isinstance(found, TextureUses):
        for use in found.uses:
            if not isinstance(use, TextureUse) or not _are_kinds(use.kinds):
                raise ContractViolation(f"uses returned {use!r:.80} for {file} instead of a TextureUse")
        return found
    if not _are_kinds(found):
        raise ContractViolation(
            f"uses returned {found!r:.80} for {file} instead of TextureUses or a list of Kind"
        )
    return TextureUses(tuple(TextureUse(kinds=(kind,)) for kind in found))


def _are_kinds(kinds: object) -> TypeGuard[Collection[Kind]]:
    if not isinstance(kinds, Collection) or isinstance(kinds, str):
        return False
    return all(isinstance(kind, str) and kind in KINDS for kind in kinds)


def check_done(done: object) -> Mapping[str, Any]:
    if not isinstance(done, Mapping):
        raise ContractViolation(f"apply returned {done!r:.80} instead of a dict of before, after and errors")
    lists = {name: _file_records(name, done[name]) for name in ("before", "after", "errors") if name in done}
    try:
        result: Mapping[str, Any] = to_builtins({**done, **lists}, "done")
    except ValueError as error:
        raise ContractViolation(f"apply returned what a receipt can't store: {error}") from None
    return result


def _file_records(name: str, records: object) -> list[Mapping[str, Any]]:
    """Returns the records of files; None is an empty list."""
    if records is None:
        return []
    if not isinstance(records, Collection) or isinstance(records, str | bytes | Mapping):
        raise ContractViolation(f"apply returned {records!r:.80} as {name} instead of a list of dicts")
    for one in records:
        if not isinstance(one, Mapping) or not isinstance(one.get("path"), str):
            raise ContractViolation(f"apply returned {one!r:.80} in {name} instead of a dict with path in it")
        # A revert needs them.
        if name != "errors" and not isinstance(one.get("options"), Mapping):
            raise ContractViolation(
                f"apply returned {one!r:.80} in {name} instead of a dict with options in it"
            )
    return [{name: value for name, value in one.items() if name not in GUARDS} for one in records]


def check_intent(intent: object, adapter: str) -> TextureIntent:
    """Validates an intent; `adapter` is the name to mention, which a daemon's log lacks."""
    if not isinstance(intent, TextureIntent):
        raise ContractViolation(f"{adapter}: read_texture returned {intent!r:.80} instead of a TextureIntent")
    return intent


def check_options(options: object, adapter: str) -> dict[str, Any]:
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        raise ContractViolation(
            f"{adapter}: compile_texture returned {options!r:.80} instead of a dict of options"
        )
    return options


def check_labels(labels: object, adapter: str) -> Mapping[str, OptionLabel]:
    """Returns an adapter's labels. Raises ContractViolation for another type."""
    valid = isinstance(labels, Mapping) and all(
        isinstance(name, str)
        and isinstance(label, OptionLabel)
        and isinstance(label.name, str)
        and isinstance(label.values, Mapping)
        and all(isinstance(value, str) for value in label.values.values())
        for name, label in labels.items()
    )
    if not valid:
        raise ContractViolation(f"{adapter}: option_labels returned {labels!r:.80} instead of OptionLabels")
    return labels  # type: ignore[return-value]


def check_memory(size: object) -> int | None:
    """Validates a size in bytes."""
    try:
        return None if size is None else operator.index(size)  # type: ignore[arg-type]
    except TypeError:
        raise ContractViolation(
            f"gpu_memory returned {size!r:.80} instead of a whole number or None"
        ) from None


def check_remarks(remarks: object) -> Iterable[Remark]:
    if not isinstance(remarks, Iterable):
        raise ContractViolation(f"remarks returned {remarks!r:.80} instead of Remarks, one after the other")
    return map(check_remark, remarks)


def check_remark(remark: object) -> Remark:
    if not isinstance(remark, Remark):
        raise ContractViolation(f"remarks returned {remark!r:.80} instead of a Remark")
    texts = ("text", "about", "title", "short_title")
    for name, kind in (("code", str), *((name, str | Text) for name in texts)):
        if not isinstance(value := getattr(remark, name), kind):
            raise ContractViolation(
                f"remarks returned a Remark whose {name} is {value!r:.80} instead of text"
            )
    return remark
