"""What the parts below the commands say in English of a mistake, and its Chinese: of the daemon that isn't
there, of the database, of what can't be put back."""

from __future__ import annotations

import re

from bridge.advisors.project_texts import PATTERNS as PROJECT_FILE
from bridge.advisors.texts import PUT_BACK, PUT_BACK_IN_PARTS
from bridge.commands.run.reasons import ZH
from bridge.commands.texts import SAID, audit, plugins, serve, settings
from bridge.core.texts import Phrases
from bridge.store.failures import REASONS

PATTERNS = (
    # The daemon.
    (r"PopBridge isn't running: start it with `popbridge serve`\.",
     "PopBridge 没有运行：请用 `popbridge serve` 启动。"),
    (r"(.+) is no folder: let POPBRIDGE_HOME name one, or make room for one\.",
     "{0} 不是文件夹：请让 POPBRIDGE_HOME 指向文件夹，或移开它。"),
    (r'POPBRIDGE_HOME is `(.+)`, and Windows gives no folder such a name: in cmd, type set "(.+)"\.',
     'POPBRIDGE_HOME 的值为 `{0}`，Windows 上的文件夹不能如此命名：请在 cmd 中输入 set "{1}"。'),
    (rf"(.+) can't be read {SAID}: restart `popbridge serve`\.",
     "无法读取 {0}（{1}）：请重新启动 `popbridge serve`。"),
    (r"PopBridge doesn't answer at (\S+) \((?P<said>.*)\): start `popbridge serve`\.",
     "{0} 的 PopBridge 没有应答（{1}）：请启动 `popbridge serve`。"),
    (r"What listens at (\S+) isn't PopBridge\.", "在 {0} 监听的不是 PopBridge。"),
    (r"PopBridge closed the connection without a word: see its log\.",
     "PopBridge 未作说明就关闭了连接：请查看其日志。"),
    (r"PopBridge refused the connection: (?P<said>.*)", "PopBridge 拒绝了连接：{0}"),
    (r"The daemon isn't connected\.", "与守护进程的连接已断开。"),
    (r"Reconnect\.", "请重新连接。"),
    # The database.
    (r"The database (.+) was made by a newer PopBridge \((.+)\): update PopBridge, or put back an older one: "
     r"`(.+)`\.",
     "数据库 {0} 由更新版本的 PopBridge 创建（{1}）：请更新 PopBridge，或恢复旧的副本：`{2}`。"),
    (r"The database (.+) isn't PopBridge's, or has lost its list of migrations: move it away, or restore "
     r"the newest backup with `(.+)`\.",
     "数据库 {0} 不是 PopBridge 的，或丢失了迁移列表：请将其移走，或用 `{1}` 恢复最新的备份。"),
    (r"The database (.+) can't be brought to this version \((?P<said>.*)\)\. It is as it was: use the "
     r"earlier version of PopBridge, and report this\.",
     "无法将数据库 {0} 升级到此版本（{1}）。数据库保持原样：请使用之前版本的 PopBridge，并报告此问题。"),
    (r"The database (.+) can't be used: it is damaged\. (`.+`) says where, (`.+`) restores the newest "
     r"backup\.",
     "数据库 {0} 已损坏，无法使用。{1} 会说明损坏之处，{2} 可恢复最新的备份。"),
    (r"The database (.+) can't be used \((.*)\): make room, or free, mend or move that file\.",
     "无法使用数据库 {0}（{1}）：请腾出空间，或释放、修复或移走该文件。"),
    (r"The database (.+) can't be read \((?P<said>.*)\)\.", "无法读取数据库 {0}（{1}）。"),
    *((re.escape(reason), ZH[name]) for name, reason in REASONS.items()),
    *((rf"{re.escape(reason)} {SAID}", f"{ZH[name]}（{{0}}）") for name, reason in REASONS.items()),
    *PROJECT_FILE,
    # What can't be put back.
    (r"Receipt (\d+) changed nothing\.", "回执 {0} 没有更改任何内容。"),
    (r"(.+) is no project that is known here any more: `popbridge plugins` shows whether the plugin for its "
     r"engine is there\.", "{0} 已不再是已知的项目：请用 `popbridge plugins` 查看其引擎的插件是否可用。"),
    (r"Receipt (\d+) is reverted already \(receipt (\d+)\): nothing was put back\.",
     "回执 {0} 已经撤销过（回执 {1}）：没有撤销任何更改。"),
    (r"Receipt (\d+) is reverted already \(receipt (\d+), (\S+ \S+)\): nothing was put back\.",
     "回执 {0} 已经撤销过（回执 {1}，{2}）：没有撤销任何更改。"),
    (r"Receipt (\d+): (.+)\.", "回执 {0}：{1}。"),
    (r"its editor hasn't answered yet: (`.+`) tells once it has", "其编辑器尚未应答：应答后可用 {0} 查看"),
    PUT_BACK,
    PUT_BACK_IN_PARTS,
    (r"it changed nothing \((\w+)\), so that nothing can be put back",
     "它没有更改任何内容（{0}），没有可撤销的内容"),
    (r"An editor with the project '(?P<project>.+)' isn't connected\.", "没有打开项目“{0}”的编辑器连接。"),
    (r"Editor (\S+) with the project '(?P<project>.+)' isn't connected\.",
     "打开项目“{1}”的编辑器 {0} 没有连接。"),
    (r"Open the project in the editor\.", "请在编辑器中打开该项目。"),
    (r"If the project was moved, this puts it back there: (?P<ways>.+)\.",
     "如果项目已移动，可这样在新位置恢复：{0}。"),
    (r"Several editors have the project open: (?P<editors>.+)\.", "有多个编辑器打开了该项目：{0}。"),
    (r"Name one as `editor` \((`.+`)\)\.", "请指定其中一个（{0}）。"),
)  # fmt: skip

PHRASES = Phrases((*PATTERNS, *audit.PATTERNS, *settings.PATTERNS, *serve.PATTERNS, *plugins.PATTERNS))
