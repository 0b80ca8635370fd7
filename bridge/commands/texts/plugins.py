"""What `popbridge plugins` says; why one is disabled is found out in English, by the host."""

from __future__ import annotations

from bridge.commands.texts import settings
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

_OF = r"(adapter|workload|advisor|setting) (?P<name>'[^']*'|[^:]+?)"
"""The record that something is said of."""

_CLAIM = r"(adapter|workload|advisor|setting) (?P<name>['\"].*['\"])"

RECORDS = (
    (r"adapter", "适配器"),
    (r"workload", "工作负载"),
    (r"advisor", "顾问"),
    (r"setting", "设置"),
    (r"it gives (adapter|workload|advisor|setting) (?P<name>.*) twice", "它两次提供了{0} {1}"),
    (r"workloads (\S+) and (\S+) are both the function (\S+): give each a name of its own",
     "工作负载 {0} 和 {1} 都是函数 {2}：请为每个工作负载定义单独的函数"),
    (r"its adapters (?P<one>.+) and (?P<other>.+) both serve (?P<engine>.+)",
     "其适配器 {0} 与 {1} 都支持 {2}"),
    (r"(workload) (?P<name>.*) isn't named PLUGIN\.NAME, of letters, digits, - and _",
     "{0} {1} 应命名为 PLUGIN.NAME，由字母、数字、- 和 _ 组成"),
    (rf"{_OF}: asks: (?P<ask>.*) isn't named PLUGIN\.NAME, of letters, digits, - and _",
     "{0} {1}：asks 中的 {2} 应命名为 PLUGIN.NAME，由字母、数字、- 和 _ 组成"),
    (r"(setting) (?P<name>.*) isn't named PLUGIN\.NAME", "{0} {1} 应命名为 PLUGIN.NAME"),
    (rf"{_OF}: names are of a to z, 0 to 9 and _, as acme\.max_size",
     "{0} {1}：名称只能用 a 到 z、0 到 9 和 _，例如 acme.max_size"),
    (rf"{_OF} lies in one of PopBridge's own: begin with the plugin's name",
     "{0} {1} 位于 PopBridge 自身的设置之下：请以插件的名称开头"),
    (rf"{_OF} has no '(?P<field>\w+)'", "{0} {1} 缺少 {2}"),
    (rf"{_OF}: (?P<field>scheme\.stages(?:\[.*?\])?|[\w.]+) is (?P<given>.*); it must be (.+)",
     "{0} {1}：{2} 为 {3}，而应为{4}"),
    (rf"{_OF}: (?P<field>\w+) has (?P<given>.*); there are (?P<known>.+)",
     "{0} {1}：{2} 中有 {3}，而可用的为 {4}"),
    (rf"{_OF}: (?P<field>\w+) raised (?P<said>.*)", "{0} {1}：{2} 引发了 {3}"),
    (rf"{_OF}: (?P<field>\w+) is the class (?P<type>\w+): write (?P<call>.+)",
     "{0} {1}：{2} 是类 {3}：请写 {4}"),
    (rf"{_OF}: (?P<field>\w+), of type (?P<type>\w+), has no (?P<method>.+)",
     "{0} {1}：{2}（类型为 {3}）没有 {4}"),
    (rf"{_OF}: (?P<target>\S+) is no function", "{0} {1}：{2} 不是函数"),
    (rf"{_OF}: (?P<target>\S+) is no function with (?P<mark>@\w+) above it",
     "{0} {1}：{2} 不是上方写有 {3} 的函数"),
    (rf"{_OF}: (?P<variable>\S+) is a variable of PopBridge's own: begin with the plugin's name",
     "{0} {1}：{2} 是 PopBridge 自身的环境变量：请以插件的名称开头"),
    (r"settings (?P<one>\S+) and (?P<other>\S+) are both the variable (?P<variable>\S+)",
     "设置 {0} 和 {1} 对应同一个环境变量 {2}"),
    (rf"{_OF} lies in the setting (?P<other>\S+): rename one of them",
     "{0} {1} 位于设置 {2} 之下：请为其中一个改名"),
    (rf"{_OF}: (?P<hook>\w+) must be written with `async def`", "{0} {1}：{2} 必须用 `async def` 定义"),
    (rf"{_OF}: composed must take parameters and limits, as Compose says",
     "{0} {1}：composed 必须接受参数和 limits 两个参数，见 Compose"),
    (rf"{_OF}: it has asks, so that it must have on_ask, too", "{0} {1}：它有 asks，因此也必须有 on_ask"),
    (rf"{_OF}: (?P<said>.*)", "{0} {1}：{2}"),
    (r"text", "文本"),
    (r"a whole number, at least 1", "不小于 1 的整数"),
    (r"a number, or fewest and most", "一个数，或最少和最多两个数"),
    (r"a, b, rc, \.dev, \.post or empty", "a、b、rc、.dev、.post 或空"),
    (r"of type (?P<type>\w+)", " {0} 类型"),
    (r"a (?P<type>\w+) of texts", "文本的 {0}"),
    (r"a (?P<type>\w+) of texts; write (?P<call>.+)", "文本的 {0}：请写 {1}"),
)  # fmt: skip
"""What is said of the records that a plugin gives."""

PATTERNS = (
    *RECORDS,
    (r"(popbridge_\w+) is a coroutine: write it with `def`, not `async def`",
     "{0} 是协程：请用 `def` 定义，而不是 `async def`"),
    (r"it can't be loaded: (?P<said>.*)", "无法加载：{0}"),
    (r"it is the same as the plugin (?P<other>['\"].*['\"]): name it in one entry point alone",
     "与插件 {0} 相同：请只在一个入口点中指定"),
    (r"its entry_points\.txt can't be read \((?P<said>.*)\): install it anew",
     "无法读取其 entry_points.txt（{0}）：请重新安装"),
    (r"it is made for (?P<wanted>\S+), and this is (?P<present>\S+): install another version of one of them",
     "它适用于 {0}，而当前版本为 {1}：请安装其中之一的其他版本"),
    (r"(popbridge_\w+) raised (?P<said>.*)", "{0} 引发了 {1}"),
    (r"(popbridge_\w+) gave (?P<what>.*), wanted (?P<kind>.*)", "{0} 返回了 {1}，而应为 {2}"),
    (r"(popbridge_\w+) isn't marked as a hook: write @hookimpl above it",
     "{0} 没有标记为钩子：请在其上方写 @hookimpl"),
    (r"(popbridge_\w+) is marked as a hook but no function: write it with def",
     "{0} 标记为钩子但不是函数：请用 def 定义"),
    (rf"it gives {_CLAIM}, as (PopBridge itself) does: uninstall this plugin",
     "它提供的{0} {1} 与 {2}的重名：请卸载该插件"),
    (rf"it gives {_CLAIM}, as (.+) does, which goes first by its name: uninstall one of them",
     "它提供的{0} {1} 与名称排序在前的{2}的重名：请卸载其中一个"),
    (r"its setting (?P<name>'.*') uses the variable (?P<variable>\S+), as (.+) does, which goes first by its "
     r"name: uninstall one of them",
     "其设置 {0} 使用环境变量 {1}，与名称排序在前的{2}相同：请卸载其中一个"),
    (r"its setting (?P<one>'.*') and (?P<other>'.*') of (.+), which goes first by its name, lie in one "
     r"another: uninstall one of them",
     "其设置 {0} 与名称排序在前的{2}的 {1} 互相包含：请卸载其中一个"),
    (r"its adapter (?P<one>.+), beside (?P<other>.+), serves (?P<engine>.+), as (PopBridge itself) does: "
     r"uninstall this plugin",
     "其适配器 {0} 与 {3}的 {1} 都支持 {2}：请卸载该插件"),
    (r"its adapter (?P<one>.+), beside (?P<other>.+), serves (?P<engine>.+), as (.+) does, which goes first "
     r"by its name: uninstall one of them",
     "其适配器 {0} 与名称排序在前的{3}的 {1} 都支持 {2}：请卸载其中一个"),
    (r"plugin (?P<name>['\"].*['\"]) \((?P<distribution>.+)\)", "插件 {0}（{1}）"),
    (r"PopBridge itself", "PopBridge 自身"),
)  # fmt: skip
"""What the host says of plugins, and its Chinese; what their code says stays as it is."""

PHRASES = Phrases((*PATTERNS, *settings.PATTERNS))
