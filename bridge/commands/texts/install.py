"""What `popbridge install` says."""

from __future__ import annotations

from bridge.core.texts import Text

# Ten columns and a space, of which a letter of Chinese takes two.
DONE = {
    "created": Text("created    {path}", "已创建     {path}"),
    "updated": Text("updated    {path}", "已更新     {path}"),
    "removed": Text("removed    {path}", "已移除     {path}"),
    "unchanged": Text("unchanged  {path}", "未改变     {path}"),
}
OTHER = Text("{what:<10} {path}", "{what:<10} {path}")
NOTHING = Text("Nothing had to change.", "无需更改。")
OPEN_IT = Text(
    "Open the project in its editor: the addon connects by itself while `popbridge serve` runs.",
    "请在编辑器中打开该项目：`popbridge serve` 运行时，插件会自动连接。",
)
UNWRITABLE = Text("{place} can't be written ({reason}).", "无法写入 {place}（{reason}）。")
UNKNOWN = Text(
    "Unknown engine {engine!r}: no plugin that is installed serves it. "
    "There are addons for: {known}.{lacking}",
    "未知引擎 {engine!r}：已安装的插件都不支持该引擎。以下引擎有可装入项目的插件：{known}。{lacking}",
)
LACKING = Text(
    " Plugins that are disabled add none: {names}; `popbridge plugins` says why.",
    "以下插件已停用，不提供引擎：{names}；原因见 `popbridge plugins`。",
)
NONE = Text("none", "无")
NO_ADDON = Text("There is no addon for {engine} yet.", "目前还没有 {engine} 的插件。")
AUDIT_IT = Text(
    "There is no addon for {engine} yet: `popbridge audit {project}` looks at the whole project without one.",
    "目前还没有 {engine} 的插件：`popbridge audit {project}` 无需插件即可检查整个项目。",
)
NO_FOLDER = Text(
    "{project} is no folder: name the folder of a {engine} project.",
    "{project} 不是文件夹：请指定 {engine} 项目的文件夹。",
)
NO_PROJECT = Text("{project} is no {engine} project{instead}.", "{project} 不是 {engine} 项目{instead}。")
INSTEAD = Text(
    "; name the folder of one, as {folders}{more}", "；请指定项目所在的文件夹，例如 {folders}{more}"
)
NAME_ONE = Text("; name the folder of one", "；请指定项目所在的文件夹")
MORE = Text(" and {count} more", "，另有 {count} 个")
COMMA = Text(", ", "、")
UNSERVED = Text(
    "{project} is of {engine} {version}, which no addon serves; there are {ranges}.",
    "{project} 属于 {engine} {version}，没有支持该版本的插件；现有：{ranges}。",
)
