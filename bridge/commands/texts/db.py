"""What `popbridge db` says; what is wrong with a database is found out in English, by the store."""

from __future__ import annotations

from bridge.core.texts import Phrases, Text

ROWS = (Text("table", "表"), Text("rows", "行数"))
RESTORED = (*ROWS, Text("lost", "丢失"))
UNKNOWN = Text("unknown", "未知")

# What is in it.
EMPTY = Text(
    "{path} is empty: the daemon creates it again, or `popbridge db restore` restores the newest backup.",
    "{path} 为空：守护进程会重新创建它，也可用 `popbridge db restore` 恢复最新的备份。",
)
WHOLE = Text("{path} is whole: {size}{log}.", "{path} 完好：{size}{log}。")
BROKEN = Text("{path} is DAMAGED: {size}{log}.", "{path} 已损坏：{size}{log}。")
LOG = Text(", and {size} of log that belongs to it", "，另有属于它的日志 {size}")
SCHEMA = Text("Schema {count}, {last}; {size} unused.", "架构 {count}，{last}；未使用 {size}。")
NEWER = Text(
    "A newer PopBridge has made {names} in it: update PopBridge.",
    "更新版本的 PopBridge 在其中创建了 {names}：请更新 PopBridge。",
)
NEWEST = Text("Newest backup: {file}, {made}.", "最新的备份：{file}，{made}。")
NO_BACKUP = Text(
    "There is no backup in {folder}: the daemon makes one on each day that it runs.",
    "{folder} 中没有备份：守护进程在运行的每一天都会创建一个。",
)
REMEDY = Text(
    "Stop the daemon, then run `popbridge db restore`.",
    "请停止守护进程，再执行 `popbridge db restore`。",
)
RECOVER = Text(
    "Without a backup, the `.recover` command of the `sqlite3` shell reads what is left: docs/operations.md.",
    "没有备份时，可用 `sqlite3` 的 `.recover` 命令读取剩余内容：见 docs/operations.md。",
)

# Copies.
OURS = Text(
    "{file} is a file of the running system: name one outside {folder}.",
    "{file} 是 PopBridge 正在使用的文件：请指定 {folder} 之外的位置。",
)
THERE = Text(
    "{file} is there already: choose another name, or give --force to replace it.",
    "{file} 已经存在：请换一个名称，或用 --force 覆盖它。",
)
NO_FOLDER = Text(
    "There is no folder {folder}: make it, or name a file in another one.",
    "没有文件夹 {folder}：请创建它，或指定其他文件夹中的文件。",
)
CHECKED = Text("{file}: {size}, checked{blobs}.", "{file}：{size}，已检查{blobs}。")
NEW_BLOBS = Text("; {count} blobs were new in {folder}", "；{folder} 中新增 {count} 个数据块")
NOW = Text(
    "Restored {database} from {source}, made {made}.", "已用 {source}（创建于 {made}）恢复 {database}。"
)
LOST = Text(
    "Rows under “lost” are only in the old database. So are changes made to other rows since {made}.",
    "“丢失”列中的行只存在于原数据库；{made} 之后对其他行的更改也是如此。",
)
PASSED = Text("{file} is damaged; using an older backup.", "{file} 已损坏，改用更早的备份。")
BLOBS = Text("{count} blobs came back.", "恢复了 {count} 个数据块。")
OLD = Text(
    "The old database is now {old}. Delete it when nothing is missing.",
    "原数据库现为 {old}。确认没有缺失后可将其删除。",
)
SMALLER = Text("{database}: {size}, {gained} less.", "{database}：{size}，减少了 {gained}。")
NO_SMALLER = Text("{database}: {size}, nothing was to be gained.", "{database}：{size}，没有可释放的空间。")

# What can't be done.
NOT_READ = Text(
    "The database {database} can't be read ({reason}).", "无法读取数据库 {database}（{reason}）。"
)
NO_DATABASE = Text(
    "There is no database {database} yet: the daemon makes it when it first runs.",
    "还没有数据库 {database}：守护进程首次运行时会创建它。",
)
NO_FILE = Text("There is no file {file}.", "没有文件 {file}。")
ITSELF = Text(
    "{file} is the database itself; `popbridge db check` says whether it is whole.",
    "{file} 就是数据库本身；`popbridge db check` 会说明它是否完好。",
)
NOT_COPIED = Text("{database} can't be copied to {file}", "无法将 {database} 复制到 {file}")
NOT_RESTORED = Text("{source} can't be restored", "无法恢复 {source}")
NOT_SMALLER = Text("{database} can't be made smaller", "无法缩小 {database}")
NOTHING_CHANGED = Text("{failed} ({reason}); nothing was changed.", "{failed}（{reason}）；没有做任何更改。")
RUNNING = Text(
    "The daemon is running and uses the database: stop it first.",
    "守护进程正在运行并使用数据库：请先停止它。",
)
UNUSABLE = Text("The folder {folder} can't be used ({reason}).", "无法使用文件夹 {folder}（{reason}）。")

PATTERNS = (
    (r"it isn't PopBridge's", "它不是 PopBridge 的"),
    (r"row (\S+) of (\S+) can't be read: (?P<said>.*)", "无法读取 {1} 的第 {0} 行：{2}"),
    (r"row (\S+) of (\S+) names a row of (\S+) that isn't there", "{1} 的第 {0} 行所指的 {2} 行并不存在"),
    (r"text in (\d+) rows of (\S+), column (.+), isn't UTF-8", "{1} 中有 {0} 行的 {2} 列文本不是 UTF-8"),
    (r"it is no database of PopBridge", "它不是 PopBridge 的数据库"),
    (r"it was made by a newer PopBridge: update PopBridge first",
     "它由更新版本的 PopBridge 创建：请先更新 PopBridge"),
    (r"it is damaged: (?P<said>.*)", "它已损坏：{0}"),
)  # fmt: skip
"""What is wrong with a database, and its Chinese; what SQLite says itself stays as it is."""

PHRASES = Phrases(PATTERNS)
