"""Which providers work here: each is tried, and where one doesn't work, why and what to do."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from accel.devices import causes
from accel.devices.asking import Answer, Ask, Failure, ask_child, read
from accel.devices.driver import Driver, library_of
from accel.devices.providers import PROVIDERS, Provider
from accel.devices.report import Devices, Report
from accel.devices.trial import Runtime, Session
from accel.text import AnyText, joined, text

SYSTEMS = {"win32": "Windows", "linux": "Linux", "darwin": "macOS"}


def try_providers(ask: Ask = ask_child, platform: str = sys.platform) -> Devices:
    """Everything about this machine; takes a second or a few, and as long as a child may where one hangs."""
    wants_driver = any(provider.nvidia and _possible(provider, platform) for provider in PROVIDERS)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ask, "driver") if wants_driver else None
        runtime = read(ask("runtime"), Runtime)
    driver = read(asked.result(), Driver) if asked else Driver(library_of(platform))
    reports = tuple(_judged(provider, platform, driver, runtime, ask) for provider in PROVIDERS)
    known = driver if isinstance(driver, Driver) else Driver(library_of(platform))
    if isinstance(runtime, Failure):
        return Devices(reports, known.gpus, known.version)
    return Devices(reports, known.gpus, known.version, runtime.version, causes.warnings(runtime))


def _possible(provider: Provider, platform: str) -> bool:
    return not provider.platforms or platform in provider.platforms


def _judged(
    provider: Provider, platform: str, driver: Driver | Failure, runtime: Runtime | Failure, ask: Ask
) -> Report:
    """What is known without trying speaks first; the rest is tried."""
    if not _possible(provider, platform):
        where = joined((SYSTEMS[each] for each in provider.platforms), text("{head} and {rest}"))
        return Report(provider.name, False, text("only on {where}", where=where))
    against = (
        causes.of_runtime(provider, runtime)
        or (causes.of_driver(driver) if provider.nvidia else None)
        or (causes.of_versions(driver, runtime) if provider.nvidia else None)
    )
    if against:
        return Report(provider.name, False, *against)
    return _tried(provider, driver, runtime, ask(provider.name))


def _tried(
    provider: Provider, driver: Driver | Failure, runtime: Runtime | Failure, answer: Answer | Failure
) -> Report:
    assert isinstance(runtime, Runtime)
    session = read(answer, Session)
    if isinstance(session, Failure):
        return Report(provider.name, False, *causes.of_failure(provider, runtime, session))
    if provider.runtime_name not in session.providers:
        refused = Failure(text("isn't what onnxruntime runs models on"), answer.log)
        return Report(provider.name, False, *causes.of_failure(provider, runtime, refused))
    if not session.right:
        return Report(provider.name, False, text("computes wrongly"), causes.UPDATE_DRIVER)
    return Report(provider.name, True, _where(provider, driver, runtime))


def _where(provider: Provider, driver: Driver | Failure, runtime: Runtime) -> AnyText:
    made = f"onnxruntime {runtime.version}"
    if provider.nvidia and isinstance(driver, Driver):
        names = [gpu.name or text("an unnamed GPU") for gpu in driver.gpus]
        return text("{names}, by {runtime}", names=names, runtime=made)
    return made
