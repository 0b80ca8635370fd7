"""What `popbridge tune` says; why something can't be measured is found out in English, by accel."""

from __future__ import annotations

from bridge.core.texts import Phrases, Text

NOTHING = Text(
    "Nothing could be measured ({failed}): the reasons are above.", "没有测得任何结果（{failed}）：原因见上。"
)
NO_BATCHES = Text(
    "{names}: no batches, and there is no GPU that works (`popbridge devices` says why).",
    "{names}：不支持批处理，也没有可用的 GPU（原因见 `popbridge devices`）。",
)
NONE = Text(
    "No workload here runs in batches, and there is no GPU that works (`popbridge devices` says why).",
    "没有支持批处理的工作负载，也没有可用的 GPU（原因见 `popbridge devices`）。",
)
NEXT_START = Text(
    "A daemon that runs goes by this after its next start.", "正在运行的守护进程下次启动后才会采用这些结果。"
)
BATCHES = (
    Text("workload", "工作负载"),
    Text("device", "设备"),
    Text("rows of a batch", "每批行数"),
    Text("rows a second, by rows of a batch", "每秒行数（按每批行数）"),
    Text("against one by one", "与逐个执行相比"),
)
COSTS = (
    Text("workload", "工作负载"),
    Text("device", "设备"),
    Text("any job", "每个任务"),
    Text("and for each million pixels or texts", "另加每百万像素或文本"),
)
ENGINES = (Text("model", "模型"), Text("shape", "形状"), Text("TensorRT's engine", "TensorRT 引擎"))
BUILT = Text("built in {seconds:.1f} s", "构建用时 {seconds:.1f} 秒")
MS = Text("{ms:.1f} ms", "{ms:.1f} 毫秒")
GAIN = Text("{gain:.2f} times", "{gain:.2f} 倍")
UNKNOWN = Text(
    "No workload {name!r} runs in batches or on a GPU; {there}.",
    "没有名为 {name!r} 且支持批处理或 GPU 的工作负载；{there}。",
)
MEANT = Text("did you mean {close}?", "您是指 {close} 吗？")
THERE = Text("there are {names}", "现有：{names}")
NO_OTHER = Text("there is none", "一个也没有")
MEASURING = Text("Measuring {name}...", "正在测量 {name}……")
FAILED = Text("{name} can't be measured: {reason}.", "无法测量 {name}：{reason}。")
TRYING = Text("Trying anew what came again on the GPU...", "正在重新尝试 GPU 上反复出现的形状……")
NO_ENGINES = Text("TensorRT's engines can't be built: {reason}.", "无法构建 TensorRT 引擎：{reason}。")
THE_ENGINES = Text("TensorRT's engines", "TensorRT 引擎")
UNWRITABLE = Text(
    "{folder} can't be written ({reason}): what is measured would be lost.",
    "无法写入 {folder}（{reason}）：测量结果将会丢失。",
)

PATTERNS = (
    (r"the model (\S+) isn't on this machine: run `(.+)`", "本机没有模型 {0}：请运行 `{1}`"),
    (r"(\S+) of the model (\S+) is damaged: run `(.+)` again", "模型 {1} 的 {0} 已损坏：请重新运行 `{2}`"),
    (r"onnxruntime can't be loaded \((?P<said>.*)\): `popbridge devices` says what to do",
     "无法加载 onnxruntime（{0}）：处理方法见 `popbridge devices`"),
    (r"the GPU's memory is full", "显存已满"),
    (r"wasn't done within (\d+) ms", "未能在 {0} 毫秒内完成"),
    (r"what its batches are worth is measured by jobs without inputs, and it takes at least one",
     "批处理的效果以没有输入的任务测量，而它至少需要一个输入"),
    (r"its sample of a job failed \((?P<said>.*)\)", "其任务样例出错（{0}）"),
    (r"samples weren't done within (\d+) s", "任务样例未能在 {0} 秒内完成"),
    (r"the network gives the same for different inputs", "网络对不同的输入给出相同的结果"),
)  # fmt: skip
"""What accel says of why, and its Chinese."""

PHRASES = Phrases(PATTERNS)
