"""A status, drawn."""

from __future__ import annotations

import io
import re

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from bridge.commands.status import draw_status
from bridge.core.metrics import SessionStatus, Status, WorkerStatus, WorkloadStatus

WORKER = WorkerStatus(pid=11, device="CPU", busy=True, doing="image.resize", for_s=1.0, memory=3 << 20)
SESSION = SessionStatus(
    id="s", client="editor g 1", engine="godot 4.4", project="[bold]Castle[/bold]", attached=True, idle_s=1.0,
    open=1, popups=2, unacknowledged=3, unacknowledged_bytes=4096,
)  # fmt: skip
STATUS = Status(
    version="1", instance="i", pid=1, address="ws://127.0.0.1:1/ws", uptime_s=5, devices=["CPU", "CUDA, X"],
    open={"interactive": 1, "normal": 0, "bulk": 7}, inflight=9,
    waiting={"interactive": 0, "normal": 0, "bulk": 5}, workers=[WORKER],
    replaced={"crashed": 2, "cancelled": 0, "memory": 1}, sessions=[SESSION],
    attached=1, away=0, connections=1,
    workloads=[WorkloadStatus("image.resize", 5, 1, 10.0, 20.0, None)], memory=5 << 20, lag_p95_ms=None,
)  # fmt: skip


def text(status: Status, most: int | None = None, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(draw_status(status, most))
    return out.getvalue()


def test_who_reads_chinese_has_a_status_in_chinese_with_names_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    figures = {
        "popbridge_cache_hits_total": 8.0, "popbridge_cache_misses_total": 2.0,
        "popbridge_cache_entries": 5.0,
        "popbridge_journal_jobs_open{waiting}": 3.0, "popbridge_blobs": 7.0, "popbridge_store_failing": 1.0,
        "popbridge_blobs_quota_bytes": 4096.0,
    }  # fmt: skip
    away = msgspec.structs.replace(SESSION, attached=False)
    idle = msgspec.structs.replace(WORKER, busy=False)
    changed = {"sessions": [SESSION, away], "workers": [WORKER, idle], "away": 9, "lag_p95_ms": 3.0}
    full = msgspec.structs.replace(STATUS, figures=figures, refused={"overloaded": 4}, **changed)
    out = text(full)
    for said in (
        "PopBridge 1，位于 ws://127.0.0.1:1/ws，已运行 5.0 秒（进程 1）",
        "请求      未完成 8（1 interactive，7 bulk），上限 9",
        "已更换    启动以来 3 个工作进程（2 crashed，1 memory）",
        "已拒绝    启动以来 4 个请求（4 overloaded）", "3（4.0 KiB）",
        "客户端    1 个连接，1 个会话，9 个已断开",
        "自启动以来 10 个请求中 80% 命中；5 个结果，0 B",
        "任务记录  等待中 3，运行中 0；启动以来完成 0，失败 0，取消 0", "数据块    7 个，0 B，上限 4.0 KiB",
        "无法写入", "空闲", "已断开", "……另有 8 项", "定时器延迟 3.0 毫秒（p95）",
    ):  # fmt: skip
        assert said in out
    for name in ("[bold]Castle[/bold]", "image.resize", "godot 4.4"):
        out = out.replace(name, "")
    assert not re.findall(r"[a-z]{2,} [a-z]{2,}", out.replace("queue p95", ""))


def test_what_people_named_is_shown_as_it_is() -> None:
    assert "[bold]Castle[/bold]" in text(STATUS)


def test_queues_and_replaced_workers_are_told_by_kind() -> None:
    out = text(STATUS)
    assert "Requests  8 (1 interactive, 7 bulk) open, limit 9" in out
    assert "Queue     5 (5 bulk) waiting for a worker" in out
    assert "Replaced  3 workers since the start (2 crashed, 1 memory)" in out
    assert "Runs on   CPU, CUDA, X" in out
    assert "late" not in out


def test_a_busy_worker_says_what_it_does_as_far_as_that_is_known() -> None:
    nameless = msgspec.structs.replace(WORKER, doing="")
    out = text(msgspec.structs.replace(STATUS, workers=[WORKER, nameless]))
    assert "image.resize  1.0 s" in out and "a job" in out


def test_what_doesnt_fit_on_the_screen_is_counted() -> None:
    many = [msgspec.structs.replace(WORKER, pid=pid) for pid in range(20)]
    out = text(msgspec.structs.replace(STATUS, workers=many), most=3)
    assert "... and 17 more" in out
    assert sum("image.resize" in line for line in out.splitlines()) == 4


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_screen_leaves_columns_out_and_cuts_no_word(
    monkeypatch: pytest.MonkeyPatch, locale: str, width: int
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    long = msgspec.structs.replace(SESSION, id="340c7a7d9ec82fdc", project="My Castle")
    out = text(msgspec.structs.replace(STATUS, sessions=[long]), width=width)
    assert "…" not in out and max(map(cell_len, out.splitlines())) <= width
    for word in ("editor g 1", "My Castle", "image.resize"):
        assert any(word in line for line in out.splitlines()), word


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_what_workers_do_is_told_whole_beside_a_long_device(
    monkeypatch: pytest.MonkeyPatch, locale: str, width: int
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    gpu, doing = "CUDA, NVIDIA GeForce RTX 4090 Laptop", "image.remove_background"
    worker = msgspec.structs.replace(WORKER, device=gpu, doing=doing)
    out = text(msgspec.structs.replace(STATUS, workers=[worker, WORKER], workloads=[]), width=width)
    assert max(map(cell_len, out.splitlines())) <= width
    (row,) = (line for line in out.splitlines() if doing in line)
    assert (gpu in row) is (width == 80) and "1.0 " in row


def test_sessions_that_arent_listed_are_counted() -> None:
    assert "... and 41 more" in text(msgspec.structs.replace(STATUS, attached=30, away=12))


def test_one_of_a_thing_is_told_as_one() -> None:
    one = {"popbridge_cache_hits_total": 1.0, "popbridge_cache_entries": 1.0}
    out = text(
        msgspec.structs.replace(STATUS, figures=one, replaced={"memory": 1}, refused={"overloaded": 1})
    )
    assert "Clients   1 connection, 1 session, 0 disconnected" in out
    assert "Cache     100% of 1 request hit since the start; 1 result, 0 B" in out
    assert "Replaced  1 worker since the start (1 memory)" in out
    assert "Refused   1 request since the start (1 overloaded)" in out


def test_refused_and_cancelled_requests_are_told_apart_from_failed_ones() -> None:
    done = WorkloadStatus("image.resize", 5, 1, None, None, None, refused=7, cancelled=2)
    out = text(msgspec.structs.replace(STATUS, workloads=[done], refused={"overloaded": 4, "bad_input": 3}))
    assert "Refused   7 requests since the start (4 overloaded, 3 bad_input)" in out
    told = out.splitlines()
    at = next(number for number, line in enumerate(told) if line.startswith("workload"))
    assert told[at].split()[:5] == ["workload", "ok", "refused", "cancelled", "failed"]
    assert told[at + 1].split()[:5] == ["image.resize", "5", "7", "2", "1"]
    assert "Refused" not in text(STATUS)


def test_times_say_of_how_many_jobs_they_are() -> None:
    done = WorkloadStatus("texture.examine", 0, 0, 10.0, 20.0, None, jobs=19)
    told = text(msgspec.structs.replace(STATUS, workloads=[done])).splitlines()
    at = next(number for number, line in enumerate(told) if line.startswith("workload"))
    assert told[at].split()[5:7] == ["jobs", "p50"]
    assert told[at + 1].split()[5:8] == ["19", "10", "ms"]


def test_without_anybody_there_are_no_empty_tables() -> None:
    out = text(msgspec.structs.replace(STATUS, sessions=[], attached=0, workloads=[]))
    assert "Sessions" not in out and "Workloads" not in out


def test_what_is_kept_is_told_as_far_as_there_is_any() -> None:
    assert "Cache" not in text(STATUS)
    figures = {
        "popbridge_cache_hits_total": 6.0, "popbridge_cache_shared_total": 2.0,
        "popbridge_cache_misses_total": 2.0, "popbridge_cache_entries": 5.0, "popbridge_cache_bytes": 2048.0,
        "popbridge_journal_jobs_open{waiting}": 3.0, "popbridge_journal_jobs_total{done}": 4.0,
        "popbridge_blobs": 7.0, "popbridge_blobs_bytes": 1024.0, "popbridge_blobs_quota_bytes": 4096.0,
    }  # fmt: skip
    out = text(msgspec.structs.replace(STATUS, figures=figures))
    assert "Cache     80% of 10 requests hit since the start; 5 results, 2.0 KiB" in out
    assert "Journal   3 waiting, 0 running; since the start 4 done, 0 failed, 0 cancelled" in out
    assert "Blobs     7, 1.0 KiB of 4.0 KiB" in out
    failing = {"popbridge_store_failing": 1.0}
    assert "Database  can't be written" in text(msgspec.structs.replace(STATUS, figures=failing))
    unused = {"popbridge_cache_hits_total": 0.0, "popbridge_blobs": 0.0}
    out = text(msgspec.structs.replace(STATUS, figures=unused))
    assert "Cache     no requests yet; 0 results, 0 B" in out and "Blobs     0, 0 B\n" in out.replace(
        " \n", "\n"
    )
