"""What `popbridge models` says; why a model can't be had is found out in English, by accel."""

from __future__ import annotations

from bridge.commands.texts import SAID, SEVERAL
from bridge.core.texts import Phrases, Text

HEADS = {
    "model": Text("model", "模型"),
    "task": Text("what it does", "用途"),
    "for": Text("for", "用于"),
    "licence": Text("licence", "许可证"),
    "size": Text("size", "大小"),
    "state": Text("state", "状态"),
}
STATES = {
    "shipped": Text("shipped", "随程序提供"),
    "pulled": Text("pulled", "已下载"),
    "not pulled": Text("not pulled", "未下载"),
    "broken": Text("broken", "已损坏"),
}
FOLDER = Text("Models folder: {folder}", "模型文件夹：{folder}")
FAILED = Text("{name}: {reason}.", "{name}：{reason}。")
PULLED = Text("{name}: pulled, {size}", "{name}：已下载，{size}")
THERE = Text("{name}: is there already", "{name}：已经存在")
TOOK = Text("{name}: took {file}, {size}", "{name}：已导入 {file}，{size}")
MISSING = Text("{name}: {files} is still missing", "{name}：仍缺少 {files}")
MISSING_SOME = Text("{name}: {files} are still missing", "{name}：仍缺少 {files}")
USELESS = Text("{file} {why}.", "{file} {why}。")
NO_FILE = Text("{files} has no file of a known model.", "{files} 中没有已知模型的文件。")
SEE_LIST = Text(
    "`popbridge models list --json` shows their digests and where they come from.",
    "`popbridge models list --json` 会列出各文件的摘要和来源。",
)
NO_MATCH = Text("{file} matches no file.", "{file} 没有匹配任何文件。")
RIGHT = Text("{name}: intact", "{name}：完好")
STATE = Text("{name}: {state}", "{name}：{state}")
FAULTY = Text("{name}: {state} ({faults}): {remedy}", "{name}：{state}（{faults}）：{remedy}")
GET_RIGHT = Text("get the right to read it", "请取得读取权限")
STAYS = Text("{name} is part of the program and stays.", "{name} 是程序的一部分，不会移除。")
REMOVED = Text("{name}: removed", "{name}：已移除")
WAS_NOT = Text("{name}: was not pulled", "{name}：未曾下载")
HELD = Text(
    "{name}: another popbridge is pulling or changing it; waiting until it is done.",
    "{name}：另一个 popbridge 正在下载或更改它，等待其完成。",
)
NAME_SOME = Text("Give the names of models, or --all.", "请给出模型名称，或使用 --all。")
IS_WORKLOAD = Text(
    "{name} is a workload, which uses {models}: name that instead.",
    "{name} 是工作负载，它使用 {models}：请改用该名称。",
)
UNKNOWN = Text(
    "There is no model {name!r}; did you mean {close}?", "没有名为 {name!r} 的模型；您是指 {close} 吗？"
)
UNKNOWN_OF = Text(
    "There is no model {name!r}; there are {names}.", "没有名为 {name!r} 的模型；现有：{names}。"
)
UNCLEAR = Text(
    "The licence of {name} is unclear ({source}): pull it with --accept-unclear-licence if you have made "
    "sure that you may use it.",
    "{name} 的许可证不明确（{source}）：如果您已确认可以使用，请加上 --accept-unclear-licence 下载。",
)
AND = Text("{most} and {last}", "{most} 和 {last}")

PATTERNS = (
    # What models do, and their licences.
    (r"Tells what a texture is for, by its pixels", "根据像素判断贴图的用途"),
    (r"Guesses how high a surface is from its colours", "根据颜色推测表面高度"),
    (r"Tells what stands before a picture's background", "区分图像的前景与背景"),
    (r"Enlarges a picture to twice its size, faithfully", "将图像忠实放大到两倍"),
    (r"Enlarges a picture to four times its size, with sharp edges", "将图像放大到四倍，边缘清晰"),
    (r"Turns text into 384 numbers, alike where the meaning is", "将文本转为 384 个数，含义相近则数值相近"),
    (r"Finds lines of text in a picture and reads them", "查找并识别图像中的文字行"),
    (r"Turns a picture into 1280 numbers, alike where pictures look alike",
     "将图像转为 1280 个数，外观相近则数值相近"),
    (r"unclear", "不明确"),
    # What is wrong with a file.
    (r"is missing", "缺失"),
    (r"is damaged", "已损坏"),
    (r"can't be read \((?P<said>.*)\)", "无法读取（{0}）"),
    (r"isn't a whole archive: get it again", "不是完整的压缩包：请重新获取"),
    (r"has one of the (\d+) parts that (\S+) of (\S+) is made of: give all",
     "只有 {2} 的 {1} 所需 {0} 个部分之一：请全部提供"),
    (r"has no file of a known model, or not as it was declared: it may be cut off, or another version",
     "中没有已知模型的文件，或与声明不符：可能不完整，或是其他版本"),
    (r"is called like a file of (.+) or (\S+) and isn't it: it is another program's, another version, or cut "
     r"off\. If it was meant, get it again",
     "与 {0} 或 {1} 的文件同名，但并不是它：可能属于其他程序，或是其他版本，或不完整。"
     "如果确实要用它，请重新获取"),
    (r"is called like a file of (\S+) and isn't it: it is another program's, another version, or cut off\. "
     r"If it was meant, get it again",
     "与 {0} 的文件同名，但并不是它：可能属于其他程序，或是其他版本，或不完整。如果确实要用它，请重新获取"),
    (r"(\S+) isn't the file that was declared \(its SHA-256 is another\)",
     "{0} 与声明的文件不符（SHA-256 不同）"),
    (r"(\S+) in (\S+) isn't the file that was declared \(its SHA-256 is another\)",
     "{1} 中的 {0} 与声明的文件不符（SHA-256 不同）"),
    (r"(\S+) isn't the file that was declared \(it is longer than ([\d,]+) bytes\)",
     "{0} 与声明的文件不符（超过 {1} 字节）"),
    (rf"(\S+) can't be made of its parts {SAID}", "无法由各部分生成 {0}（{1}）"),
    (r"the model (\S+) isn't on this machine: (.+)", "本机没有模型 {0}：{1}"),
    (r"(\S+) of the model (\S+) is damaged: (.+)", "模型 {1} 的 {0} 已损坏：{2}"),
    (r"the model (\S+) is damaged: (.+)", "模型 {0} 已损坏：{1}"),
    (r"install popbridge again", "请重新安装 popbridge"),
    (r"run `(.+)`", "请运行 `{0}`"),
    (r"run `(.+)` again", "请重新运行 `{0}`"),
    # The folder.
    (r"(.+) can't be written \((?P<said>.*)\): make room or get the right to, or name another folder by the "
     r"setting models\.folder",
     "无法写入 {0}（{1}）：请腾出空间或取得权限，或用设置 models.folder 指定其他文件夹"),
    (r"(.+) can't be removed \((?P<said>.*)\); a program may have it open",
     "无法移除 {0}（{1}）；可能有程序正在使用它"),
    # Sources, one after the other.
    (r"(.+)\. Pull it again later, or bring along what has it: `(.+)`",
     "{0}。请稍后重新下载，或自行提供文件：`{1}`"),
    (r"(.+), ([\d.]+) of ([\d.]+) MB are kept and pulling it again goes on from there",
     "{0}，已保留 {1} / {2} MB，重新下载时会继续"),
    (r"(.+) \(by the proxy (\S+)\)", "{0}（经由代理 {1}）"),
    (r"(.+) \(([\d.]+) MB are free of the ([\d.]+) that pip takes\)", "{0}（pip 需要 {2} MB，可用 {1} MB）"),
    (r"(http\S+): (.+)", "{0}：{1}"),
    (r"(http\S+) has less of it than came before", "{0} 上的文件比已下载的部分还短"),
    (r"has less of it than came before", "服务器上的文件比已下载的部分还短"),
    (r"(http\S+) is sent compressed \((\S+)\), which wasn't asked for", "{0} 以未请求的压缩方式（{1}）发送"),
    (r"(http\S+) sends another part of it than was asked for", "{0} 发送的部分与请求的不同"),
    (r"sends another part of it than was asked for", "服务器发送的部分与请求的不同"),
    (r"isn't the file that was declared \(its SHA-256 is another\)", "与声明的文件不符（SHA-256 不同）"),
    (r"isn't the file that was declared \(it is longer than ([\d,]+) bytes\)",
     "与声明的文件不符（超过 {0} 字节）"),
    (r"(http\S+) is a web page where ([\d,]+) bytes were declared", "{0} 是网页，而声明的文件为 {1} 字节"),
    (r"(http\S+) is a web page of ([\d,]+) bytes where ([\d,]+) bytes were declared",
     "{0} 是 {1} 字节的网页，而声明的文件为 {2} 字节"),
    (r"(http\S+) is a file of ([\d,]+) bytes where ([\d,]+) bytes were declared",
     "{0} 为 {1} 字节，而声明的文件为 {2} 字节"),
    (r"(\S+) isn't an address with https", "{0} 不是 https 地址"),
    (r"the address of (\S+) has a name or password in it, which isn't sent: leave it out",
     "{0} 的地址中含有用户名或密码，不会发送：请去掉"),
    (r"(http\S+) redirects to nowhere, or in a circle \((\d+)\)", "{0} 的重定向无效或循环（{1}）"),
    (r"(http\S+) answered (.+)", "{0} 的应答为 {1}"),
    (r"nothing came for (\S+) s", "{0} 秒内没有收到数据"),
    (rf"its certificate isn't trusted {SAID}", "其证书不受信任（{0}）"),
    (r"SSL_CERT_FILE names another authority", "可用 SSL_CERT_FILE 指定其他证书颁发机构"),
    (r"it closed the connection without an answer", "对方未应答就关闭了连接"),
    (r"what it answers isn't HTTP", "其应答不是 HTTP"),
    (r"the file ended early", "文件提前结束"),
    (r"pip isn't installed beside this program, which downloads by it: run `(.+)`, or give a wheel that you "
     r"have to `(.+)`", "本程序通过 pip 下载，但未安装 pip：请运行 `{0}`，或将已有的 wheel 交给 `{1}`"),
    (r"pip can't download (.+?): (.+)", "pip 无法下载 {0}：{1}"),
    (r"pip gave (.+) where a wheel of (.+) was asked for", "请求的是 {1} 的 wheel，pip 给出的却是 {0}"),
    (r"the package index can't be reached", "无法连接软件包索引"),
    (r"no package index that it asks has it, or none can be reached",
     "所查询的软件包索引中没有它，或都无法连接"),
    (rf"(\S+) has no (\S+) that can be read {SAID}", "{0} 中没有可读取的 {1}（{2}）"),
    SEVERAL,
)  # fmt: skip
"""What accel says of models, and its Chinese."""

PHRASES = Phrases(PATTERNS)
