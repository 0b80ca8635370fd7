"""What the demo says at the shell and on its page."""

from __future__ import annotations

from bridge.core.texts import Text

PROJECT = Text(
    "1. Project: {count} textures in {project}, half of them imported wrongly.",
    "1. 项目：{project} 中有 {count} 张贴图，其中一半导入有误。",
)
EDITOR = Text(
    "2. Editor: {name}; it presses Apply on every popup.", "2. 编辑器：{name}；它会在每个弹窗上点“应用”。"
)
REAL = Text("a real one, served by {adapter}", "真正的编辑器，由 {adapter} 支持")
BUILT_IN = Text("the built-in headless one, served by {adapter}", "内置的无界面编辑器，由 {adapter} 支持")
DAEMON = Text("3. Daemon: {address}", "3. 守护进程：{address}")
POPUP = Text("4. Popup: {popup}", "4. 弹窗：{popup}")
APPLIED = Text("5. Applied: {file}: {before} -> {after}", "5. 已应用：{file}：{before} -> {after}")
LEFT = Text("6. Left alone, for they are right: {files}", "6. 设置正确，未作改动：{files}")
REPORT = Text("7. Before and after: {file}", "7. 前后对比：{file}")

# What goes wrong.
UNWRITABLE = Text(
    "{place} can't be written ({reason}): make room, or name another folder with --out.",
    "无法写入 {place}（{reason}）：请腾出空间，或用 --out 指定其他文件夹。",
)
NO_ADAPTER = Text(
    "No adapter can make a project: `popbridge plugins` shows what is wrong.",
    "没有适配器能创建项目：`popbridge plugins` 会说明原因。",
)
FOREIGN = Text(
    "{out} isn't empty and isn't an earlier demo: name another folder with --out.",
    "{out} 不为空，也不是先前的演示：请用 --out 指定其他文件夹。",
)
SEE_LOG = Text("{error} What daemon and editor said: {log}", "{error}守护进程和编辑器的输出：{log}")
ENDED = Text(
    "The editor ended before it had applied anything (exit code {code}). {hint}",
    "编辑器尚未应用任何设置就已退出（退出码 {code}）。{hint}",
)
NO_DAEMON = Text(
    "Waited {seconds:.0f} s for the daemon to start, in vain.",
    "已等待 {seconds:.0f} 秒，守护进程仍未启动。",
)
NO_RECEIPT = Text(
    "Waited {seconds:.0f} s for the editor to import, ask and apply, in vain. {hint}",
    "已等待 {seconds:.0f} 秒，编辑器仍未完成导入、询问和应用。{hint}",
)
HEADLESS = Text(
    "`popbridge demo --headless` needs no real editor.", "`popbridge demo --headless` 无需真正的编辑器。"
)
CANT_RUN = Text("The editor can't be run: {program} {why}. {hint}", "无法运行编辑器 {program}：{why}。{hint}")
IS_FOLDER = Text("is a folder; name the program in it", "它是文件夹，请指定其中的程序")
NO_LOADER = Text("needs another program that isn't there", "它所需的另一个程序不存在")
NOT_THERE = Text("isn't there", "它不存在")
ANOTHER_SYSTEM = Text(
    "is no program for this computer; take one for its system and processor",
    "它不是适用于本机的程序，请使用适合本机系统和处理器的版本",
)
NO_PROGRAM = Text(
    "isn't marked as a program (`chmod +x` does it)", "它没有可执行权限（可用 `chmod +x` 设置）"
)
REFUSED = Text(
    "was refused ({reason}); check that you may run it", "运行被拒绝（{reason}），请确认您有权运行它"
)
ABSENT = Text("not set", "未设置")

# The page.
TITLE = Text("PopBridge demo", "PopBridge 演示")
OF_EDITOR = Text("Editor: {name}", "编辑器：{name}")
SAID = Text("What the popups said", "弹窗内容")
SETTINGS = Text("Import settings, before and after", "导入设置的前后对比")
HEADS = (
    Text("Picture", "图片"), Text("File", "文件"), Text("Before", "之前"), Text("After", "之后"),
)  # fmt: skip
QUIET = Text("right already: nothing said", "设置正确，没有提示")
