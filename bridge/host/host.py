"""Loads plugins, disables those that fail or conflict, and registers the contributions of the others."""

from __future__ import annotations

import inspect
import itertools
import logging
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

import pluggy
from msgspec import Struct, field
from msgspec.structs import replace
from packaging.version import Version

from accel.text import AnyText, Text, text
from accel.workload import Workload
from bridge import hooks
from bridge.api import Adapter, Advisor
from bridge.core import versions
from bridge.core.errors import BridgeError, UserError
from bridge.core.settings import SETTINGS, Setting
from bridge.core.versions import Choice, VersionScheme
from bridge.host import isolation
from bridge.host.discovery import PluginRecord, Source, find_plugins
from bridge.host.isolation import claim_text
from bridge.host.plugin_policy import PluginPolicy
from bridge.host.validation import (
    check_adapter,
    check_advisor,
    check_alone,
    check_setting,
    check_settings,
    check_workload,
)

OWN = text("PopBridge itself")
"""The owner of built-in names, in messages."""

RECEIPTS, RECEIPTS_ASKS = "receipts", ("receipts.list", "receipts.revert")
"""The name and the requests of an advisor of the daemon itself, which isn't part of a plugin."""
ROOTS = "project_roots"
"""The name of the daemon's advisor that asks whether a project may be read."""


class Contribution(Struct, frozen=True):
    """Contributions of one plugin."""

    adapters: Sequence[Adapter] = ()
    workloads: Sequence[Workload] = ()
    advisors: Sequence[Advisor] = ()
    settings: Sequence[Setting] = ()

    def names(self) -> tuple[str, ...]:
        """Returns the contributions, each as kind and name."""
        return (
            *(f"adapter {adapter.name}" for adapter in self.adapters),
            *(f"workload {workload.name}" for workload in self.workloads),
            *(f"advisor {advisor.name}" for advisor in self.advisors),
            *(f"setting {setting.name}" for setting in self.settings),
        )

    def claims(self) -> Iterator[str]:
        """Yields the names that must be unique. Clients request workloads and advisors by the same field."""
        yield from (f"adapter {adapter.name!r}" for adapter in self.adapters)
        yield from (f"advisor {advisor.name!r}" for advisor in self.advisors)
        yield from (f"setting {setting.name!r}" for setting in self.settings)
        yield from (f"workload {workload.name!r}" for workload in self.workloads)
        yield from (f"workload {ask!r}" for advisor in self.advisors for ask in advisor.asks)


class Claims:
    """The names, settings and engine versions that loaded plugins own."""

    def __init__(self) -> None:
        own = Contribution(settings=SETTINGS).claims()
        daemons = (
            f"advisor {RECEIPTS!r}",
            f"advisor {ROOTS!r}",
            *(f"workload {ask!r}" for ask in RECEIPTS_ASKS),
        )
        self._owners: dict[str, AnyText] = dict.fromkeys((*own, *daemons), OWN)
        self._adapters: list[tuple[AnyText, Adapter]] = []
        self._settings: list[tuple[AnyText, Setting]] = []

    def add(self, contribution: Contribution, owner: AnyText) -> None:
        """Makes `owner` the owner of the contribution, unless a part of it is another's.

        Raises UserError, whose text is a predicate for the plugin's name.
        """
        for claim in contribution.claims():
            if claim in self._owners:
                raise _conflict(text("it adds {claim}", claim=claim_text(claim)), self._owners[claim])
        for setting in contribution.settings:
            for other, present in self._settings:
                _check_setting_conflict(setting, other, present)
        for adapter in contribution.adapters:
            for other, serving in self._adapters:
                _check_overlap(adapter, other, serving)
        self._owners.update((claim, owner) for claim in contribution.claims())
        self._settings += ((owner, setting) for setting in contribution.settings)
        self._adapters += ((owner, adapter) for adapter in contribution.adapters)


def _conflict(claim: AnyText, owner: AnyText) -> UserError:
    if owner == OWN:
        return UserError(text("{claim}, like {owner}: uninstall this plugin", claim=claim, owner=owner))
    return UserError(
        text(
            "{claim}, like {owner}, which comes first by name: uninstall one of them",
            claim=claim,
            owner=owner,
        )
    )


def _check_setting_conflict(setting: Setting, owner: AnyText, present: Setting) -> None:
    """Raises UserError for settings that can't both be set in the environment or in a file."""
    if setting.environment == present.environment:
        claim = text(
            "its setting '{name}' uses the variable {variable}",
            name=setting.name,
            variable=setting.environment,
        )
        raise _conflict(claim, owner)
    if setting.name.startswith(f"{present.name}.") or present.name.startswith(f"{setting.name}."):
        raise UserError(
            text(
                "its setting '{one}' and '{other}' of {owner} contain one another: uninstall one of them",
                one=setting.name,
                other=present.name,
                owner=owner,
            )
        )


def _check_overlap(adapter: Adapter, owner: AnyText, present: Adapter) -> None:
    if adapter.engine != present.engine:
        return
    shared = versions.overlap(adapter.versions, present.versions)
    if shared is not None:
        claim = text(
            "its adapter {one} serves {engine}, as does {other}",
            one=f"{adapter.name} ({adapter.versions})",
            other=f"{present.name} ({present.versions})",
            engine=f"{adapter.engine} {shared}",
        )
        raise _conflict(claim, owner)


log = logging.getLogger(__name__)

Record = TypeVar("Record")

MAX_REASON = 500
"""Characters of a reason that are shown."""


class HookError(BridgeError):
    """A plugin's hook raised an error."""


class Registry(Struct, frozen=True):
    """The contributions of all plugins as plain objects, so that requests don't go through pluggy."""

    adapters: Sequence[Adapter] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    advisors: Sequence[Advisor] = ()
    settings: Sequence[Setting] = SETTINGS
    """PopBridge's own, then the plugins'."""
    plugins: Sequence[PluginRecord] = ()

    @property
    def operations(self) -> tuple[tuple[str, str], ...]:
        """The names and targets of possible pipeline steps, for `Limits`."""
        return tuple((name, each.target) for name, each in self.workloads.items() if each.operation)

    @property
    def disabled(self) -> list[str]:
        """The names of plugins that failed to load."""
        return [plugin.name for plugin in self.plugins if plugin.status == "disabled"]

    @property
    def blocked(self) -> list[str]:
        """The names of plugins that a setting blocks."""
        return [plugin.name for plugin in self.plugins if plugin.status == "blocked"]

    @property
    def unserving(self) -> list[str]:
        """The names of disabled plugins that may have adapters."""
        return [plugin.name for plugin in self.plugins if plugin.status == "disabled" and plugin.may_serve]

    @property
    def lacks(self) -> bool:
        """Whether a plugin, and thus its settings, is missing."""
        return bool(self.disabled or self.blocked)

    @property
    def asks(self) -> dict[str, Advisor]:
        """The advisors that answer requests, by request name."""
        return {ask: advisor for advisor in self.advisors for ask in advisor.asks}

    @property
    def origins(self) -> dict[str, str]:
        """The distribution and version of each workload, by the workload's name, where known."""
        return {
            provided.removeprefix("workload "): f"{plugin.distribution} {plugin.version}"
            for plugin in self.plugins
            for provided in plugin.provides
            if provided.startswith("workload ") and plugin.version
        }

    def version(self, engine: str, text: str) -> Version | None:
        """Parses an engine version; None for an engine without an adapter. Raises UserError."""
        scheme = self._scheme(engine)
        return scheme.parse(text) if scheme else None

    def engine_name(self, engine: str, version_text: str = "") -> str:
        """Returns an engine's name for people, with its version if that is given. Raises UserError."""
        scheme = self._scheme(engine)
        if scheme is None:
            return f"{engine} {version_text}".rstrip()
        return f"{scheme.name} {scheme.shown(version_text)}" if version_text else scheme.name

    def _scheme(self, engine: str) -> VersionScheme | None:
        return next((adapter.scheme for adapter in self.adapters if adapter.engine == engine), None)

    def choose(self, engine: str, version_text: str) -> Choice[Adapter] | None:
        """Returns the adapter for a version as the engine prints it; None without one. Raises UserError."""
        version = self.version(engine, version_text)
        if version is None:
            return None
        return versions.choose(self.adapters, engine, version, self.engine_name(engine, version_text))


def load(
    extra: Mapping[str, object] | None = None, *, installed: bool = True, policy: PluginPolicy | None = None
) -> Registry:
    """Loads the plugins of the entry-point group, then the objects in `extra` by name.

    `policy` may block some of the installed ones; without it, the environment and the settings file do.
    Raises UserError if these are invalid.

    If two plugins claim the same name or engine version, the second is disabled: PopBridge's own come first,
    then others by name.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    sources = find_plugins(policy or PluginPolicy.find()) if installed else []
    sources += [*_extra_sources(extra or {})]
    claims = Claims()
    loaded = [_claim(claims, *_contribution(manager, record, source)) for record, source in sources]
    contributions = [contribution for _, contribution in loaded]
    return Registry(
        adapters=tuple(adapter for each in contributions for adapter in each.adapters),
        workloads={workload.name: workload for each in contributions for workload in each.workloads},
        advisors=tuple(advisor for each in contributions for advisor in each.advisors),
        settings=(*SETTINGS, *(setting for each in contributions for setting in each.settings)),
        plugins=tuple(record for record, _ in loaded),
    )


def _extra_sources(extra: Mapping[str, object]) -> Iterator[tuple[PluginRecord, Source]]:
    for name, plugin in extra.items():
        yield PluginRecord(name, "given by the caller", ""), partial(_identity, plugin)


def _identity(plugin: object) -> object:
    return plugin


def _contribution(
    manager: pluggy.PluginManager, record: PluginRecord, source: Source
) -> tuple[PluginRecord, Contribution]:
    if record.status == "blocked":
        return record, Contribution()
    plugin = None
    with isolation.watch_interrupts() as signals:
        try:
            with isolation.run_guarded(str(record)):
                plugin = source()
                _check_unregistered(manager, plugin)
                manager.register(plugin, f"{record.distribution}/{record.name}")
                _check_names(manager, plugin)
                manager.check_pending()
                _check_marked(manager, plugin)
                contribution = _call_hooks(manager, plugin)
                check_alone(contribution.claims(), contribution.workloads)
                check_settings(contribution.settings)
                _check_own_overlaps(contribution.adapters)
            if signals:
                # Plugin code that catches everything has swallowed it.
                raise KeyboardInterrupt
            return replace(record, provides=contribution.names()), contribution
        # Any exception of a plugin, even SystemExit, disables only that plugin.
        except BaseException as error:
            # Ctrl-C ends PopBridge, even if the plugin handled it.
            if signals:
                raise KeyboardInterrupt from error
            if plugin is not None and manager.is_registered(plugin):
                manager.unregister(plugin)
            return _disabled(record, error), Contribution()


def _disabled(record: PluginRecord, error: BaseException) -> PluginRecord:
    reason = _reason(error)
    log.debug("%s is disabled: %s", record, reason, exc_info=error)
    trace = "" if isinstance(error, UserError) else isolation.plugin_traceback(error)
    return replace(record, status="disabled", reason=reason, traceback=trace)


def _claim(
    claims: Claims, record: PluginRecord, contribution: Contribution
) -> tuple[PluginRecord, Contribution]:
    """Returns the plugin and its contribution; disabled and empty if another plugin owns a part of it."""
    try:
        claims.add(contribution, OWN if record.is_own else record.text)
    except UserError as error:
        log.debug("%s is disabled: %s", record, error)
        return replace(record, status="disabled", reason=_reason(error), provides=()), Contribution()
    return record, contribution


def _check_unregistered(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raises UserError for a plugin that is registered under another name."""
    if (name := manager.get_name(plugin)) is not None:
        other = name.partition("/")[2]
        raise UserError(
            text("it is the same as plugin {other}: remove one of the two entry points", other=repr(other))
        )


def _check_names(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raises UserError for a hook that PopBridge never calls, unless it is marked as optional."""
    known = [name for name in vars(hooks) if name.startswith(f"{hooks.PROJECT}_")]
    for caller in manager.get_hookcallers(plugin) or ():
        required = any(
            not result.optionalhook for result in caller.get_hookimpls() if result.plugin is plugin
        )
        if required and not caller.has_spec():
            raise UserError(
                text("unknown hook {hook}; the hooks are {known}", hook=repr(caller.name), known=known)
            )


def _check_marked(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raises UserError for a hook that pluggy would silently ignore."""
    for hook in vars(manager.hook):
        function = getattr(plugin, hook, None)
        if callable(function) and manager.parse_hookimpl_opts(plugin, hook) is None:
            if hasattr(function, f"{hooks.PROJECT}_impl"):
                raise UserError(
                    text("{hook} is marked as a hook but isn't a function: define it with def", hook=hook)
                )
            raise UserError(text("{hook} isn't marked as a hook: add @hookimpl", hook=hook))


def _call_hooks(manager: pluggy.PluginManager, plugin: object) -> Contribution:
    def records(hook: str, kind: type[Record], check: Callable[[Record], object]) -> list[Record]:
        found = []
        for record in _hook_result(manager, plugin, hook, kind):
            if not isinstance(record, kind):
                raise UserError(_wrong_record(hook, kind, record))
            check(record)
            found.append(record)
        return found

    return Contribution(
        adapters=records("popbridge_adapters", Adapter, check_adapter),  # type: ignore[type-abstract]
        workloads=records("popbridge_workloads", Workload, check_workload),
        advisors=records("popbridge_advisors", Advisor, check_advisor),  # type: ignore[type-abstract]
        settings=records("popbridge_settings", Setting, check_setting),
    )


def _hook_result(
    manager: pluggy.PluginManager, plugin: object, hook: str, kind: type[object]
) -> Sequence[object]:
    records: list[object] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin is not plugin:
            continue
        # Not through pluggy, which ignores None and hides which hook raised.
        try:
            answer = implementation.function()
        except BaseException as error:
            raise HookError(
                text("{hook} raised {reason}", hook=hook, reason=isolation.describe(error))
            ) from error
        if inspect.iscoroutine(answer):
            answer.close()
            raise UserError(text("{hook} is a coroutine: define it with `def`, not `async def`", hook=hook))
        if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
            raise UserError(
                text(
                    "{hook} returned {actual} instead of a list of {kind} records",
                    hook=hook,
                    actual="None" if answer is None else type(answer).__name__,
                    kind=kind.__name__,
                )
            )
        records += answer
    return records


def _wrong_record(hook: str, kind: type[object], record: object) -> AnyText:
    problem = text(
        "{hook} returned {actual} in its list instead of {kind} records",
        hook=hook,
        actual=reprlib.repr(record),
        kind=kind.__name__,
    )
    if isinstance(record, type) and issubclass(record, kind):
        hint = f"{record.__name__}()"
    elif kind is Workload and isinstance(getattr(record, "workload", None), Workload):
        hint = f"{getattr(record, '__name__', 'function')}.workload"
    else:
        return problem
    return text("{problem} (write {hint})", problem=problem, hint=hint)


def _check_own_overlaps(adapters: Sequence[Adapter]) -> None:
    for one, other in itertools.combinations(adapters, 2):
        shared = versions.overlap(one.versions, other.versions) if one.engine == other.engine else None
        if shared is not None:
            raise UserError(
                text(
                    "its adapters {one} and {other} both serve {engine}",
                    one=f"{one.name} ({one.versions})",
                    other=f"{other.name} ({other.versions})",
                    engine=f"{one.engine} {shared}",
                )
            )


def _reason(error: BaseException) -> AnyText:
    """Returns the error on one line; the traceback has the whole text."""
    reason = _error_text(error)
    line = " ".join(str(reason).split())
    if len(line) > MAX_REASON:
        return f"{line[:MAX_REASON]} ..."
    return reason.map(lambda words: " ".join(words.split())) if isinstance(reason, Text) else line


def _error_text(error: BaseException) -> AnyText:
    if isinstance(error, BridgeError):
        return error.text
    if isinstance(error, pluggy.PluginValidationError):
        # pluggy appends the plugin's repr.
        return " ".join(str(error).split()).split(" in plugin <")[0]
    return text("it can't be loaded: {reason}", reason=isolation.describe(error))
