"""Why a file isn't examined or mended, and what is odd about a project, in Chinese: those who find that out
say it in English."""

from __future__ import annotations

import re

PATTERNS = (
    (r"is empty \(0 bytes\)", "文件为空（0 字节）"),
    (r"is a truncated or corrupt (\S+)(?: \(.*\))?", "{0} 文件被截断或已损坏"),
    (r"is a (?:truncated|corrupt) (\S+)(?: \(.*\))?", "{0} 文件被截断或已损坏"),
    (r"is a TIFF of 8 bit CIELAB colours, which aren't opened here; save it as RGB, or with 16 bits",
     "是 8 位 CIELAB 颜色的 TIFF，不在支持范围内：请另存为 RGB，或使用 16 位"),
    (r"is a (\S+) of a kind that isn't opened here; save it as PNG \((.*)\)",
     "不支持此种 {0} 文件，请另存为 PNG（{1}）"),
    (r"is a (\S+) of a kind that isn't opened here: (.*)", "不支持此种 {0} 文件：{1}"),
    (r"it holds each channel by itself; save it with interleaved channels",
     "各通道分开存储，请以交错通道另存"),
    (r"it holds a JPEG or PNG for a printer; save it as PNG", "其中是供打印机用的 JPEG 或 PNG，请另存为 PNG"),
    (r"it is deep data; flatten it", "是深度采样数据，请先展平"),
    (r"its colours are XYZ; save it as RGB", "颜色为 XYZ，请另存为 RGB"),
    (r"its mode is Lab or Multichannel; convert it to RGB", "模式为 Lab 或多通道，请转换为 RGB"),
    (r'it has no merged picture; save it with "Maximize Compatibility"',
     "没有合并的图像，请以“最大兼容”另存"),
    (r"DXGI format (\d+); save it as BC7 or RGBA", "DXGI 格式 {0}，请另存为 BC7 或 RGBA"),
    (r"pixel format (\S+); save it as BC7 or RGBA", "像素格式 {0}，请另存为 BC7 或 RGBA"),
    (r"(\d+) bits a pixel without colours; save it as BC7 or RGBA",
     "每像素 {0} 位而没有颜色，请另存为 BC7 或 RGBA"),
    (r"its bit masks are unusual; save it as BC7 or RGBA", "位掩码不常见，请另存为 BC7 或 RGBA"),
    (r"its pixels are Basis Universal; write it as BC7, ASTC or RGBA, for example by `ktx transcode`",
     "像素为 Basis Universal，请写为 BC7、ASTC 或 RGBA，例如用 `ktx transcode`"),
    (r"Vulkan format (\d+); write it as BC7, ASTC or RGBA", "Vulkan 格式 {0}，请写为 BC7、ASTC 或 RGBA"),
    (r"packing (\d+); write it without, or packed by zstd", "打包方式 {0}，请不打包，或用 zstd 打包"),
    (r"is a Git LFS pointer, not the image itself; run `git lfs pull`",
     "只是 Git LFS 指针，不是图像本身：请运行 `git lfs pull`"),
    (r"is an? (.+) file; give (.*) or (\S+)", "是 {0} 文件，不在检查范围内，请改用 {1} 或 {2}"),
    (r"is a folder", "是文件夹"),
    (r"isn't an image of a format known here", "不是已知格式的图像"),
    (r"is (\d+ x \d+) \(([\d,.]+) megapixels\), more than the limit of ([\d,.]+) megapixels",
     "尺寸 {0}（{1} 百万像素）超过 {2} 百万像素的上限"),
    (r"wasn't done within (\d+) ms", "未能在 {0} 毫秒内完成"),
    (r"vanished while the audit ran", "审查期间文件已消失"),
    (r"is being written all the time", "文件一直在被写入"),
    (r"needs more memory than a worker may take(?: \(\d+ MiB\))?", "所需内存超过工作进程的上限"),
    (r"can't be read \((.*)\)", "无法读取（{0}）"),
    (r"can't be read any more \((.*)\)", "已无法再读取（{0}）"),
    (r"isn't there(?: any more)?", "文件已不存在"),
    (r"the folder can't be listed \((.*)\)", "无法列出文件夹（{0}）"),
    (r"its name isn't valid Unicode; rename the file", "文件名不是有效的 Unicode，请重命名"),
    (r"its import settings aren't valid UTF-8; import it anew", "导入设置不是有效的 UTF-8，请重新导入"),
    (r"its import settings hold a value that no receipt can keep; import it anew",
     "导入设置含有回执无法保存的值，请重新导入"),
    (r"(.+): correct it, or import the texture anew in (.+)\.", "{0}：请更正，或在 {1} 中重新导入该贴图"),
    (r"(.+) isn't imported: open the project in (.+) once\.", "{0} 尚未导入：请在 {1} 中打开一次该工程"),
    (r"(.+) is imported as (.+), not as a texture\.", "{0} 按 {1} 导入，而不是贴图"),
    (r"(.+) is of a type that only (.+) itself can change\.", "{0} 的类型只有 {1} 自己才能更改"),
    (r"(.+) is (.+) here, and (.+) isn't of that type\.", "{0} 在此为 {1}，{2} 不属于该类型"),
    (r"(.+) isn't there\.", "{0} 不存在"),
    (r"(.+) has syntax in line (\d+) that isn't known here", "{0} 第 {1} 行的语法未知"),
    (r"(.+) has (\S+) twice", "{0} 中 {1} 出现两次"),
    (r"(.+) has no (\[.*\])", "{0} 缺少 {1}"),
    (r"(.+) can't be read \((.*)\)", "无法读取 {0}（{1}）"),
    (r"(.+) can't be read: (.*?)\.?", "无法读取 {0}（{1}）"),
    (r"(.+) can't be written: it is read-only\.?", "{0} 为只读，无法写入"),
    (r"(.+) can't be written: (.*?)\.?", "无法写入 {0}（{1}）"),
    (r"This folder lies in a project of (.+) \((.+)\): audit that for its import settings\.",
     "此文件夹位于 {0} 工程（{1}）之中：要检查导入设置，请审查该工程。"),
    (r"There is a project of (.+) in it \((.+)\): audit that for its import settings\.",
     "其中有一个 {0} 工程（{1}）：要检查导入设置，请审查该工程。"),
    (r"There are projects of (.+) in it \((.+)\): audit each for its import settings\.",
     "其中有 {0} 工程（{1}）：要检查导入设置，请逐一审查。"),
    (r"There are projects in it \((.+)\): audit each for its import settings\.",
     "其中有多个工程（{0}）：要检查导入设置，请逐一审查。"),
    (r"(.+) and (\d+) more", "{0} 等，另有 {1} 个"),
    (r"(.+) is served by no adapter \((.+) are\): the files alone are audited\.",
     "没有适配器支持 {0}（支持的是 {1}）：仅检查文件本身。"),
    (r"(.+) isn't known to (\S+) \((.+)\); it serves all the same\. "
     r"Update PopBridge if something looks wrong\.",
     "{1}（{2}）并不认识 {0}，但仍会使用：如有异常，请更新 PopBridge。"),
    (r"(.+) can't tell whether this is a project of (.+) \((.*)\)\.",
     "{0} 无法判断这是否为 {1} 工程（{2}）。"),
    (r"(.+) is a link that leads out of the project\.?", "{0} 是指向工程之外的链接"),
)  # fmt: skip
"""What is said, and its Chinese; brackets hold what the system or a library says in its own words.

What is said within another sentence, as a remedy is, has an entry of its own.
"""
_KNOWN = [(re.compile(pattern, re.DOTALL), chinese) for pattern, chinese in PATTERNS]


def in_chinese(reason: str) -> str:
    """`reason` in Chinese; as it is where it isn't known."""
    for pattern, chinese in _KNOWN:
        if found := pattern.fullmatch(reason):
            return chinese.format(*map(in_chinese, found.groups()))
    return reason
