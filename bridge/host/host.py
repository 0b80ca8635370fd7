"""Load, refuse conflicts, choose adapters.

adapters.
"""

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
from bridge.core.versions import Choice
from bridge.host import isolation
from bridge.host.discovery import PluginRecord, Source, find_plugins
from bridge.host.isolation import claim_text
from bridge.host.validation import (
    check_adapter,
    check_advisor,
    check_alone,
    check_setting,
    check_settings,
    check_workload,
)

OWN = text("PopBridge itself")
"""What messages call whoever has a name that came with PopBridge."""

RECEIPTS, RECEIPTS_ASKS = "receipts", ("receipts.list", "receipts.revert")
"""The name and the asks of the daemon's own advisor, which no plugin brings."""


class Contribution(Struct, frozen=True):
    """What one plugin gave."""

    adapters: Sequence[Adapter] = ()
    workloads: Sequence[Workload] = ()
    advisors: Sequence[Advisor] = ()
    settings: Sequence[Setting] = ()

    def names(self) -> tuple[str, ...]:
        """Every contribution as its kind and name."""
        return (
            *(f"adapter {adapter.name}" for adapter in self.adapters),
            *(f"workload {workload.name}" for workload in self.workloads),
            *(f"advisor {advisor.name}" for advisor in self.advisors),
            *(f"setting {setting.name}" for setting in self.settings),
        )

    def claims(self) -> Iterator[str]:
        """The names that nobody else may use. Clients ask for workloads and advisors by the same field."""
        yield from (f"adapter {adapter.name!r}" for adapter in self.adapters)
        yield from (f"advisor {advisor.name!r}" for advisor in self.advisors)
        yield from (f"setting {setting.name!r}" for setting in self.settings)
        yield from (f"workload {workload.name!r}" for workload in self.workloads)
        yield from (f"workload {ask!r}" for advisor in self.advisors for ask in advisor.asks)


class Claims:
    """What those plugins have that hold; whoever comes later may claim nothing of it."""

    def __init__(self) -> None:
        own = Contribution(settings=SETTINGS).claims()
        daemons = (f"advisor {RECEIPTS!r}", *(f"workload {ask!r}" for ask in RECEIPTS_ASKS))
        self._holders: dict[str, AnyText] = dict.fromkeys((*own, *daemons), OWN)
        self._adapters: list[tuple[AnyText, Adapter]] = []
        self._settings: list[tuple[AnyText, Setting]] = []

    def take(self, given: Contribution, holder: AnyText) -> None:
        """`given` is the `holder`'s from now on, all of it or, where anything is another's, nothing.

        Raises UserError, which reads well after the plugin's name: what is whose, and what to do.
        """
        for claim in given.claims():
            if claim in self._holders:
                raise _refused(text("it gives {claim}", claim=claim_text(claim)), self._holders[claim])
        for setting in given.settings:
            for other, present in self._settings:
                _refuse_entangled(setting, other, present)
        for adapter in given.adapters:
            for other, serving in self._adapters:
                _refuse_overlap(adapter, other, serving)
        self._holders.update((claim, holder) for claim in given.claims())
        self._settings += ((holder, setting) for setting in given.settings)
        self._adapters += ((holder, adapter) for adapter in given.adapters)


def _refused(said: AnyText, holder: AnyText) -> UserError:
    if holder == OWN:
        return UserError(text("{said}, as {holder} does: uninstall this plugin", said=said, holder=holder))
    return UserError(
        text(
            "{said}, as {holder} does, which goes first by its name: uninstall one of them",
            said=said,
            holder=holder,
        )
    )


def _refuse_entangled(setting: Setting, holder: AnyText, present: Setting) -> None:
    """What can't both be set in the environment, or in a file."""
    if setting.environment == present.environment:
        said = text(
            "its setting '{name}' uses the variable {variable}",
            name=setting.name,
            variable=setting.environment,
        )
        raise _refused(said, holder)
    if setting.name.startswith(f"{present.name}.") or present.name.startswith(f"{setting.name}."):
        raise UserError(
            text(
                "its setting '{one}' and '{other}' of {holder}, which goes first by its name, lie in one "
                "another: uninstall one of them",
                one=setting.name,
                other=present.name,
                holder=holder,
            )
        )


def _refuse_overlap(adapter: Adapter, holder: AnyText, present: Adapter) -> None:
    if adapter.engine != present.engine:
        return
    shared = versions.overlap(adapter.versions, present.versions)
    if shared is not None:
        said = text(
            "its adapter {one}, beside {other}, serves {engine}",
            one=f"{adapter.name} ({adapter.versions})",
            other=f"{present.name} ({present.versions})",
            engine=f"{adapter.engine} {shared}",
        )
        raise _refused(said, holder)


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
    sources = [*find_plugins()] if installed else []
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
    with isolation.is_interrupt() as heard:
        try:
            with isolation.run_guarded(str(record)):
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
    trace = "" if isinstance(error, UserError) else isolation.plugin_traceback(error)
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
            raise HookError(
                text("{hook} raised {reason}", hook=hook, reason=isolation.describe(error))
            ) from error
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
    return text("it can't be loaded: {reason}", reason=isolation.describe(error))
