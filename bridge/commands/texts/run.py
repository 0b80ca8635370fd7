"""What `popbridge run` says; why a job can't be done stands in `reasons`."""

from __future__ import annotations

from bridge.core.texts import Text

# What is asked for.
NO_STEP = Text(
    "{text!r} lacks a step: names are joined by +, as image.resize+image.convert.",
    "{text!r} 缺少步骤：名称以 + 连接，例如 image.resize+image.convert。",
)
JOINED = Text(
    "Steps are joined without spaces around the +: {joined}.", "步骤以 + 连接，两边不留空格：{joined}。"
)
UNKNOWN = Text(
    "There is no workload {name!r}; did you mean {close}?",
    "没有名为 {name!r} 的工作负载；您是指 {close} 吗？",
)
UNKNOWN_OF = Text(
    "There is no workload {name!r}; there are {names}.", "没有名为 {name!r} 的工作负载；现有：{names}。"
)
LACKING = Text(
    "Plugins that are disabled add none: {names}; `popbridge plugins` says why.",
    "以下插件已停用，不提供工作负载：{names}；原因见 `popbridge plugins`。",
)
NONE = Text("none", "无")
NO_OPERATION = Text(
    "{name} is no operation on images; did you mean {close}?", "{name} 不是图像操作；您是指 {close} 吗？"
)
NO_OPERATION_OF = Text(
    "{name} is no operation on images, so that it can't be a step; there are {names}.",
    "{name} 不是图像操作，不能作为步骤；现有：{names}。",
)
STEP = Text("Step {number}, {name}", "第 {number} 步 {name}")
WRONG = Text("{what}: {reason}.", "{what}：{reason}。")
SPACE = Text(" ", "")
"""Between sentences."""
NOT_LAST = Text(
    "Step {number}, {name}, gives no image, so that it must be the last.",
    "第 {number} 步 {name} 不产生图像，因此必须是最后一步。",
)
LISTS = Text(
    "`popbridge workloads {name}` lists the parameters.", "`popbridge workloads {name}` 会列出参数。"
)

# Which step a parameter is meant for.
OR = Text(" or ", " 或 ")
NO_TAKER = Text("No step has a parameter {field!r}. {hint}", "没有步骤有参数 {field!r}。{hint}")
SEVERAL_TAKERS = Text(
    "Several steps have a parameter {field!r}: say {says}.", "有多个步骤有参数 {field!r}：请写明 {says}。"
)
SEVERAL_CALLED = Text(
    "Several steps are called {prefix!r}: say {says}.", "有多个步骤名为 {prefix!r}：请写明 {says}。"
)
NO_SUCH_STEP = Text(
    "--param {name}: there is no step {prefix!r}; the steps are {steps}.",
    "--param {name}：没有步骤 {prefix!r}；各步骤为 {steps}。",
)
IDLE = Text("{field} counts in another step alone: say {says}.", "{field} 只在其他步骤生效：请写明 {says}。")
IDLE_LAST = Text(
    "{field} counts in the last step alone, and {step} writes no image.",
    "{field} 只在最后一步生效，而 {step} 不写出图像。",
)

# Which files.
AND = Text("; ", "；")
MORE_PROBLEMS = Text("; and {count} more", "；另有 {count} 个")
SENTENCE = Text("{said}.", "{said}。")
MORE_FILES = Text("{files} and {count} more", "{files}，另有 {count} 个")
FOR_ONE = Text(
    "{option} is for the outputs of one job; {count} are given: leave it out.",
    "{option} 只用于单个任务的输出，而给出了 {count} 个任务：请去掉它。",
)
SAME = Text(
    "--name and --param name say the same: leave one of them out.",
    "--name 与 --param name 作用相同：请去掉其一。",
)
NAME_ONE = Text(
    "{workload} takes each file by itself: name one file or more.",
    "{workload} 逐一处理文件：请至少指定一个文件。",
)
NOT_TOGETHER = Text(
    "{workload} takes each file by itself: leave out --together.",
    "{workload} 逐一处理文件：请去掉 --together。",
)
TAKES_ONE = Text(
    "{workload} takes {wanted} file, not {count}.", "{workload} 需要 {wanted} 个文件，而不是 {count} 个。"
)
TAKES = Text(
    "{workload} takes {wanted} files, not {count}.", "{workload} 需要 {wanted} 个文件，而不是 {count} 个。"
)
RANGE = Text("{low} to {high}", "{low} 到 {high}")
ADD_EACH = Text(" Add --each to run it on each of them.", "加上 --each 可逐一处理。")

# Why nothing can be done at all.
UNWRITABLE = Text("{path} can't be written ({reason}).", "无法写入 {path}（{reason}）。")
UNMAKEABLE = Text("{folder} can't be made ({reason}).", "无法创建 {folder}（{reason}）。")
OUT = Text(
    "The folder {out} can't be made or written to ({reason}).", "无法创建或写入文件夹 {out}（{reason}）。"
)
NO_PROCESS = Text("No worker process can be started ({reason}).", "无法启动工作进程（{reason}）。")
NOT_FETCHED = Text(
    "{name} can't be written to {folder} ({reason}){room}.", "无法将 {name} 写入 {folder}（{reason}）{room}。"
)
ROOM = Text(": make room on the disk of --out", "：请在 --out 所在的磁盘上腾出空间")
NOT_THERE = Text(
    "The daemon has no workload {name!r}: restart it, or leave out --daemon.",
    "守护进程没有工作负载 {name!r}：请重新启动它，或去掉 --daemon。",
)

# What came of it.
DROPPED = Text(
    "the files that {workload} makes aren't kept: add --out FOLDER.",
    "{workload} 所生成的文件没有保留：请加上 --out FOLDER。",
)
CRASHED = Text("{workload} crashed its worker process ({said})", "{workload} 使其工作进程崩溃（{said}）")
COUNTS = {
    "done": Text("{count:,} done", "完成 {count:,}"),
    "unchanged": Text("{count:,} unchanged", "未变 {count:,}"),
    "failed": Text("{count:,} failed", "失败 {count:,}"),
    "left": Text("{count:,} not done", "未做 {count:,}"),
}
COMMA = Text(", ", "，")
SUMMARY = Text("{counts} in {duration}.", "{counts}，用时 {duration}。")

# Values.
WORDS = {
    True: Text("yes", "是"),
    False: Text("no", "否"),
    None: Text("none", "无"),
}
NOTHING = Text("nothing", "无")
BYTES = Text("{count:,} bytes", "{count:,} 字节")
MORE = Text("{items} and {count} more", "{items}，另有 {count} 项")
MORE_LINES = Text(
    "... and {count:,} more; --json gives all of them", "……另有 {count:,} 项；--json 会给出全部"
)
CUT = Text(
    "{text}... ({count:,} characters in all; --json gives all of them)",
    "{text}……（共 {count:,} 个字符；--json 会给出全部）",
)
CHANNEL = Text("{count} channel of {bits} bit", "{count} 个 {bits} 位通道")
CHANNELS = Text("{count} channels of {bits} bit", "{count} 个 {bits} 位通道")
LEVELS = Text("{count} levels", "{count} 级")
BELOW = Text("values too low cut off (the least {value})", "过低的值被截去（最低 {value}）")
ABOVE = Text("values too high cut off (the largest {value})", "过高的值被截去（最高 {value}）")
ALL_IMAGES = Text("{count} images", "{count} 张图像")
IMAGES = Text("first of {count} images", "{count} 张图像中的第一张")
BITS = Text("{count} bits per pixel", "每像素 {count} 位")
SMALLER = Text("{ratio} times smaller than uncompressed", "大小为未压缩时的 1/{ratio}")
SPRITES = Text("sprites: {count:,}; pages: {pages}", "精灵：{count:,}；页：{pages}")
PAGE = Text("{size} ({share:.0%} full)", "{size}（已用 {share:.0%}）")
UNREACHED = Text("target not reached", "未达到目标")
ALL_GREY = Text("grey throughout", "全为灰色")
ALPHA_USED = Text("alpha used", "使用 alpha")
ALPHA_UNUSED = Text("alpha the same everywhere", "alpha 处处相同")
UNSURE = Text("unsure: {kinds}", "不确定：{kinds}")
CUT_BLOCKS = Text("Direct3D wants sides that are multiples of 4", "Direct3D 要求边长为 4 的倍数")
