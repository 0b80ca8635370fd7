"""Why a file isn't examined or mended, in Chinese: those who find that out say it in English."""

from __future__ import annotations

import re

PATTERNS = (
    (r"is empty \(0 bytes\)", "文件为空（0 字节）"),
    (r"is a truncated or corrupt (\S+)(?: \(.*\))?", "{0} 文件被截断或已损坏"),
    (r"is a (?:truncated|corrupt) (\S+)(?: \(.*\))?", "{0} 文件被截断或已损坏"),
    (r"is a (\S+) of a kind that isn't opened here(?:: (.*)| \((.*)\))?", "不支持此种 {0} 文件"),
    (r"is a Git LFS pointer, not the image itself; run `git lfs pull`",
     "只是 Git LFS 指针，不是图像本身：请运行 `git lfs pull`"),
    (r"is an? (.+) file; give .*", "是 {0} 文件，不在检查范围内"),
    (r"isn't an image of a format known here", "不是已知格式的图像"),
    (r"is (\d+ x \d+) \(([\d,.]+) megapixels\), more than the limit of ([\d,.]+) megapixels",
     "尺寸 {0}（{1} 百万像素）超过 {2} 百万像素的上限"),
    (r"wasn't done within (\d+) ms", "未能在 {0} 毫秒内完成"),
    (r"vanished while the audit ran", "审查期间文件已消失"),
    (r"is being written all the time", "文件一直在被写入"),
    (r"can't be read \((.*)\)", "无法读取（{0}）"),
    (r"isn't there(?: any more)?", "文件已不存在"),
    (r"the folder can't be listed \((.*)\)", "无法列出文件夹（{0}）"),
    (r"its name isn't valid Unicode; rename the file", "文件名不是有效的 Unicode，请重命名"),
    (r"its import settings aren't valid UTF-8; import it anew", "导入设置不是有效的 UTF-8，请重新导入"),
    (r"its import settings hold a value that no receipt can keep; import it anew",
     "导入设置含有回执无法保存的值，请重新导入"),
    (r"(.+) has syntax in line (\d+) that isn't known here", "{0} 第 {1} 行的语法未知"),
    (r"(.+) has (\S+) twice", "{0} 中 {1} 出现两次"),
    (r"(.+) has no (\[.*\])", "{0} 缺少 {1}"),
    (r"(.+) can't be read \((.*)\)", "无法读取 {0}（{1}）"),
    (r"(.+) can't be written: it is read-only\.?", "{0} 为只读，无法写入"),
    (r"(.+) can't be written: (.*?)\.?", "无法写入 {0}（{1}）"),
    (r"(.+) is a link that leads out of the project\.?", "{0} 是指向工程之外的链接"),
)  # fmt: skip
"""What is said, and its Chinese; brackets hold what the system or a library says in its own words."""
_KNOWN = [(re.compile(pattern, re.DOTALL), chinese) for pattern, chinese in PATTERNS]


def in_chinese(reason: str) -> str:
    """`reason` in Chinese; as it is where it isn't known."""
    for pattern, chinese in _KNOWN:
        if found := pattern.fullmatch(reason):
            return chinese.format(*found.groups())
    return reason
