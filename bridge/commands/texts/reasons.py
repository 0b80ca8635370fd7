"""Why a job of `popbridge run` can't be done, as it is found out in English, and its Chinese."""

from __future__ import annotations

from bridge.audit import reasons
from bridge.commands.texts import SAID, SEVERAL, models, parameters
from bridge.core.texts import Phrases

PATTERNS = (
    # Files, as they were named.
    (r"is a folder; name the files in it, or add --recursive",
     "是文件夹：请指定其中的文件，或加上 --recursive"),
    (r"isn't there, or is no file", "不存在，或不是文件"),
    (r"can't be listed \((?P<said>.*)\)", "无法列出（{0}）"),
    (r"has no images in it", "中没有图像"),
    (r"has no images in it but what earlier runs made", "中除先前运行所生成的以外没有图像"),
    (r"matches no file", "没有匹配任何文件"),
    (r"is a folder", "是文件夹"),
    (r"isn't there", "不存在"),
    (r"is an? (?P<kind>.+) file; give (?P<formats>.*) or (\S+)", "是 {0} 文件，不能处理：请改用 {1} 或 {2}"),
    # Outputs.
    (r"(.+) is there already and wasn't made by an earlier run; --force replaces it",
     "{0} 已经存在，且不是由先前的运行产生的：加上 --force 可覆盖它"),
    (r"(.+) is an input, or another output of this run; give the outputs another name with --name",
     "{0} 是输入，或是此次运行的另一个输出：请用 --name 给输出换一个名称"),
    (r"(.+) can't be replaced \((?P<said>.*)\)", "无法替换 {0}（{1}）"),
    (r"(.+): make room on the disk of --out", "{0}：请在 --out 所在的磁盘上腾出空间"),
    (r"the file (\S+) can't be written \((?P<said>.*)\)", "无法写入文件 {0}（{1}）"),
    # Time and memory.
    (r"wasn't done within (\S+) s; --timeout SECONDS allows more",
     "未能在 {0} 秒内完成：可用 --timeout SECONDS 放宽时限"),
    (r"wasn't done within (\S+) s; --timeout SECONDS or a higher setting deadline_ms allows more",
     "未能在 {0} 秒内完成：可用 --timeout SECONDS 或更大的设置 deadline_ms 放宽时限"),
    (r"a daemon takes at most (\d+) files at once; run it without --daemon",
     "守护进程一次最多处理 {0} 个文件：请去掉 --daemon 运行"),
    (r"(\S+) crashed its worker process \((?P<said>.*)\)", "{0} 使其工作进程崩溃（{1}）"),
    (r"would become (\d+ x \d+) \((\S+) megapixels\), more than the limit of (\S+) megapixels",
     "结果的尺寸 {0}（{1} 百万像素）超过 {2} 百万像素的上限"),
    # Images.
    (rf"can't be written as (\S+) {SAID}", "无法写为 {0}（{1}）"),
    (r"is (\d+) pixels long; (\S+) holds at most (\d+)", "长 {0} 像素，而 {1} 最多 {2}"),
    (r"has (\d+) channels \((.+)\); give grey or RGB, with or without alpha",
     "有 {0} 个通道（{1}）：请用灰度或 RGB，可带 alpha"),
    (r"has (\d+) channels; give grey or RGB, with or without alpha",
     "有 {0} 个通道：请用灰度或 RGB，可带 alpha"),
    (r"is (\d+ x \d+), but (.+) (\d+ x \d+); only images of the same size can be compared",
     "为 {0}，而 {1} 为 {2}：只能比较尺寸相同的图像"),
    (r"is (\d+ x \d+), but (.+) (\d+ x \d+); make them equal, or choose `size=largest`",
     "为 {0}，而 {1} 为 {2}：请使其相同，或用 `size=largest`"),
    (r"is (\d+ x \d+), but (.+) is (\d+ x \d+); a normal map must have the size of the roughness map",
     "为 {0}，而 {1} 为 {2}：法线贴图须与粗糙度贴图尺寸相同"),
    (r"is (\d+ x \d+); a side that is made to tile needs (\d+) pixels",
     "为 {0}：要平铺的边至少需要 {1} 像素"),
    (r"is grey; a normal map has red, green and blue", "是灰度图：法线贴图应有红、绿、蓝"),
    (r"is grey, but a normal map has three colours; set kind to data or give another file",
     "是灰度图，而法线贴图有三种颜色：请将 kind 设为 data，或改用其他文件"),
    (r"has no three colours, as a normal map has", "没有法线贴图应有的三种颜色"),
    (r"has values from (\S+) to (\S+); the networks know none but those of 0 to 1",
     "的值为 {0} 到 {1}，而网络只能处理 0 到 1"),
    (r"has no alpha channel to take", "没有可用的 alpha 通道"),
    (r"has no alpha channel, whose coverage could be kept; leave coverage out",
     "没有可保持覆盖率的 alpha 通道：请去掉 coverage"),
    (r"has no alpha, in which (\S+) keeps (\S+)", "没有 alpha，而 {0} 在其中保存 {1}"),
    (r"is grey, so that it isn't packed as (\S+)", "是灰度图，因此不是按 {0} 打包的"),
    (r"isn't used by any channel; leave it out", "没有通道使用它：请去掉"),
    (r"would be called (\S+) in the atlas, as (.+) is; rename one of them",
     "在图集中会与 {1} 同名（{0}）：请为其一改名"),
    (r"is (\d+ x \d+)(.*); a page is at most (\d+ x \d+) by (\S+): raise that or give a smaller sprite",
     "为 {0}{1}，而一页最多 {2}（由 {3} 限制）：请提高该值，或改用较小的精灵"),
    # Compression.
    (r"has transparency, which (\S+) can't hold: choose (.+), or alpha: drop",
     "有透明度，而 {0} 无法保存：请选择 {1}，或 alpha: drop"),
    (r"bc3, bc7, etc2_rgba or an astc", "bc3、bc7、etc2_rgba 或任一 astc 格式"),
    (r"has one channel, (\S+) two: choose (\S+)", "只有一个通道，而 {0} 有两个：请选择 {1}"),
    (r"is a normal map, which (\S+) can't hold", "是法线贴图，而 {0} 无法保存"),
    (r"is grey, which no normal map is", "是灰度图，不是法线贴图"),
    (r"target_db chooses the format, so leave format at auto, or ask for its PSNR by measure",
     "target_db 用于选择格式，请将 format 保持为 auto，或用 measure 给出 PSNR"),
    (r"a DDS holds BC alone: leave etc2 and astc out of candidates, or choose ktx2",
     "DDS 只支持 BC：请从 candidates 中去掉 etc2 和 astc，或选择 ktx2"),
    (r"a DDS can't be packed by zstd: leave it out, or choose ktx2",
     "DDS 不能用 zstd 压缩：请去掉，或选择 ktx2"),
    (r"a DDS holds BC alone, not (\S+): choose ktx2", "DDS 只支持 BC，不支持 {0}：请选择 ktx2"),
    # Parameters that don't go together.
    (r"give one of (.+); got none of them", "请给出以下之一：{0}；一个也没有给出"),
    (r"give one of (.+); got (.+)", "请只给出以下之一：{0}；给出了 {1}"),
    (r"(\w+) and (\w+)", "{0} 和 {1}"),
    (r"(\w+(?: and \w+)+) and (\w+)", "{0} 和 {1}"),
    (r"(\w+ and \w+)(?P<more>(?:, \w+)+)", "{0}{1}"),
    (r"(\S+) takes (\d+) inputs in this order: (?P<maps>.+); got (\d+)\. Say with `holds` what each "
     r"one holds",
     "{0} 依次需要 {1} 个输入：{2}；给出了 {3} 个。请用 `holds` 说明各输入的内容"),
    (r"`holds` names (\d+) inputs, but there are (\d+)", "`holds` 说明了 {0} 个输入，而有 {1} 个"),
    (r"layout (\S+) can't say that a sprite is turned; leave rotate off",
     "布局 {0} 无法表示精灵的旋转：请关闭 rotate"),
    (r"give texts, or files of text as inputs", "请给出文本，或以文本文件作为输入"),
    (r"is more than 1 MiB of text", "是超过 1 MiB 的文本"),
    (r"isn't text in UTF-8", "不是 UTF-8 文本"),
    (r"step (\d+) is (\S+), which is no operation on images; there are (?P<names>.+)",
     "第 {0} 步 {1} 不是图像操作；现有：{2}"),
    (r"step (\d+), (\S+), gives no image, so that it must be the last",
     "第 {0} 步 {1} 不产生图像，因此必须是最后一步"),
    (r"step (\d+), (\S+): (.+)", "第 {0} 步 {1}：{2}"),
    # The daemon.
    (r"The bridge has (\d+) open requests, its most", "守护进程未完成的请求已达上限（{0}）"),
    (r"The bridge is shutting down", "守护进程正在关闭"),
    (r"(.+) failed; the daemon's log has the details", "{0} 失败：详情见守护进程的日志"),
    (r"(\S+) crashed its worker process on (.+) \((?P<said>.*)\)",
     "{0} 在处理 {1} 时使其工作进程崩溃（{2}）"),
    (r"(.+) is (\S+(?: \S+)?), more than this bridge takes \((.+)\)",
     "{0} 为 {1}，超过守护进程的上限（{2}）"),
    (r"(.+ can't be kept: .+)\. (.+)", "{0}。{1}"),
    (r"(.+) can't be kept: (.+)", "无法保存 {0}：{1}"),
    (r"What it makes", "所生成的内容"),
    (r"the daemon's quota \(setting blobs\.quota\) is reached: (\d+) of (\d+) bytes, and nothing more can be "
     r"removed now",
     "守护进程的配额（设置 blobs.quota）已用尽：已用 {0} / {1} 字节，目前没有可删除的内容"),
    (r"(?P<said>.+) in the daemon's data folder", "守护进程的数据文件夹中：{0}"),
    (r"It is the daemon's data folder (.+) that is full: make room there",
     "已满的是守护进程的数据文件夹 {0}：请在其中腾出空间"),
    (r"Raise that setting for the daemon's data folder (.+); or try again in a few minutes: what was used in "
     r"the last 5 stays there, as does what open popups, receipts and requests need",
     "请为守护进程的数据文件夹 {0} 调高该设置；或几分钟后重试：最近 5 分钟内用过的，"
     "以及未处理的弹窗、回执和请求所需的，仍会保留"),
    # Models and GPUs.
    (r"the model (\S+) can't be opened \((?P<said>.*)\)", "无法打开模型 {0}（{1}）"),
    (r"onnxruntime can't be loaded \((?P<said>.*)\): `popbridge devices` says what to do",
     "无法加载 onnxruntime（{0}）：处理方法见 `popbridge devices`"),
    (r"the GPU's memory is full", "显存已满"),
    (r"the workers are shutting down", "工作进程正在关闭"),
    (r"the workload failed \((?P<said>.*)\)", "工作负载失败（{0}）"),
)  # fmt: skip
"""What accel and the parts of `run` say of a file or of parameters."""

# What isn't known as a whole isn't taken for several sentences, or both languages would stand in one.
_MODELS = tuple(pattern for pattern in models.PATTERNS if pattern is not SEVERAL)
PHRASES = Phrases((*PATTERNS, *reasons.PATTERNS, *parameters.PATTERNS, *_MODELS))
