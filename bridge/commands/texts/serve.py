"""What `popbridge serve` says; the daemon itself says it in English."""

from __future__ import annotations

from bridge.core.texts import Phrases

PATTERNS = (
    # The first line and the last.
    (r"(PopBridge \S+) at (\S+) \| (.+) \| adapters: (.+?) \| workloads: ([^|]*)( \| .*)?",
     "{0}，位于 {1} | {2} | 适配器：{3} | 工作负载：{4}{5}"),
    (r" \| disabled plugins: (?P<names>.*) \(see `popbridge plugins`\)",
     " | 已停用的插件：{0}（见 `popbridge plugins`）"),
    (r"(\d+) \(see `popbridge workloads`\)", "{0} 个（见 `popbridge workloads`）"),
    (r"none", "无"),
    (r"CPU: no CUDA driver found", "CPU：未找到 CUDA 驱动"),
    (r"CPU: the CUDA driver doesn't start \(error (\S+)\)", "CPU：CUDA 驱动无法启动（错误 {0}）"),
    (r"CPU: the CUDA driver sees no GPU", "CPU：CUDA 驱动未发现 GPU"),
    (r"CPU: no workload uses (\S+) yet \((.*)\)", "CPU：目前没有工作负载使用 {0}（{1}）"),
    (r"CPU: the setting gpu leaves (.+) alone", "CPU：设置 gpu 已关闭，不使用 {0}"),
    (r"CPU, and CUDA on (.+) for what it does sooner \(`popbridge devices` tries it\)",
     "CPU；{0} 上更快的任务由其 CUDA 运行（可用 `popbridge devices` 测试）"),
    (r"an unnamed GPU", "未命名的 GPU"),
    (r"(.+) and (\d+) more", "{0} 及另外 {1} 个 GPU"),
    (r"Port (\d+) is held by (.+): listening on (\d+) \(another one: --port\)\.",
     "端口 {0} 已被{1}占用：改为监听 {2}（可用 --port 指定其他端口）。"),
    (r"another program", "其他程序"),
    (r"(.+) \(process (\d+)\)", " {0}（进程 {1}）"),
    (r"PopBridge has stopped\.", "PopBridge 已停止。"),
    # Why it doesn't start.
    (r"PopBridge is running already; stop it first\.", "PopBridge 已在运行：请先停止它。"),
    (r"PopBridge is running already at (\S+) \(process (\d+)\); stop it first\.",
     "PopBridge 已在 {0} 运行（进程 {1}）：请先停止它。"),
    (r"(.+) can't be written \((?P<said>.*)\): free its place\.", "无法写入 {0}（{1}）：请腾出该位置。"),
    (r"The folder (.+) can't be written \((?P<said>.*)\): make it writable, or let POPBRIDGE_HOME name "
     r"another folder\.",
     "无法写入文件夹 {0}（{1}）：请使其可写，或让 POPBRIDGE_HOME 指向其他文件夹。"),
    (r"The file (.+) can't be used \((?P<said>.*)\)\.", "无法使用文件 {0}（{1}）。"),
    (r"The folder (.+) can't be used \((?P<said>.*)\)\.", "无法使用文件夹 {0}（{1}）。"),
    (r"Setting host: '(?P<host>.*)' isn't loopback, and there is no TLS yet; use 127\.0\.0\.1\.",
     "设置 host：{0!r} 不是本机回环地址，而目前还不支持 TLS：请使用 127.0.0.1。"),
    (r"Can't listen on (\S+) port (\d+): (?P<said>.*)\.", "无法监听 {0} 的端口 {1}：{2}。"),
    (r"Setting log_level: '(?P<name>.*)' is none of (?P<levels>.*)\.",
     "设置 log_level：{0!r} 无效，应为以下之一：{1}。"),
    (r"Setting log_file: (.+) can't be written \((?P<said>.*)\)\.", "设置 log_file：无法写入 {0}（{1}）。"),
    (r"The worker processes can't be started \((?P<said>.*)\)\.", "无法启动工作进程（{0}）。"),
    (r"The blob folder (.+) can't be made \((?P<said>.*)\)\.", "无法创建数据块文件夹 {0}（{1}）。"),
)  # fmt: skip
"""What the daemon says, and its Chinese."""

PHRASES = Phrases(PATTERNS)
