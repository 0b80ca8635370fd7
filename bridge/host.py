"""The plugin host: loads entry points, isolates a plugin that is broken or claims what is another's, chooses
adapters."""

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
from bridge import failures, guests, hooks
from bridge.api import Adapter, Advisor
from bridge.claims import OWN, Claims, Contribution
from bridge.core import versions
from bridge.core.errors import BridgeError, UserError
from bridge.core.settings import SETTINGS, Setting
from bridge.core.versions import Choice
from bridge.installed import PluginRecord, Source, plugins
from bridge.records import (
    check_adapter,
    check_advisor,
    check_alone,
    check_setting,
    check_settings,
    check_workload,
)

log = logging.getLogger(__name__)

Record = TypeVar("Record")

LONGEST = 500
"""Characters of a reason that are shown."""


class HookError(BridgeError):
    """A plugin's hook raised; says which, what and where."""


class Registry(Struct, frozen=True):
    """What all plugins gave, as plain objects: the hot path calls these, never the plugin manager."""

    adapters: Sequence[Adapter] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    advisors: Sequence[Advisor] = ()
    settings: Sequence[Setting] = SETTINGS
    """PopBridge's own, then the plugins'."""
    plugins: Sequence[PluginRecord] = ()

    @property
    def operations(self) -> tuple[tuple[str, str], ...]:
        """What a pipeline's steps may be, as `Limits` has it."""
        return tuple((name, each.target) for name, each in self.workloads.items() if each.operation)

    @property
    def disabled(self) -> list[str]:
        """The names of plugins that add nothing."""
        return [plugin.name for plugin in self.plugins if plugin.status != "ok"]

    @property
    def unserving(self) -> list[str]:
        """The names of those among them that may have had adapters."""
        return [plugin.name for plugin in self.plugins if plugin.status != "ok" and plugin.may_serve]

    @property
    def lacks(self) -> bool:
        """Whether a plugin is disabled, so that nobody knows its settings."""
        return bool(self.disabled)

    @property
    def asks(self) -> dict[str, Advisor]:
        """The advisors that can be asked, by the names that clients use."""
        return {ask: advisor for advisor in self.advisors for ask in advisor.asks}

    @property
    def origins(self) -> dict[str, str]:
        """The distribution and version that each workload is of, by its name; unknown ones are left
        out."""
        return {
            provided.removeprefix("workload "): f"{plugin.distribution} {plugin.version}"
            for plugin in self.plugins
            for provided in plugin.provides
            if provided.startswith("workload ") and plugin.version
        }

    def version(self, engine: str, text: str) -> Version | None:
        """The version that an editor calls `text`; None for an engine that no adapter serves.

        Raises UserError if there is no version in `text`.
        """
        scheme = next((adapter.scheme for adapter in self.adapters if adapter.engine == engine), None)
        return scheme.parse(text) if scheme else None

    def choose(self, engine: str, version_text: str) -> Choice[Adapter] | None:
        """The adapter for a version as the engine itself prints it. Raises UserError, as `version` does."""
        version = self.version(engine, version_text)
        return versions.choose(self.adapters, engine, version) if version is not None else None


def load(extra: Mapping[str, object] | None = None, *, installed: bool = True) -> Registry:
    """Loads what the entry-point group names, then `extra` plugin objects by name.

    Where two plugins claim the same name or engine version, PopBridge's own has it, else the first by name;
    the other one is disabled.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    sources = [*plugins()] if installed else []
    sources += [*_given(extra or {})]
    claims = Claims()
    loaded = [_admitted(claims, *_contribution(manager, record, source)) for record, source in sources]
    given = [contribution for _, contribution in loaded]
    return Registry(
        adapters=tuple(adapter for each in given for adapter in each.adapters),
        workloads={workload.name: workload for each in given for workload in each.workloads},
        advisors=tuple(advisor for each in given for advisor in each.advisors),
        settings=(*SETTINGS, *(setting for each in given for setting in each.settings)),
        plugins=tuple(record for record, _ in loaded),
    )


def _given(extra: Mapping[str, object]) -> Iterator[tuple[PluginRecord, Source]]:
    for name, plugin in extra.items():
        yield PluginRecord(name, "given by the caller", ""), partial(_same, plugin)


def _same(plugin: object) -> object:
    return plugin


def _contribution(
    manager: pluggy.PluginManager, record: PluginRecord, source: Source
) -> tuple[PluginRecord, Contribution]:
    plugin = None
    with guests.interrupts() as heard:
        try:
            with guests.hosted(str(record)):
                plugin = source()
                _refuse_again(manager, plugin)
                manager.register(plugin, f"{record.distribution}/{record.name}")
                manager.check_pending()
                _refuse_unmarked(manager, plugin)
                given = _call(manager, plugin)
                check_alone(given.claims(), given.workloads)
                check_settings(given.settings)
                _refuse_own_overlaps(given.adapters)
            if heard:
                # Code that catches everything has passed over it.
                raise KeyboardInterrupt
            return replace(record, provides=given.names()), given
        # A plugin is anybody's code: whatever it raises, even SystemExit at import, costs only itself.
        except BaseException as error:
            # A person's Ctrl-C isn't the plugin's, whatever it made of that.
            if heard:
                raise KeyboardInterrupt from error
            if plugin is not None and manager.is_registered(plugin):
                manager.unregister(plugin)
            return _disabled(record, error), Contribution()


def _disabled(record: PluginRecord, error: BaseException) -> PluginRecord:
    reason = _reason(error)
    log.debug("%s is disabled: %s", record, reason, exc_info=error)
    trace = "" if isinstance(error, UserError) else failures.trace(error)
    return replace(record, status="disabled", reason=reason, traceback=trace)


def _admitted(claims: Claims, record: PluginRecord, given: Contribution) -> tuple[PluginRecord, Contribution]:
    """The plugin with what it gave, or disabled without it where anything of that is another's."""
    try:
        claims.take(given, OWN if record.is_own else str(record))
    except UserError as error:
        log.debug("%s is disabled: %s", record, error)
        return replace(record, status="disabled", reason=_reason(error), provides=()), Contribution()
    return record, given


def _refuse_again(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raises UserError for a plugin that goes by another name already."""
    if (name := manager.get_name(plugin)) is not None:
        other = name.partition("/")[2]
        raise UserError(
            text("it is the same as the plugin {other}: name it in one entry point alone", other=repr(other))
        )


def _refuse_unmarked(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raises UserError for a hook that pluggy would pass over without a word."""
    for hook in vars(manager.hook):
        given = getattr(plugin, hook, None)
        if callable(given) and manager.parse_hookimpl_opts(plugin, hook) is None:
            if hasattr(given, f"{hooks.PROJECT}_impl"):
                raise UserError(
                    text("{hook} is marked as a hook but no function: write it with def", hook=hook)
                )
            raise UserError(text("{hook} isn't marked as a hook: write @hookimpl above it", hook=hook))


def _call(manager: pluggy.PluginManager, plugin: object) -> Contribution:
    def records(hook: str, kind: type[Record], check: Callable[[Record], object]) -> list[Record]:
        found = []
        for record in _answer(manager, plugin, hook, kind):
            if not isinstance(record, kind):
                raise UserError(_not_wanted(hook, kind, record))
            check(record)
            found.append(record)
        return found

    return Contribution(
        adapters=records("popbridge_adapters", Adapter, check_adapter),  # type: ignore[type-abstract]
        workloads=records("popbridge_workloads", Workload, check_workload),
        advisors=records("popbridge_advisors", Advisor, check_advisor),  # type: ignore[type-abstract]
        settings=records("popbridge_settings", Setting, check_setting),
    )


def _answer(manager: pluggy.PluginManager, plugin: object, hook: str, kind: type[object]) -> Sequence[object]:
    given: list[object] = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin is not plugin:
            continue
        # Called without pluggy, which would pass over None and hide which hook raised.
        try:
            answer = implementation.function()
        except BaseException as error:
            raise HookError(text("{hook} raised {reason}", hook=hook, reason=failures.told(error))) from error
        if inspect.iscoroutine(answer):
            answer.close()
            raise UserError(text("{hook} is a coroutine: write it with `def`, not `async def`", hook=hook))
        if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
            shown = "None" if answer is None else f"an object of type {type(answer).__name__}"
            wanted = f"a list of {kind.__name__} records"
            raise UserError(text("{hook} gave {given}, wanted {kind}", hook=hook, given=shown, kind=wanted))
        given += answer
    return given


def _not_wanted(hook: str, kind: type[object], record: object) -> AnyText:
    forgotten = kind is Workload and isinstance(getattr(record, "workload", None), Workload)
    hint = (
        text(" (write {getattr}.workload)", getattr=getattr(record, "__name__", "function"))
        if forgotten
        else ""
    )
    if isinstance(record, type) and issubclass(record, kind):
        hint = text(" (write {name}())", name=record.__name__)
    given, wanted = f"{reprlib.repr(record)} in its list", f"{kind.__name__} records{hint}"
    return text("{hook} gave {given}, wanted {kind}", hook=hook, given=given, kind=wanted)


def _refuse_own_overlaps(adapters: Sequence[Adapter]) -> None:
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
    """One line; the traceback has the whole."""
    said = _said(error)
    line = " ".join(str(said).split())
    if len(line) > LONGEST:
        return f"{line[:LONGEST]} ..."
    return said if isinstance(said, Text) else line


def _said(error: BaseException) -> AnyText:
    if isinstance(error, BridgeError):
        return error.text
    if isinstance(error, pluggy.PluginValidationError):
        # pluggy adds the plugin's repr, which says less than the line above it in `popbridge plugins`.
        return " ".join(str(error).split()).split(" in plugin <")[0]
    return text("it can't be loaded: {reason}", reason=failures.told(error))
