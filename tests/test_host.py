"""The plugin host, with a third-party distribution on the path as pip would leave it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from functools import partial
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from accel.workload import echo
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS
from bridge.host import host, isolation
from bridge.host.discovery import PluginRecord


class Given:
    """A plugin that no distribution brings."""

    @host.hooks.hookimpl
    def popbridge_workloads(self) -> list[object]:
        return [replace(echo.workload, name="given.echo")]


ACME = Path(__file__).parent / "data" / "acme"


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ACME))


def record(registry: host.Registry, name: str) -> PluginRecord:
    return next(plugin for plugin in registry.plugins if plugin.name == name)


@pytest.mark.usefixtures("acme")
class TestThirdParty:
    def test_its_contributions_stand_beside_the_first_partys(self) -> None:
        registry = host.load()
        plugin = record(registry, "acme")
        assert (plugin.distribution, plugin.version, plugin.status) == ("acme", "1.2", "ok")
        assert plugin.provides == (
            "adapter acme1",
            "adapter acme2",
            "workload acme.size",
            "workload acme.length",
            "advisor acme.greeter",
            "setting acme.volume",
        )
        assert registry.workloads["acme.size"].summary == "The size of a file, bytes."
        assert registry.asks["acme.greet"].name == "acme.greeter"
        assert registry.settings[: len(SETTINGS)] == SETTINGS
        assert "acme" in {adapter.engine for adapter in registry.adapters}

    def test_each_workload_is_known_by_the_release_that_it_came_with(self) -> None:
        registry = host.load({"given": Given()})
        origins = registry.origins
        assert origins["acme.size"] == "acme 1.2"
        assert origins["image.inspect"] == f"popbridge {metadata.version('popbridge')}"
        assert registry.workloads.keys() - origins.keys() == {"given.echo"}

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            (
                "acme-import",
                "it can't be loaded: ModuleNotFoundError: No module named 'a_package_that_nobody_has' "
                "(acme_plugin/fails_to_import.py:3)",
            ),
            (
                "acme-raises",
                "popbridge_adapters raised ZeroDivisionError: acme's licence server gave 0 seats "
                "(acme_plugin/hook_raises.py:8)",
            ),
            (
                "acme-typo",
                "unknown hook 'popbridge_adaptors'; the hooks are popbridge_adapters, popbridge_workloads, "
                "popbridge_advisors, popbridge_settings",
            ),
            (
                "acme-records",
                "popbridge_workloads returned 'acme.size' in its list instead of Workload records",
            ),
        ],
    )
    def test_a_broken_plugin_is_disabled_alone_and_says_why(self, name: str, reason: str) -> None:
        registry = host.load()
        assert record(registry, name).status == "disabled"
        assert str(record(registry, name).reason) == reason
        assert record(registry, name).provides == ()
        assert record(registry, "acme").status == "ok"

    def test_where_a_plugin_failed_is_kept_for_who_wrote_it(self) -> None:
        trace = record(host.load(), "acme-raises").traceback
        assert trace.startswith("Traceback") and trace.endswith("licence server gave 0 seats\n")
        assert "hook_raises.py" in trace and "host.py" not in trace

    def test_of_two_plugins_with_one_name_the_later_is_left_out_alone(self) -> None:
        from acme_plugin.conflicting import SameWorkload

        registry = host.load({"twin": SameWorkload()})
        plugin = record(registry, "twin")
        assert (plugin.status, plugin.provides, plugin.traceback) == ("disabled", (), "")
        assert str(plugin.reason) == (
            "it adds workload 'acme.size', like plugin 'acme' (acme 1.2), which comes first by name: "
            "uninstall one of them"
        )
        assert record(registry, "acme").status == "ok"
        assert registry.origins["acme.size"] == "acme 1.2"

    def test_a_setting_whose_default_is_wrong_disables_its_plugin(self) -> None:
        from acme_plugin.conflicting import BadDefault

        registry = host.load({"bad": BadDefault()}, installed=False)
        assert "acme.count" in record(registry, "bad").reason
        assert registry.settings == SETTINGS

    def test_the_same_plugin_named_twice_is_taken_once(self) -> None:
        import acme_plugin.good as good

        registry = host.load({"one": good, "two": good}, installed=False)
        assert [plugin.status for plugin in registry.plugins] == ["ok", "disabled"]
        assert str(record(registry, "two").reason).startswith("it is the same as plugin 'one': ")
        assert len(registry.adapters) == 2

    def test_the_adapter_for_a_version_is_chosen_and_a_newer_version_gets_a_notice(self) -> None:
        registry = host.load()
        exact = registry.choose("acme", "1.4.beta2")
        newer = registry.choose("acme", "9.0")
        assert exact is not None and (exact.adapter.name, exact.exact) == ("acme1", True)
        assert newer is not None and (newer.adapter.name, newer.exact) == ("acme2", False)
        assert newer.notice
        assert registry.choose("nobody's engine", "1.0") is None
        with pytest.raises(UserError, match="valid acme version"):
            registry.choose("acme", "latest")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "popbridge_workloads returned None instead of a list of Workload records"),
        ("x", "popbridge_workloads returned str instead of a list of Workload records"),
        ({}, "popbridge_workloads returned dict instead of a list of Workload records"),
        ([echo], "popbridge_workloads returned <function ech"),
        ([echo], "Workload records (write echo.workload)"),
    ],
)
def test_a_hook_that_gives_something_else_is_told_what_it_gave_and_what_is_wanted(
    given: object, says: str
) -> None:
    class Odd:
        @host.hooks.hookimpl
        def popbridge_workloads(self) -> object:
            return given

    plugin = record(host.load({"odd": Odd()}, installed=False), "odd")
    assert plugin.status == "disabled" and says in str(plugin.reason) and plugin.traceback == ""


def test_a_hook_without_its_mark_is_told_and_not_passed_over() -> None:
    class Unmarked:
        def popbridge_workloads(self) -> list[object]:
            return [echo.workload]

    plugin = record(host.load({"unmarked": Unmarked()}, installed=False), "unmarked")
    assert plugin.status == "disabled"
    assert str(plugin.reason) == "popbridge_workloads isn't marked as a hook: add @hookimpl"


def test_a_marked_hook_that_is_no_function_isnt_told_to_be_marked() -> None:
    # Not an attribute of a class: Python 3.13 warns that a partial will be a method there.
    made = SimpleNamespace(popbridge_workloads=host.hooks.hookimpl(partial(list, [echo.workload])))
    plugin = record(host.load({"partial": made}, installed=False), "partial")
    assert plugin.status == "disabled"
    assert (
        str(plugin.reason)
        == "popbridge_workloads is marked as a hook but isn't a function: define it with def"
    )


def test_a_plugin_whose_module_or_object_isnt_there_says_so_without_a_place_of_ours() -> None:
    point = metadata.EntryPoint("gone", "acme_nowhere:plugin", "popbridge")
    with pytest.raises(ModuleNotFoundError) as error:
        point.load()
    assert isolation.describe(error.value) == "ModuleNotFoundError: No module named 'acme_nowhere'"


def test_no_installed_plugin_of_our_own_is_broken() -> None:
    assert [plugin for plugin in host.load().plugins if plugin.status != "ok"] == []


def distribution(folder: Path, name: str, plugin: str, module: str) -> None:
    """What pip would leave of `name`, whose one plugin has these contents."""
    about = folder / f"{name.replace('-', '_')}-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n", encoding="utf-8")
    code = module.replace("-", "_")
    (about / "entry_points.txt").write_text(f"[popbridge]\n{plugin} = {code}\n", encoding="utf-8")
    (folder / f"{code}.py").write_text(CLAIMS, encoding="utf-8")


CLAIMS = """
from msgspec.structs import replace
from accel.workload import echo
from bridge.api import hookimpl

@hookimpl
def popbridge_workloads():
    name = "image.resize" if __name__ == "a_first" else "shared.name"
    return [replace(echo.workload, name=name)]
"""


def test_a_shipped_name_stays_with_popbridge_whatever_the_other_plugin_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "aaa", "aaa", "a_first")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = host.load()
    plugin = record(registry, "aaa")
    assert (
        str(plugin.reason) == "it adds workload 'image.resize', like PopBridge itself: uninstall this plugin"
    )
    assert registry.workloads["image.resize"].target == "accel.image.operations.geometry:resize"
    assert [one.name for one in registry.plugins if one.status != "ok"] == ["aaa"]


def test_who_goes_first_is_a_matter_of_names_and_not_of_what_was_installed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, plugin in (("zzz", "same"), ("bbb", "same"), ("ccc", "another")):
        (tmp_path / name).mkdir()
        distribution(tmp_path / name, name, plugin, f"of_{name}")
        monkeypatch.syspath_prepend(str(tmp_path / name))
    found = {one.distribution: one for one in host.load().plugins}
    assert [name for name in ("ccc", "bbb", "zzz") if found[name].status == "ok"] == ["ccc"]
    assert "like plugin 'another' (ccc 2.0)" in str(found["bbb"].reason)
    assert "like plugin 'another' (ccc 2.0)" in found["zzz"].reason


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_a_plugin_that_would_end_the_program_is_disabled_alone(error: BaseException) -> None:
    class Ending:
        @host.hooks.hookimpl
        def popbridge_settings(self) -> list[object]:
            raise error

    registry = host.load({"ending": Ending(), "given": Given()}, installed=False)
    assert str(record(registry, "ending").reason).startswith(
        f"popbridge_settings raised {type(error).__name__}"
    )
    assert "given.echo" in registry.workloads


@pytest.mark.parametrize("made_of_it", [KeyboardInterrupt, ImportError])
def test_ctrl_c_ends_a_command_whatever_the_plugin_makes_of_it(made_of_it: type[BaseException]) -> None:
    class Slow:
        @host.hooks.hookimpl
        def popbridge_settings(self) -> list[object]:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt as interrupt:
                raise made_of_it from interrupt
            return []

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        host.load({"slow": Slow()}, installed=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_a_command_although_the_plugin_passes_over_it() -> None:
    class Deaf:
        @host.hooks.hookimpl
        def popbridge_settings(self) -> list[object]:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            return []

    with pytest.raises(KeyboardInterrupt):
        host.load({"deaf": Deaf()}, installed=False)


def test_loading_leaves_the_daemon_most_of_its_second() -> None:
    script = (
        "from time import process_time as now; start = now(); from bridge.host import host; "
        "host.load(); print(now() - start)"
    )
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, check=True) for _ in range(3)]
    # The aim is 150 ms, of CPU and with slack, because tests share their cores.
    assert min(float(run.stdout) for run in runs) < 0.4


def test_the_hot_path_never_calls_a_hook_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class Counting:
        @host.hooks.hookimpl
        def popbridge_settings(self) -> list[object]:
            calls.append(time.monotonic())
            return []

    registry = host.load({"counting": Counting()}, installed=False)
    registry.choose("godot", "4.2")
    assert len(calls) == 1
