from tools.bench.fuzz import WORKERS, fuzz, seeds, shown


async def test_two_hundred_damaged_files_leave_workers_as_they_were():
    report = await fuzz(200, seed=20)
    tallies = report.tallies
    assert set(tallies) == set(seeds())
    assert sum(t.ok + t.refused + t.crashed + t.late + t.failed for t in tallies.values()) == 200
    assert not any(t.failed or t.late for t in tallies.values()), shown(report)
    # What crashes inside a library costs its own file alone: all the others were answered.
    assert sum(t.crashed for t in tallies.values()) < 5, shown(report)
    assert sum(t.ok for t in tallies.values()) > 20 and sum(t.refused for t in tallies.values()) > 20
    before, after = report.processes
    assert after == before, shown(report)
    warm, end = report.memory
    assert end < warm + 200, shown(report)
    assert "| tga |" in shown(report) and WORKERS == 2
