"""What each of PopBridge's own settings is, in Chinese, and what is wrong with a value; a plugin's speak for
themselves."""

from __future__ import annotations

from bridge.core.texts import Text

ABOUT = {
    "host": "监听的地址；只能是本机回环地址。",
    "port": "监听的端口；0 或端口已被占用时，由系统选择。",
    "hosts": "Host 标头中另外允许的名称，以逗号分隔。",
    "log_level": "debug、info、warning 或 error。",
    "log_format": "日志每行的格式：text 供人阅读，json 供程序读取。",
    "log_file": "日志文件，用于没有控制台的守护进程；为空则写到控制台（stderr）。",
    "log_file_mib": "日志文件达到此大小（MiB）后另存并新建；0 表示不限。",
    "log_file_count": "保留多少个另存的日志文件。",
    "connections": "同时的 WebSocket 连接数上限；超出的以 HTTP 503 拒绝。",
    "connections_unidentified": "其中尚未表明身份的连接数上限。",
    "heartbeat_s": "两次 ping 之间的秒数。",
    "session.keep_s": "编辑器断开后，会话等待其恢复的秒数。",
    "session.inflight": "一个会话未完成的请求数上限；最后四分之一不供 bulk 请求使用。",
    "session.unacked_mib": "在客户端确认之前，为所有客户端共保留的数据上限（MiB）；"
    "超出时结束占用最多的会话。",
    "requests.inflight": "所有会话未完成的请求数上限；最后一半不供 bulk 请求使用，"
    "最后八分之一仅供 interactive 请求使用。",
    "journal.keep_s": "守护进程运行多少秒之内，同一请求键仍会得到原来的结果。",
    "inline": "一帧中数据的字节数上限；更大的经 HTTP 传输。",
    "blobs.max_size": "单个数据块的字节数上限。",
    "blobs.quota": "所有数据块合计的字节数上限；超出时先删除最久未用且无人引用的。0 表示不限。",
    "blobs.keep_s": "无人引用的数据块在最后一次使用后保留的秒数。",
    "blobs.sweep_s": "每隔多少秒检查一次可删除的数据块。",
    "cache.max_size": "缓存的结果及其文件的字节数上限；0 表示不缓存。",
    "cache.off": "每次都重新运行、不用缓存的工作负载，以逗号分隔。",
    "workers": "工作进程数；0 表示每个 CPU 核心一个。",
    "worker.memory_mib": "单个工作进程的内存上限（MiB），仅在系统支持限制时有效；0 表示不限。",
    "worker.keep_mib": "任务结束后占用内存超过此值（MiB）的工作进程会被替换；0 表示不替换。",
    "gpu": "实测 NVIDIA GPU 比 CPU 更快的任务，是否使用 GPU。",
    "deadline_ms": "请求未指定期限时，允许的毫秒数。",
    "images.max_pixels": "图像的像素数上限；超出的在解码前拒绝。",
    "models.folder": "已下载模型的文件夹，可由多个用户共用；为空则为数据文件夹中的 `models`。",
    "models.hub": "没有软件包提供的模型从哪个站点下载；为空则用 HF_ENDPOINT 所指的站点，"
    "否则用 Hugging Face。",
    "textures.max_size": "导入顾问不作提示的最长边上限（像素）。",
}

HEADS = (
    Text("setting", "设置"), Text("value", "值"), Text("from", "来源"), Text("environment", "环境变量"),
    Text("what it is", "说明"),
)  # fmt: skip
SOURCES = {
    "a flag": Text("a flag", "命令行选项"),
    "the settings file": Text("the settings file", "设置文件"),
    "the default": Text("the default", "默认值"),
}
NARROW = Text("{name}  {value}  ({source})", "{name}  {value}（{source}）")
"""Of a screen without room for columns."""
FILE = Text("Settings file: {file}", "设置文件：{file}")
UNREADABLE = Text(
    "The settings file {path} can't be read ({reason}): mend or remove it.",
    "无法读取设置文件 {path}（{reason}）：请修正或移除它。",
)
NO_UTF8 = Text("it isn't UTF-8", "不是 UTF-8")
BACKSLASH = Text(
    "line {line}: in double quotes a backslash begins an escape; write / in its place",
    "第 {line} 行：双引号中的反斜杠是转义符，请改用 /",
)
NO_PAIR = Text("{what} {pair!r} isn't NAME=VALUE.", "{what} {pair!r} 不是 NAME=VALUE 的形式。")
MISSPELT = Text(
    "{variable} is no setting and is passed over; did you mean {meant}?",
    "{variable} 不是设置，已忽略；您是指 {meant} 吗？",
)
PASSED_OVER = Text(
    "{name} ({source}) is passed over: a plugin is disabled, see `popbridge plugins`.",
    "{name}（{source}）已忽略：有插件已停用，见 `popbridge plugins`。",
)

PATTERNS = (
    (r"Setting (\S+) from (.+?) is (?P<value>.*); (it must be .+)\. \((?P<help>.*)\)",
     "设置 {0}（来自{1}）为 {2}，无效：{3}。"),
    (r"Setting (\S+) from (.+?) is (?P<value>.*); (?P<said>.+)\. \((?P<help>.*)\)",
     "设置 {0}（来自{1}）为 {2}，无效：{3}。"),
    (r"a flag", "命令行选项"),
    (r"(?P<variable>POPBRIDGE_\w+)", "环境变量 {0}"),
    (r"(?P<file>\S.*\.toml)", " {0}"),
    (r"it must be a whole number from (\S+) to (\S+)", "应为 {0} 到 {1} 的整数"),
    (r"it must be a whole number from (\S+)", "应为不小于 {0} 的整数"),
    (r"it must be a whole number up to (\S+)", "应为不超过 {0} 的整数"),
    (r"it must be a whole number", "应为整数"),
    (r"it must be a number from (\S+) to (\S+)", "应为 {0} 到 {1} 的数"),
    (r"it must be a number from (\S+)", "应为不小于 {0} 的数"),
    (r"it must be a number up to (\S+)", "应为不超过 {0} 的数"),
    (r"it must be a number", "应为数"),
    (r"it must be one of (?P<values>.+)", "应为 {0} 之一"),
    (r"it must be true or false", "应为 true 或 false"),
    (r"it must be a list, by comma", "应为以逗号分隔的列表"),
    (r"it must be text", "应为文本"),
    (r"(--set \S+): (There is no such setting.*)", "{0}：{1}"),
    (r"(?P<file>.+) sets '(\S+)'\. (There is no such setting.*)", "{0} 中设置了 {1}：{2}"),
    (r"There is no such setting: did you mean (.+)\?", "没有这个设置，您是指 {0} 吗？"),
    (r"There is no such setting: there are (?P<names>.+), and a plugin's only while the plugin is loaded\.",
     "没有这个设置；现有：{0}。插件的设置仅在插件已加载时存在。"),
    (r"There is no such setting: there are (?P<names>.+)\.", "没有这个设置；现有：{0}。"),
    (r"(\S+) or (\S+)", "{0} 或 {1}"),
    (r"(\S+) or (\S+) or (\S+)", "{0}、{1} 或 {2}"),
)  # fmt: skip
"""What is wrong with a value, as its declaration finds it out, and its Chinese."""
