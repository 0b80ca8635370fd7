"""What `popbridge status` and `top` say of a daemon; workloads, priorities and codes keep their names."""

from __future__ import annotations

from bridge.core.texts import Text

# What stands before the values takes ten columns, of which a letter of Chinese is two.
HEAD = Text(
    "PopBridge {version} at {address}, up {up} (process {pid})",
    "PopBridge {version}，位于 {address}，已运行 {up}（进程 {pid}）",
)
DEVICES = Text("Runs on   {devices}", "运行设备  {devices}")
MEMORY = Text("Memory    {memory}, workers {workers}{late}", "内存      {memory}，工作进程 {workers}{late}")
LATE = Text("; 95% of timers at most {late} late", "；95% 的定时器最多延迟 {late}")
REQUESTS = Text("Requests  {open} open, {most} at most", "请求      未完成 {open}，上限 {most}")
QUEUE = Text("Queue     {waiting} waiting for a worker", "队列      等待工作进程 {waiting}")
REPLACED = Text(
    "Replaced  {workers} since the start ({reasons})", "已更换    启动以来 {workers}（{reasons}）"
)
REFUSED = Text("Refused   {requests} since the start ({codes})", "已拒绝    启动以来 {requests}（{codes}）")
CLIENTS = Text(
    "Clients   {connections}, {sessions}, {away} more kept for a while",
    "客户端    {connections}，{sessions}，另有 {away} 个暂时保留",
)
FAILING = Text(
    "Database  can't be written now: nothing new is promised; the log says why",
    "数据库    目前无法写入：不再承诺保存新内容；原因见日志",
)
CACHE = Text("Cache     {rate}; {results}, {size}", "缓存      {rate}；{results}，{size}")
RATE = Text(
    "{share:.0%} of {requests} without a run since the start",
    "启动以来 {requests}，其中 {share:.0%} 无需运行",
)
UNASKED = Text("not asked yet", "尚未被查询")
JOURNAL = Text("Journal   {now}; since the start {ended}", "任务记录  {now}；启动以来{ended}")
BLOBS = Text("Blobs     {count:.0f}, {size}{quota}", "数据块    {count:.0f} 个，{size}{quota}")
QUOTA = Text(" of {size}", "，上限 {size}")

WORKER = Text("worker", "个工作进程")
REQUEST = Text("request", "个请求")
CONNECTION = Text("connection", "个连接")
SESSION = Text("session", "个会话")
RESULT = Text("result", "个结果")

COMMA = Text(", ", "，")
WITH = Text("{what} ({said})", "{what}（{said}）")
STATES = {
    "waiting": Text("{count:.0f} waiting", "等待中 {count:.0f}"),
    "running": Text("{count:.0f} running", "运行中 {count:.0f}"),
    "done": Text("{count:.0f} done", "完成 {count:.0f}"),
    "failed": Text("{count:.0f} failed", "失败 {count:.0f}"),
    "cancelled": Text("{count:.0f} cancelled", "取消 {count:.0f}"),
}
"""Of the journal's jobs."""

A_JOB = Text("a job", "一项任务")
IDLE = Text("idle", "空闲")
ATTACHED = Text("attached", "已连接")
AWAY = Text("away", "已断开")
WORKERS = Text("Workers", "工作进程")
SESSIONS = Text("Sessions", "会话")
WORKLOADS = Text("Workloads since the start", "启动以来的工作负载")
MORE = Text("... and {count} more", "……另有 {count} 项")
STILL = Text("Still looking; Ctrl-C ends this.", "仍在查找；按 Ctrl-C 结束。")

OF_WORKERS = (
    Text("process", "进程"), Text("device", "设备"), Text("doing", "正在做"), Text("for", "已持续"),
    Text("memory", "内存"),
)  # fmt: skip
OF_SESSIONS = (
    Text("session", "会话"), Text("client", "客户端"), Text("engine", "引擎"), Text("project", "项目"),
    Text("state", "状态"), Text("idle", "空闲"), Text("open", "未完成"), Text("popups", "弹窗"),
    Text("unacknowledged", "未确认"),
)  # fmt: skip
OF_WORKLOADS = (
    Text("workload", "工作负载"), Text("ok", "成功"), Text("refused", "拒绝"), Text("cancelled", "取消"),
    Text("failed", "失败"), Text("jobs", "任务"), Text("p50", "p50"), Text("p95", "p95"),
    Text("queue p95", "排队 p95"),
)  # fmt: skip

_PROCESS, _DEVICE, _, _, _WORKER_MEMORY = OF_WORKERS
_SESSION, _, _ENGINE, _, _, _IDLE, _OPEN, _POPUPS, _UNACKNOWLEDGED = OF_SESSIONS
_, _, _REFUSED, _CANCELLED, _, _JOBS, _P50, _, _QUEUE_P95 = OF_WORKLOADS
LESS = (
    _PROCESS, _WORKER_MEMORY, _DEVICE,
    _UNACKNOWLEDGED, _POPUPS, _OPEN, _IDLE, _ENGINE, _SESSION,
    _QUEUE_P95, _JOBS, _CANCELLED, _REFUSED, _P50,
)  # fmt: skip
"""Columns that are left out on a narrow screen, the first of them first."""
