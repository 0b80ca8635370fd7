"""What `popbridge devices` says; why something doesn't work is found out in English, by accel."""

from __future__ import annotations

from bridge.commands.texts import SAID, SEVERAL
from bridge.core.texts import Phrases, Text

HEADS = (
    Text("provider", "计算后端"), Text("usable", "可用"), Text("why", "原因"), Text("what to do", "处理方法"),
)  # fmt: skip
YES = Text("yes", "是")
NO = Text("no", "否")
PARAGRAPH = Text("{title}: {usable}, {reason}", "{title}：{usable}，{reason}")
GPU = Text(
    "{name}: {memory}, compute capability {capability}.",
    "{name}：{memory}，计算能力（compute capability）{capability}。",
)
UNNAMED = Text("An unnamed GPU", "未命名的 GPU")
NO_MEMORY = Text("memory unknown", "显存未知")
MEMORY = Text("{count} MiB", "显存 {count} MiB")
UNKNOWN = Text("unknown", "未知")
TROUBLE = Text(
    "In the daemon, {what} failed on {device}: {reason}. The CPU does it; that device is tried again with "
    "the next job after {again}.",
    "守护进程中，{what}在 {device} 上失败：{reason}。目前由 CPU 代劳；"
    "{again} 之后的下一个任务会再次尝试该设备。",
)
WORKLOAD = Text("{name}", "{name} ")
EVERYTHING = Text("everything", "所有任务")
PLAINLY = Text(
    "{model} with {shape} runs plainly{times}.{why}", "{model}（{shape}）以普通方式运行{times}。{why}"
)
BY = Text("{model} with {shape} runs by {way}{times}.{why}", "{model}（{shape}）以 {way} 运行{times}。{why}")
TIMES = Text(" ({ms:.3g} ms, plainly {plain:.3g} ms)", "（{ms:.3g} 毫秒，普通方式 {plain:.3g} 毫秒）")
WHY = Text(" {why}.", "{why}。")
MORE = Text(
    "{count} shapes that were tried before are shown by --json.",
    "另有 {count} 个更早尝试过的形状，可用 --json 查看。",
)
FASTEST = Text("The fastest that is usable: {title}.", "可用的最快后端：{title}。")
NONE = Text("Models can't run here at all.", "本机完全无法运行模型。")

PATTERNS = (
    (r"onnxruntime (gave no answer.*|couldn't be asked.*|crashed.*|failed.*)", "onnxruntime {0}"),
    (r"it (gave no answer.*|couldn't be asked.*|crashed.*|failed.*|isn't what onnxruntime.*)", "{0}"),
    (r"NVIDIA's driver (gave no answer.*|couldn't be asked.*|crashed.*|failed.*)", "NVIDIA 驱动{0}"),
    (r"gave no answer within (\S+) s", "在 {0} 秒内没有应答"),
    (r"gave no answer within (\S+) s: (.*)", "在 {0} 秒内没有应答：{1}"),
    (r"couldn't be asked, as no process can be started \((?P<said>.*)\)",
     "无法查询，因为无法启动进程（{0}）"),
    (r"crashed \((?P<said>.*?)\)", "崩溃（{0}）"),
    (r"crashed \((?P<said>.*?)\): (.*)", "崩溃（{0}）：{1}"),
    (r"failed \((?P<said>.*)\)", "失败（{0}）"),
    (r"failed \((?P<said>.*)\): (.*)", "失败（{0}）：{1}"),
    (r"isn't what onnxruntime runs models on", "onnxruntime 并未在其上运行模型"),
    (r"isn't what onnxruntime runs models on: (.*)", "onnxruntime 并未在其上运行模型：{0}"),
    (r"only on (.*)", "仅限 {0}"),
    (r"Windows and Linux|Linux and Windows", "Windows 和 Linux"),
    (r"computes wrongly", "计算结果有误"),
    (r"(.+), by (onnxruntime \S+)", "{0}，由 {1} 驱动"),
    (r"(.*, )?an unnamed GPU(, .*)?", "{0}未命名的 GPU{1}"),
    (r"(\S+) has overwritten (\S+)", "{0} 覆盖了 {1}"),
    (r"not in (\S+ \S+), which is installed", "已安装的 {0} 不包含它"),
    (r"no NVIDIA driver found \((\S+)\)", "未找到 NVIDIA 驱动（{0}）"),
    (r"NVIDIA's driver doesn't start \(error (\S+)\)", "NVIDIA 驱动无法启动（错误 {0}）"),
    (r"NVIDIA's driver sees no GPU", "NVIDIA 驱动未发现 GPU"),
    (r"NVIDIA's driver is for CUDA (\S+), onnxruntime for CUDA (\S+)",
     "NVIDIA 驱动支持 CUDA {0}，而 onnxruntime 需要 CUDA {1}"),
    (r"NVIDIA's driver is too old", "NVIDIA 驱动版本过旧"),
    (r"onnxruntime (\S+) no longer supports this GPU", "onnxruntime {0} 已不再支持此 GPU"),
    (r"the GPU's memory is full", "显存已满"),
    (r"it gave nothing in (\d+) s", "{0} 秒内没有结果"),
    (r"(.*libraries are missing) \((?P<said>.+)\)", "{0}（{1}）"),
    (r"libraries are missing", "缺少库文件"),
    (r"CUDA's or TensorRT's libraries are missing", "缺少 CUDA 或 TensorRT 的库文件"),
    (r"(TensorRT|CUDA)'s libraries are missing", "缺少 {0} 的库文件"),
    # What to do about it.
    (r"Install Microsoft's Visual C\+\+ Redistributable: (\S+)",
     "请安装 Microsoft Visual C++ 运行库：{0}"),
    (r"To use OpenVINO instead of CUDA: (.*)", "若要用 OpenVINO 代替 CUDA：{0}"),
    (r"With a GPU of AMD or Intel: (.*)", "使用 AMD 或 Intel 的 GPU 时：{0}"),
    (r"For (\S+): (.*)", "若要使用 {0}：{1}"),
    (r"(pip uninstall .+), then (pip install .+)", "先运行 {0}，再运行 {1}"),
    (r"Update NVIDIA's driver and start the machine anew\.", "请更新 NVIDIA 驱动并重启电脑。"),
    (r"Update NVIDIA's driver to (\S+) or newer\.", "请将 NVIDIA 驱动更新到 {0} 或更高版本。"),
    (r"Update NVIDIA's driver\.", "请更新 NVIDIA 驱动。"),
    (r"With an NVIDIA GPU: install its driver\. Without one there is nothing to do\.",
     "如有 NVIDIA GPU，请安装其驱动；没有则无需处理。"),
    (r"Look whether CUDA_VISIBLE_DEVICES hides it\.", "请检查是否被 CUDA_VISIBLE_DEVICES 隐藏。"),
    (r"Close what uses the GPU and look again\.", "请关闭占用 GPU 的程序后重试。"),
    (r"(\d+) packages have the module onnxruntime \((?P<said>.*)\) and overwrite each other; now it is that "
     r"of (\S+)\. To repair it: (.*)",
     "{0} 个软件包都带有 onnxruntime 模块（{1}）并互相覆盖；目前生效的是 {2}。修复方法：{3}"),
    # Why a shape isn't run in another way.
    (r"the process ended while other ways were tried", "尝试其他方式时进程已结束"),
    (r"jobs were given up while other ways were tried", "尝试其他方式时有任务被放弃"),
    (r"the network gives the same for different inputs", "网络对不同的输入给出相同的结果"),
    (r"(.+) gives other results", "{0} 的结果不一致"),
    (r"(.+) isn't faster \((\S+) ms, plainly (\S+) ms\)", "{0} 并不更快（{1} 毫秒，普通方式 {2} 毫秒）"),
    (r"(.+) isn't faster than (.+) \((\S+) ms\)", "{0} 并不比 {1} 更快（{2} 毫秒）"),
    (rf"(.+) fails {SAID}", "{0} 失败（{1}）"),
    (rf"(.+) failed at last {SAID}", "{0} 后来失败（{1}）"),
    SEVERAL,
    # A library's words may be cut off within brackets.
    (r"(.+) fails \((?P<said>.*)\)", "{0} 失败（{1}）"),
    (r"(.+) failed at last \((?P<said>.*)\)", "{0} 后来失败（{1}）"),
)  # fmt: skip
"""What accel says of devices, and its Chinese."""

PHRASES = Phrases(PATTERNS)
