"""What is said of mistakes in a project's own file, in Chinese: those who find them say it in English."""

from __future__ import annotations

from bridge.core.texts import Phrases

FILE = r"(?P<file>.*popbridge\.toml)"

PATTERNS = (
    (rf"{FILE}, line (?P<line>\d+): isn't UTF-8\. Save it as UTF-8\.",
     "{0} 第 {1} 行不是 UTF-8：请以 UTF-8 保存。"),
    (rf"{FILE}, line (?P<line>\d+): in double quotes a backslash begins an escape: write `/` in its place\. "
     r"Correct it; nothing was changed\.",
     "{0} 第 {1} 行有误：双引号中的反斜杠是转义符，请改用 `/`。未作任何更改。"),
    (rf"{FILE}, line (?P<line>\d+): (?P<said>.+)\. Correct it; nothing was changed\.",
     "{0} 第 {1} 行有误（{2}）：请更正，未作任何更改。"),
    (rf"{FILE}: (?P<place>[\w.\[\]]+): (.+)\. Correct it; nothing was changed\.",
     "{0} 的 {1} 有误：{2}。请更正，未作任何更改。"),
    (rf"{FILE}: (.+)\. Correct it; nothing was changed\.", "{0} 有误：{1}。请更正，未作任何更改。"),
    (rf"{FILE} is nested far too deeply\. Correct it; nothing was changed\.",
     "{0} 的嵌套过深：请更正，未作任何更改。"),
    (rf"{FILE}: (?P<place>always\[\d+\]): (.+)\. It is passed over, and the rest of the file holds"
     r": a newer PopBridge may know it\.",
     "{0} 的 {1}：{2}。已略过该代码，文件的其余部分照常有效：较新版本的 PopBridge 可能认识它。"),
    (rf"{FILE}: (?P<place>always\[\d+\]): (.+)\. It is passed over, and the rest of the file holds\.",
     "{0} 的 {1}：{2}。已略过该代码，文件的其余部分照常有效。"),
    (rf"{FILE}: (?P<place>always\[\d+\]): there is no folder `(?P<folder>.*)`\.",
     "{0} 的 {1}：没有文件夹 `{2}`。"),
    (rf"{FILE}: (?P<count>\d+) more rules are for folders that aren't there\.",
     "{0}：还有 {1} 条规则的文件夹不存在。"),
    (rf"{FILE}: (?P<count>\d+) more codes are passed over\.", "{0}：还有 {1} 个代码被略过。"),
    (r"(?P<where>.+): no such rule can be kept: (.+)\.", "{0} 无法保存这样的规则：{1}。"),
    (rf"{FILE} changes all the time: save it, close it, and press the button once more\.",
     "{0} 一直在变化：请保存并关闭它，然后再点一次按钮。"),
    (rf"{FILE} can't be edited safely: add the rule by hand\.", "无法安全地编辑 {0}：请手动添加规则。"),
    (rf"{FILE} can't be read: it is no regular file\.", "无法读取 {0}：它不是普通文件。"),
    (rf"{FILE} can't be read \((?P<said>.*)\)\.", "无法读取 {0}（{1}）。"),
    (rf"{FILE} has more than (?P<size>\d+) MiB: it can't be a list of rules\.",
     "{0} 超过 {1} MiB：不可能是规则列表。"),
    (rf"{FILE} can't be written \(it is read-only\)\.", "{0} 为只读，无法写入。"),
    (rf"{FILE} can't be written \((?P<said>.*)\)\.", "无法写入 {0}（{1}）。"),
    (r"`ignore` has `(?P<pattern>.*)`, but `!` takes nothing in again here",
     "`ignore` 中有 `{0}`，但这里不能用 `!` 重新包含"),
    (r"`ignore` has `(?P<pattern>.*)`, which names nothing", "`ignore` 中的 `{0}` 不指任何文件"),
    (r"`folder` is `(?P<folder>.*)`: name it from the project's root, as in `(?P<example>.+)`",
     "`folder` 为 `{0}`：请写相对于项目根目录的路径，例如 `{1}`"),
    (r"`advice` has `(?P<code>.*)`, but no finding has that code \(did you mean `(?P<near>\w+)`\?\)",
     "`advice` 中的 `{0}` 不是任何检查结果的代码（是否想写 `{1}`？）"),
    (r"`advice` has `(?P<code>.*)`, but no finding has that code; there are (.+)",
     "`advice` 中的 `{0}` 不是任何检查结果的代码，可用的有 {1}"),
    (r"`advice` has `(?P<code>.*)`, but no import settings settle that, so that no rule can",
     "`advice` 中的 `{0}` 无法通过导入设置解决，因此规则对它无效"),
    (r"(?P<code>`\w+`), (`\w+`(?:, `\w+`)*)", "{0}、{1}"),
    (r"`(?P<field>.*)` isn't known here \(did you mean `(?P<near>\w+)`\?\)",
     "没有名为 `{0}` 的项（是否想写 `{1}`？）"),
    (r"`(?P<field>.*)` isn't known here; there are (.+)", "没有名为 `{0}` 的项，可用的有 {1}"),
    (r"`(?P<field>\w+)` is missing", "缺少 `{0}`"),
    (r"write `(?P<table>\[\[\w+\]\])`, in double brackets", "请写作 `{0}`（两层方括号）"),
    (r"it must be (.+), and is (.+)", "应为{0}，而不是{1}"),
    (r"it must be (.+) (?P<bound>[<>]=? ?\S+)", "应为{0}，且须 {1}"),
    (r"a list", "列表"),
    (r"a table", "表"),
    (r"text", "文本"),
    (r"true or false", "布尔值"),
    (r"a whole number", "整数"),
    (r"a number with a fraction", "小数"),
    (r"a number", "数"),
    (r"a date", "日期"),
    (r"a time", "时间"),
)  # fmt: skip
"""What is said, and its Chinese; what a parser says of a line stays in its own words."""
PHRASES = Phrases(PATTERNS)
