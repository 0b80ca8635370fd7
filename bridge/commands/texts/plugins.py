"""What `popbridge plugins` says; why one is disabled is found out in English, by the host."""

from __future__ import annotations

from bridge.core.texts import Phrases, Text

HEADS = {
    "plugin": Text("plugin", "插件"),
    "distribution": Text("distribution", "软件包"),
    "version": Text("version", "版本"),
    "status": Text("status", "状态"),
    "adds": Text("adds, or why not", "提供的内容或停用原因"),
}
STATES = {"ok": Text("ok", "正常"), "disabled": Text("disabled", "已停用")}
KINDS = {
    "adapter": Text("adapter {names}", "适配器 {names}"),
    "workload": Text("workload {names}", "工作负载 {names}"),
    "advisor": Text("advisor {names}", "顾问 {names}"),
    "setting": Text("setting {names}", "设置 {names}"),
}
SEVERAL = {
    "adapter": Text("adapters {names}", "适配器 {names}"),
    "workload": Text("workloads {names}", "工作负载 {names}"),
    "advisor": Text("advisors {names}", "顾问 {names}"),
    "setting": Text("settings {names}", "设置 {names}"),
}
AND = Text("; ", "；")
NOTHING = Text("nothing", "无")
FAILED = Text("{plugin}: {reason}", "{plugin}：{reason}")

PATTERNS = (
    (r"it can't be loaded: (?P<said>.*)", "无法加载：{0}"),
    (r"(popbridge_\w+) raised (?P<said>.*)", "{0} 引发了 {1}"),
    (r"(popbridge_\w+) gave (?P<what>.*), wanted (?P<kind>.*)", "{0} 返回了 {1}，而应为 {2}"),
    (r"(popbridge_\w+) isn't marked as a hook: write @hookimpl above it",
     "{0} 没有标记为钩子：请在其上方写 @hookimpl"),
    (r"(popbridge_\w+) is marked as a hook but no function: write it with def",
     "{0} 标记为钩子但不是函数：请用 def 定义"),
    (r"Two plugins give (\w+ '.*'): (.+) and (.+)\. Uninstall one of them\.",
     "{1} 与 {2} 都提供 {0}：请卸载其中一个。"),
    (r"Two adapters serve (.+): (?P<one>.+) and (?P<other>.+)\. Uninstall one of them\.",
     "有两个适配器支持 {0}：{1} 与 {2}。请卸载其中一个。"),
    (r"PopBridge itself", "PopBridge 自身"),
)  # fmt: skip
"""What the host says of plugins, and its Chinese; what their code says stays as it is."""

PHRASES = Phrases(PATTERNS)
