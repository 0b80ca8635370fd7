"""What is said of a call that can't be understood, where click itself speaks English to all."""

from __future__ import annotations

from bridge.core.texts import Phrases, Text

SHOWS_HOW = Text(" `{command} --help` shows how.", "用法见 `{command} --help`。")

NO_OPTION = Text("No such option {name!r}.", "没有选项 {name!r}。")
LIKE_AN_OPTION = Text(
    " A file whose name begins like an option is typed with its folder: {typed}.",
    "名称以短横线开头的文件请连同文件夹一起输入：{typed}。",
)
CLOSING = Text(
    ' Windows takes \\" within {argument} for a quotation mark: type {typed}, with no backslash at its end.',
    'Windows 把 {argument} 中的 \\" 当作引号字符：请输入 {typed}，末尾不要加反斜杠。',
)
NO_COMMAND = Text("No such command {name!r}.", "没有命令 {name!r}。")
MEANT = Text("Did you mean {names}?", "您是指 {names} 吗？")
OR = Text(" or ", " 或 ")
LIST = Text(", ", "、")
NO_VALUE = Text("Option {name!r} does not take a value.", "选项 {name!r} 不带值。")
NEEDS_VALUE = Text("Option {name!r} requires an argument.", "选项 {name!r} 缺少值。")
NO_ARGUMENT = Text("Missing argument {hint}.", "缺少参数 {hint}。")
MISSING_OPTION = Text("Missing option {hint}.", "缺少选项 {hint}。")
BAD_VALUE = Text("Invalid value for {hint}: {reason}.", "{hint} 的值无效：{reason}。")
ONE_OF = Text("it must be one of {choices}", "应为 {choices} 之一")
WHOLE_NUMBER = Text("it must be a whole number{range}", "应为整数{range}")
NUMBER = Text("it must be a number{range}", "应为数字{range}")
RANGE = Text(", {range}", "，{range}")

# What options want of one another.
WANTS_OUT = Text("{option} wants --out, the folder of the outputs.", "{option} 需要 --out，即输出文件夹。")
EMPTY_OUT = Text(
    "--out is empty: name a folder, or . for this one.", "--out 为空：请指定文件夹，当前文件夹用 . 表示。"
)
UNFIT_NAME = Text(
    "--name: Windows gives no file the name {name}: choose another.",
    "--name：Windows 上的文件不能命名为 {name}：请换一个。",
)
BARE_NAME = Text("--name is a name alone: --out says where.", "--name 只是名称：位置由 --out 指定。")
OWN_WORKERS = Text(
    "--workers is for runs without --daemon: the daemon has its own.",
    "--workers 只用于不带 --daemon 的运行：守护进程有自己的工作进程。",
)
EMPTY_PROJECT = Text(
    "PROJECT is empty: name the folder of a project, or . for this one.",
    "PROJECT 为空：请指定项目的文件夹，当前文件夹用 . 表示。",
)
WANTS_BASELINE = Text(
    "--update-baseline wants --baseline FILE, the one to write.",
    "--update-baseline 需要 --baseline FILE，即要写入的文件。",
)
WANTS_FILE = Text("{option} wants the name of a file.", "{option} 需要文件名。")
ONE_REPORT = Text("Only one report can go to stdout.", "只能有一个报告输出到 stdout。")

# What the system says of a file.
NO_OUTPUT = Text("The output can't be written ({reason}).", "无法写出输出（{reason}）。")
NO_ROOM = Text("{file} can't be written ({reason}).", "无法写入 {file}（{reason}）。")
REFUSED = Text("{file} can't be used ({reason}).", "无法使用 {file}（{reason}）。")

USAGE = Text("Usage: ", "用法：")
HEADINGS = {
    "Options": Text("Options", "选项"),
    "Positional arguments": Text("Positional arguments", "参数"),
    "Commands": Text("Commands", "命令"),
}

OF_OPTIONS = (
    Text("[default: ", "[默认值："),
    Text("[required]", "[必填]"),
    Text("Show the version and exit.", "显示版本并退出。"),
    Text("Show this message and exit.", "显示此帮助并退出。"),
)
"""What click itself says of options in help."""

PATTERNS = (
    (r"Got unexpected extra arguments? \((?P<arguments>.*)\)", "多余的参数：{0}。"),
    (r"\w+ '(?:.*)' is a file", "应为文件夹，而不是文件"),
    (r"\w+ '(?:.*)' is a directory", "应为文件，而不是文件夹"),
    (r"\w+ '(?:.*)' is not readable", "无法读取"),
    (r"\w+ '(?:.*)' is not writable", "无法写入"),
)
"""What click says by no class of its own."""

PHRASES = Phrases(PATTERNS)
