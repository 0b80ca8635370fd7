"""Results that are given again: once computed, for as long as nothing that they depend on has changed."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from accel.workload import Input
from bridge.core.errors import RequestError
from bridge.server.cache import MAX_INPUTS_ON_LOOP
from bridge.server.cache_key import FileStamp
from tests.server.pages import bearer, page
from tests.server.results import Bench, Start, ask, cache_of, counters, counters_waiting, kept, until


async def test_a_stored_result_is_returned_also_by_the_next_daemon(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        first = await ask(wire, 1, bench.request())
        assert not first["meta"].get("cached") and first["meta"]["run_ms"] > 0
        await kept(daemon, 1)
        second = await ask(wire, 2, bench.request())
    assert second["meta"] == {"cached": True, "device": "CPU"}
    assert (second["value"], second["outputs"]) == (first["value"], first["outputs"])
    assert counters(daemon) == (1, 1, 0)
    daemon.stop()
    daemon = start()
    async with bench.session(daemon) as wire:
        third = await ask(wire, 1, bench.request())
    assert third["meta"]["cached"] and third["value"] == first["value"]
    assert bench.runs == 1 and counters(daemon) == (1, 0, 0)


@pytest.mark.usefixtures("settled")
async def test_errors_are_not_cached(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.file.write_bytes(b"fail")
    async with bench.session(daemon) as wire:
        for number in (1, 2):
            assert (await ask(wire, number, bench.request()))["code"] == "bad_input"
    assert bench.runs == 2 and cache_of(daemon.bridge).responses.entries == 0


@pytest.mark.usefixtures("settled")
async def test_an_error_is_shared_by_those_who_waited(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.file.write_bytes(b"fail")
    bench.hold.touch()
    async with bench.session(daemon) as one, bench.session(daemon) as other:
        waiting = [asyncio.create_task(ask(wire, 1, bench.request())) for wire in (one, other)]
        await until(lambda: counters_waiting(daemon) == 2)
        bench.hold.unlink()
        assert [answer["code"] for answer in await asyncio.gather(*waiting)] == ["bad_input"] * 2
    assert bench.runs == 1


async def test_no_cache_runs_and_replaces_the_stored_result(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        for number in range(3):
            answer = await ask(wire, number, bench.request(cache=False))
            assert not answer["meta"].get("cached")
        await kept(daemon, 1)
        assert bench.runs == 3 and counters(daemon) == (0, 0, 0)
        assert (await ask(wire, 9, bench.request()))["meta"]["cached"]
        # Nor does it wait for what others have under way.
        bench.hold.touch()
        await wire.send("request", id=10, **bench.request(2))
        await until(lambda: bench.runs == 4)
        await wire.send("request", id=11, **bench.request(2, cache=False))
        await until(lambda: counters_waiting(daemon) == 1)
        bench.hold.unlink()
        assert (await wire.receive())["type"] == (await wire.receive())["type"] == "result"
    assert bench.runs == 5


async def test_some_workloads_are_not_cached(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        for number in (1, 2):
            answer = await ask(wire, number, bench.request(workload="test.moment"))
            assert not answer["meta"].get("cached")
    assert bench.runs == 2 and counters(daemon) == (0, 0, 0)


@pytest.mark.parametrize(
    "settings", [{"cache__max_size": 0}, {"cache__exclude": "test.note, test.gone"}], ids=["all", "one"]
)
async def test_a_setting_turns_it_off(
    start: Start, bench: Bench, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    daemon = start(**settings)
    async with bench.session(daemon) as wire:
        for number in (1, 2):
            assert not (await ask(wire, number, bench.request()))["meta"].get("cached")
    assert bench.runs == 2
    assert ("cache.off names unknown workloads: test.gone" in caplog.text) == ("cache__exclude" in settings)
    assert daemon.paths.responses_file.exists() == ("cache__exclude" in settings)


async def test_a_file_that_has_changed_is_computed_anew(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        for number, data in enumerate([b"one", b"two", b"longer", b"one"]):
            bench.file.write_bytes(data)
            answer = await ask(wire, number, bench.request())
            assert answer["value"]["read"] == [data]
            assert answer["meta"].get("cached", False) == (number == 3)
            await kept(daemon, min(number + 1, 3))


async def test_a_result_of_a_file_that_changed_meanwhile_is_not_cached(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    async with bench.session(daemon) as wire:
        await wire.send("request", id=1, **bench.request())
        await until(lambda: bench.runs)
        bench.file.write_bytes(b"new")
        bench.hold.unlink()
        assert (await wire.receive())["value"]["read"] == [b"new"]
        await until(lambda: not daemon.look(lambda: len(cache_of(daemon.bridge)._in_flight)))
        assert cache_of(daemon.bridge).responses.entries == 0
        bench.file.write_bytes(b"one")
        assert (await ask(wire, 2, bench.request()))["value"]["read"] == [b"one"]


async def test_a_change_within_one_clock_tick_joins_no_run_in_flight(
    start: Start, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start(workers=2)
    bench.hold.touch()
    same = FileStamp.of(str(bench.file))
    # As on FAT, whose clock stands for two seconds.
    monkeypatch.setattr(FileStamp, "of", classmethod(lambda cls, path: same))
    monkeypatch.setattr(FileStamp, "settled", False)
    async with bench.session(daemon) as wire:
        await wire.send("request", id=1, **bench.request())
        await until(lambda: bench.runs)
        bench.file.write_bytes(b"two")
        await wire.send("request", id=2, **bench.request())
        await until(lambda: bench.runs == 2)
        bench.hold.unlink()
        assert (await wire.until("result", id=2))["value"]["read"] == [b"two"]
        await until(lambda: not daemon.look(lambda: len(cache_of(daemon.bridge)._in_flight)))
        # Of the first it isn't known which it has read.
        assert cache_of(daemon.bridge).responses.entries == 1
        assert (await ask(wire, 3, bench.request()))["value"]["read"] == [b"two"]


async def test_the_same_bytes_are_the_same_however_they_come(start: Start, bench: Bench) -> None:
    daemon = start()
    blob = hashlib.sha256(b"one").hexdigest()
    async with bench.session(daemon) as wire:
        assert not (await ask(wire, 1, bench.request()))["meta"].get("cached")
        await kept(daemon, 1)
        for number, way in enumerate(({"data": b"one"}, {"blob": blob}, {"path": str(bench.file)})):
            answer = await ask(wire, number + 2, bench.request(inputs=[{"name": "in", **way}]))
            assert answer["meta"].get("cached"), way
        # Some workloads take names for evidence, and results quote them.
        other = await ask(wire, 9, bench.request(inputs=[{"name": "other", "data": b"one"}]))
        assert not other["meta"].get("cached")
    assert bench.runs == 2


async def test_a_result_whose_files_are_gone_is_computed_anew(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        first = await ask(wire, 1, bench.request())
        await kept(daemon, 1)
        file = daemon.paths.blobs / first["outputs"][0]["blob"]
        assert daemon.call(cache_of(daemon.bridge).responses.blobs()) == {file.name}
        for spoil in (file.unlink, lambda: file.write_bytes(b"")):
            spoil()
            again = await ask(wire, 2, bench.request())
            assert not again["meta"].get("cached") and again["outputs"] == first["outputs"]
            file.write_bytes(b"one!")
            await kept(daemon, 1)
            assert (await ask(wire, 3, bench.request()))["meta"]["cached"]
    assert bench.runs == 3


async def test_metrics_tell_what_the_cache_does(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        for number in range(3):
            await ask(wire, number, bench.request())
            await kept(daemon, 1)
    found = (
        (await asyncio.to_thread(page, daemon.file, "/metrics", **bearer(daemon.file)))[1]
        .decode()
        .splitlines()
    )
    for line in ("hits_total 2.0", "misses_total 1.0", "shared_total 0.0", "entries 1.0"):
        assert f"popbridge_cache_{line}" in found
    assert any(line.startswith("popbridge_cache_bytes ") for line in found)


async def test_cleared_results_are_computed_again(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        await ask(wire, 1, bench.request())
        await kept(daemon, 1)
        assert daemon.call(cache_of(daemon.bridge).responses.clear()) == 1
        assert not (await ask(wire, 2, bench.request()))["meta"].get("cached")
        await kept(daemon, 1)
        assert (await ask(wire, 3, bench.request()))["meta"]["cached"]


async def test_a_missing_input_fails_as_without_a_cache(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        first = await ask(wire, 1, bench.request())
        assert first["type"] == "result"
        bench.file.unlink()
        assert (await ask(wire, 2, bench.request()))["code"] == "not_found"
        bad = bench.request()
        bad["params"]["number"] = "x"
        bad["inputs"] = []
        assert "number" in (await ask(wire, 3, bad))["message"]


async def test_an_advisor_that_looks_twice_has_it_computed_once(start: Start, bench: Bench) -> None:
    daemon = start()
    async with bench.session(daemon) as wire:
        for _ in range(2):
            await wire.send("event", name="test.run", data={"path": str(bench.file)})
            assert "one" in (await wire.until("popup"))["body"]
            await kept(daemon, 1)
    assert counters(daemon) == (1, 1, 0)


async def test_the_cache_stays_within_its_size(start: Start, bench: Bench) -> None:
    daemon = start(cache__max_size=20_000)
    async with bench.session(daemon) as wire:
        for number in range(40):
            await ask(wire, number, bench.request(number))
        await until(lambda: not daemon.look(lambda: len(cache_of(daemon.bridge)._in_flight)))
        cache = cache_of(daemon.bridge)
        # What is on its way to the disk counts too.
        await until(lambda: cache.responses.evictions > 0 and cache.responses.size <= 20_000)
        assert cache.responses.entries == 40 - cache.responses.evictions
        assert not (await ask(wire, 100, bench.request(0)))["meta"].get("cached")
        assert (await ask(wire, 101, bench.request(39)))["meta"]["cached"]


async def test_a_damaged_cache_prevents_neither_start_nor_requests(start: Start, bench: Bench) -> None:
    daemon = start()
    file = daemon.paths.responses_file
    daemon.stop()
    file.write_bytes(b"rubbish" * 1000)
    daemon = start()
    async with bench.session(daemon) as wire:
        await ask(wire, 1, bench.request())
        await kept(daemon, 1)
        assert (await ask(wire, 2, bench.request()))["meta"]["cached"]


@pytest.mark.usefixtures("settled")
async def test_a_value_may_be_changed_by_the_advisor_that_got_it(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    request = bench.request()
    asked = {"do": "change", "params": request["params"], "path": str(bench.file)}
    async with bench.session(daemon) as wire:
        for number, mine in ((1, "a"), (2, "b")):
            await wire.send("request", id=number, workload="test.ask", params={**asked, "mine": mine})
        await until(lambda: bool(bench.runs))
        bench.hold.unlink()
        found = {done["id"]: done["value"] for done in [await wire.until("result") for _ in range(2)]}
        assert found == {1: [b"one", "a"], 2: [b"one", "b"]}
        await kept(daemon, 1)
        again = await wire.request(3, "test.ask", {**asked, "mine": "c"})
    assert again["value"] == [b"one", "c"] and bench.runs == 1


async def test_an_advisor_may_give_many_files_and_any_priority(start: Start, bench: Bench) -> None:
    daemon = start()
    inputs = []
    for number in range(MAX_INPUTS_ON_LOOP + 6):
        path = bench.root / str(number)
        path.write_bytes(path.name.encode())
        inputs.append(Input(path.name, str(path)))

    async def run(given: list[Input], **more: Any) -> Any:
        params = bench.request()["params"]
        return await daemon.bridge.flows.runner.run("test.note", params, given, **more)

    for cached in (False, True):
        found = daemon.call(run(inputs))
        assert found.value["read"][69] == b"69" and found.meta.cached == cached
        await kept(daemon, 1)
    with pytest.raises(RequestError, match="priority is one of"):
        daemon.call(run(inputs, priority="soon"))
    (bench.root / "5").unlink()
    with pytest.raises(RequestError):
        daemon.call(run(inputs))
