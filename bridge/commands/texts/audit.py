"""What is said of a mistake in a call of `popbridge audit`; what it reports has texts of its own."""

from __future__ import annotations

from bridge.core.texts import Text

IS_IMAGE = Text(
    "{file} is an image: name another file for the report.", "{file} 是图像：请为报告指定其他文件。"
)

PATTERNS = (
    (r"(.+) is no texture of a project, or passed over: name one, or the folder that it lies in, (.+)\.",
     "{0} 不是项目中的贴图，或已被略过：请改为指定一张贴图，或该文件所在的文件夹 {1}。"),
    (r"(.+) isn't there: name a project, or a folder or texture in one\.",
     "{0} 不存在：请指定项目，或其中的文件夹或贴图。"),
    # Reports.
    (r"(.+) can't be written: there is no folder (.+)\.", "无法写入 {0}：没有文件夹 {1}。"),
    (r"(.+) can't be written: there is no right to write in (.+)\.",
     "无法写入 {0}：没有在 {1} 中写入的权限。"),
    (r"(.+) can't be written: it is read-only\.", "无法写入 {0}：它是只读的。"),
    (r"(.+) can't be written: it is read-only; check it out, or make it writable\.",
     "无法写入 {0}：它是只读的，请先签出，或取消只读。"),
    (r"(.+) can't be written: another program has it open, or there is no right to it\.",
     "无法写入 {0}：它正被其他程序占用，或没有访问权限。"),
    (r"(.+) can't be written: (?P<said>.+)\.", "无法写入 {0}（{1}）。"),
    (r"(.+) can't be written \(it is a link that leads to itself\)\.",
     "无法写入 {0}（它是指向自身的链接）。"),
    (r"(.+) can't be written \((?P<said>.*)\)\.", "无法写入 {0}（{1}）。"),
    # Baselines.
    (r"There is no baseline (.+): --update-baseline makes it\.",
     "没有基线文件 {0}：可用 --update-baseline 创建。"),
    (r"The baseline (.+) can't be read \((?P<said>.*)\)\.", "无法读取基线文件 {0}（{1}）。"),
    (r"(.+) is no baseline \(it isn't UTF-8\)\. (.+)", "{0} 不是基线文件（不是 UTF-8）。{1}"),
    (r"(.+) is no baseline \(line (\d+): (?P<said>.*)\)\. (.+)", "{0} 不是基线文件（第 {1} 行：{2}）。{3}"),
    (r"(.+) is no baseline \((?P<said>.*)\)\. (.+)", "{0} 不是基线文件（{1}）。{2}"),
    (r"Correct it, or remove it and let --update-baseline of the whole project make it anew\.",
     "请更正它，或将其移除后对整个项目使用 --update-baseline 重新生成。"),
    (r"(.+) is a baseline of another PopBridge: --update-baseline of the whole project makes it anew\.",
     "{0} 是其他版本 PopBridge 的基线文件：可对整个项目使用 --update-baseline 重新生成。"),
    (r"(.+) is there and no baseline: name another file, or remove it\.",
     "{0} 已经存在，但不是基线文件：请指定其他文件，或将其移除。"),
    # What --fix and the work itself need.
    (r"The name of (.+) isn't valid Unicode: rename the folder, then --fix can mend in it\.",
     "{0} 的名称不是有效的 Unicode：请重命名该文件夹，之后 --fix 才能修改其中的设置。"),
    (r"--fix --no-cache keeps in a temporary folder what it finds, and none can be made \((?P<said>.*)\): "
     r"let TMPDIR \(on Windows: TEMP\) name a folder with room that can be written, or leave "
     r"out --no-cache\.",
     "--fix --no-cache 会将结果暂存在临时文件夹中，而该文件夹无法创建（{0}）：请让 TMPDIR"
     "（Windows 上为 TEMP）指向可写且有空间的文件夹，或去掉 --no-cache。"),
    (r"(.+): the adapter failed while it wrote import settings \((?P<said>.*)\)\. Some may be written: "
     r"(`.+`) puts these back\.",
     "{0}：适配器写入导入设置时出错（{1}）。部分设置可能已写入：可用 {2} 还原。"),
    (r"(The database .+) Import settings may be written: (`.+`) puts these back\.",
     "{0}导入设置可能已写入：可用 {1} 还原。"),
    (r"(.+): its adapter can't list the textures \((?P<said>.*)\)\.", "{0}：其适配器无法列出贴图（{1}）。"),
    (r"No worker process can be started \((?P<said>.*)\)\.", "无法启动工作进程（{0}）。"),
)  # fmt: skip
"""What `bridge.audit` says in English, and its Chinese."""
