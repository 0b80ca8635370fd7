"""What `--help` says in Chinese, by command and by parameter; English stands where each is declared."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from bridge.commands.shared import flag_text
from bridge.commands.texts.settings import ABOUT
from bridge.core.settings import SETTINGS

LINES = "每行输出一个 JSON 对象。"
OBJECT = "输出一个 JSON 对象。"
WORKERS = "工作进程数；默认每个 CPU 核心一个。"
SHOWN_DEFAULTS = MappingProxyType({"the system's": "跟随系统"})
"""Of defaults that are told in words."""


class Help(Struct, frozen=True):
    """One command's."""

    about: str
    """Paragraphs; lists of commands have the first one up to its first full stop or semicolon."""
    params: Mapping[str, str] = MappingProxyType({})
    """By the parameters' names; arguments have none, as in English."""
    epilog: str = ""
    """`{examples}` are those of the English one."""


EXAMPLES = "\b\n示例：\n{examples}"

HELP: Mapping[str, Help] = {
    "": Help("连接游戏引擎编辑器与图像处理核心。", {}),
    "audit": Help(
        "审查 PROJECT 或其中某个文件夹、文件的贴图；只要有一张可以改进，退出码为 1。",
        {
            "html": "将报告写为网页，附带图片；- 表示 stdout。",
            "json": "写出供程序读取的报告；- 表示 stdout。",
            "sarif": "写出供代码审查工具读取的报告（SARIF 2.1.0）；- 表示 stdout。",
            "mend": "将正确的设置写入项目的导入文件。",
            "baseline": "接受其中列出的问题，不再报告。",
            "update_baseline": "将发现的所有问题写入该基线文件。",
            "severity": "只报告此级别及更严重的问题。",
            "fail_on": "有此级别及更严重的问题时，退出码为 1；never 表示发现的问题不影响退出码。",
            "no_names": "不以文件名和文件夹名为依据。",
            "no_cache": "全部重新检查，不用缓存。",
            "limit": "最多显示的行数；0 表示全部。",
            "locale": "报告的语言。",
            "workers": WORKERS,
        },
        EXAMPLES + "\n`popbridge revert ID` 可撤销 --fix 所写入的更改。",
    ),
    "config": Help("列出各项设置、其值和来源。", {"as_json": LINES}),
    "db": Help(
        "维护数据库：会话、弹窗、回执和规则，都在一个 SQLite 文件中。\n\n"
        "`check` 和 `backup` 可在守护进程运行时使用；`restore` 和 `vacuum` 需要先停止它。"
    ),
    "db backup": Help(
        "将数据库此刻的内容复制到 FILE，并检查该副本。\n\n"
        "弹窗和未完成的任务会引用数据块，它们存放在数据库旁边：加上 --blobs 会一并备份。",
        {
            "blobs": "同时将缺少的数据块复制到文件夹 FILE.blobs。",
            "force": "FILE 已存在时将其替换。",
            "as_json": OBJECT,
        },
    ),
    "db check": Help(
        "检查数据库是否完好，并列出其内容；有损坏时退出码为 1。",
        {"quick": "不核对索引与表是否一致：更快。", "as_json": OBJECT},
    ),
    "db restore": Help(
        "用最新的每日备份或 FILE 恢复数据库，并从 FILE.blobs 恢复其数据块。\n\n"
        "原数据库会保留在新数据库旁边。之前连接的编辑器将开始新的会话。",
        {"as_json": OBJECT},
    ),
    "db vacuum": Help("压缩数据库文件；其间需要容纳另一份副本的空间。", {"as_json": OBJECT}),
    "demo": Help(
        "演示整个流程：十二张贴图，其中一半导入有误，一个弹窗，改为正确的设置。",
        {
            "out": "存放项目和结果网页的文件夹。",
            "headless": "使用内置编辑器，即使本机装有真正的编辑器。",
            "project_only": "只新建项目，导入设置保持有误。",
        },
    ),
    "devices": Help(
        "列出可用于运行模型的设备，不可用的说明原因和处理方法。\n\n每次都会在单独的进程中逐一重新尝试。",
        {"as_json": LINES},
    ),
    "install": Help(
        "按 PROJECT 所用的 ENGINE 版本，为其安装相应的插件；可重复执行。",
        {"remove": "撤销安装。", "as_json": LINES},
    ),
    "models": Help("下载部分工作负载所需的模型；列出现有的模型。", epilog=EXAMPLES),
    "models import": Help(
        "从您提供的文件导入模型：模型自身的文件，或包含它的 wheel。\n\n"
        "文件按摘要识别，与名称无关。对于文件夹和通配符匹配到的文件，与模型无关的会略过，"
        "只是同名的会予以说明。您指定的文件无用，或文件已损坏时，退出码为 1。"
    ),
    "models list": Help("列出模型：用途、许可证，以及本机是否已有。", {"as_json": LINES}),
    "models pull": Help(
        "从 `docs/models.md` 所列的来源下载模型；会校验其摘要。\n\n"
        "Python 软件包由 pip 下载，沿用 pip 自己的软件源和镜像设置。由网址下载的文件中断后可继续下载。",
        {
            "everything": "所有许可证明确的模型。",
            "accepted": "也包括无人说明许可证的模型。",
        },
    ),
    "models remove": Help("从本机移除已下载的模型。"),
    "models verify": Help("校验本机所有模型或 NAME 的摘要；有误时退出码为 1。"),
    "plugins": Help(
        "列出插件、各自提供的内容，以及停用的原因。",
        {"as_json": LINES, "traceback": "显示已停用插件的代码在何处出错。"},
    ),
    "receipts": Help(
        "列出通过 PopBridge 所做的更改，最新的在前；无需守护进程。",
        {"limit": "只列出最新的若干条。", "as_json": LINES},
    ),
    "revert": Help(
        "撤销回执 ID 对应命令所做的更改。\n\n"
        "需要守护进程在运行，并在编辑器中打开该项目；由 `popbridge audit --fix` 产生的回执则无需。",
        {
            "editor": "有多个编辑器打开该项目，或项目已移动时，指定其中一个。",
            "as_json": "以 JSON 输出新的回执。",
        },
    ),
    "run": Help(
        "对每个 FILE 运行 WORKLOAD，需要多个文件的则一次处理全部；有任务失败时退出码为 1。\n\n"
        "使用 --out 时，输出与输入同名，文件夹结构相同。输入绝不会被覆盖；"
        "不是由先前的运行产生的文件，加上 --force 才会覆盖。",
        {
            "params": "一个参数；可为 JSON 或文本，可重复。",
            "folder": "存放所生成文件的文件夹。",
            "name": "只有一个任务时，输出的名称（不含扩展名）。",
            "recursive": "FILE 可以是文件夹：处理其中的所有图像。",
            "together": "是否将所有 FILE 作为一个任务；默认由工作负载决定。",
            "resume": "跳过先前已完成且没有变化的任务。",
            "force": "覆盖不是由先前的运行产生的文件；绝不覆盖输入。",
            "as_json": "每个文件输出一行 JSON。",
            "workers": WORKERS,
            "timeout": "单个任务的时限；默认不限。",
            "daemon": "交给正在运行的守护进程处理，其工作进程和模型已就绪。",
        },
        EXAMPLES + "\n以 + 连接的步骤依次执行，中间不产生文件。参数前写明所属的步骤\n"
        "（`resize.width` 或 `1.width`）；只有一个步骤有该参数时可省略。\n"
        "`popbridge workloads` 列出工作负载，`popbridge workloads NAME` 列出其参数。",
    ),
    "serve": Help(
        "运行供编辑器连接的守护进程，按 Ctrl-C 停止。",
        {
            **{one.name.replace(".", "_"): flag_text(one, ABOUT[one.name]) for one in SETTINGS},
            "further": "插件的设置；可重复。",
        },
    ),
    "status": Help(
        "显示守护进程的状态：工作进程、队列、会话、工作负载、内存。\n\n守护进程没有运行时，退出码为 1。",
        {"as_json": LINES},
    ),
    "top": Help(
        "实时显示守护进程的状态，按 Ctrl-C 结束；输出不是终端时只显示一次。\n\n"
        "守护进程重启后会继续。一开始就没有运行时，退出码为 1。",
        {"interval": "两次刷新的间隔。"},
    ),
    "tune": Help(
        "测定工作负载成批执行多少个任务最合算，并保存供守护进程使用。\n\n"
        "如有可用的 GPU，还会测定任务在 GPU 和 CPU 上各需多久，守护进程据此选择。"
        "守护进程在首次使用某个工作负载时会自行测定；此命令用于重新测定，例如更换硬件之后。"
        "不指定名称时，会测定所有支持批处理或 GPU 的工作负载，并重新尝试 GPU 上反复出现的每种形状："
        "可用时也包括 TensorRT，其引擎会当场构建，每个需数秒到数分钟。",
        {"as_json": LINES},
    ),
    "workloads": Help(
        "列出 `popbridge run` 和编辑器可使用的工作负载；给出 NAME 则列出其参数。",
        {"as_json": LINES},
    ),
}  # fmt: skip
