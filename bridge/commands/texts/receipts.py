"""What `popbridge receipts` and `popbridge revert` say."""

from __future__ import annotations

from bridge.core.texts import Phrases, Text

HEADS = {
    "id": Text("id", "编号"), "when": Text("when", "时间"), "project": Text("project", "项目"),
    "state": Text("state", "状态"), "what": Text("what", "内容"), "why": Text("why", "原因"),
}  # fmt: skip
STATES = {
    "sent": Text("sent", "已发送"),
    "applied": Text("applied", "已应用"),
    "failed": Text("failed", "失败"),
}
REVERTS = Text("{state} (reverts {receipt})", "{state}（撤销 {receipt}）")
REVERTED = Text("{state} (reverted by {receipt})", "{state}（已由 {receipt} 撤销）")
NONE = Text("No command has changed anything yet.", "还没有命令做过更改。")
DAMAGED = Text("Receipt {receipts} in {database} can't be read", "无法读取 {database} 中的回执 {receipts}")
DAMAGED_SOME = Text(
    "Receipts {receipts} in {database} can't be read", "无法读取 {database} 中的回执 {receipts}"
)
UNREADABLE = Text(
    "The receipts in {database} can't be read ({reason})", "无法读取 {database} 中的回执（{reason}）"
)
LOOK = Text(
    "{said}: `popbridge db check` looks at the file, `popbridge db restore` puts back a backup.",
    "{said}：`popbridge db check` 可检查该文件，`popbridge db restore` 可恢复备份。",
)
MORE_FILES = Text("... and {count} more; --json shows all", "……另有 {count} 个文件；用 --json 可全部显示")
ERROR = Text("error: {error}", "错误：{error}")
UNCHANGED = Text("nothing changed", "没有变化")
BACK = Text("Receipt {receipt} is put back (receipt {made}).", "回执 {receipt} 的更改已撤销（回执 {made}）。")
PARTLY_BACK = Text(
    "Receipt {receipt} is put back (receipt {made}), with these problems:",
    "回执 {receipt} 的更改已撤销（回执 {made}），但有以下问题：",
)
NOT_BACK = Text(
    "Receipt {receipt} is NOT put back (receipt {made}).", "回执 {receipt} 的更改未能撤销（回执 {made}）。"
)
UNKNOWN = Text(
    "There is no receipt {receipt}: `popbridge receipts` lists them.",
    "没有回执 {receipt}：`popbridge receipts` 会列出所有回执。",
)

PATTERNS = (
    (r"texture import: (?P<codes>.*)", "贴图导入：{0}"),
    (r"revert of (\d+): (.*)", "撤销 {0}：{1}"),
)  # fmt: skip
"""Why something was changed, as receipts keep it."""

PHRASES = Phrases(PATTERNS)
