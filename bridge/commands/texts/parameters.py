"""What each workload's parameters are, in Chinese, by the class and the name of each; what values they take,
and what is wrong with one."""

from __future__ import annotations

from bridge.core.texts import Phrases

_AUTO_KIND = (
    "`auto` 将十分之九的像素为总体朝外的单位向量（全图同一方向时须垂直朝外）"
    "的颜色视为 `normal` 贴图，除非 `transfer` 为 `srgb`；"
    "其余的，sRGB、三色浮点和带透明度的视为 `color`，灰度和按 `linear` 读取的视为 `data`。"
    "结果会说明是哪一种。"
)
_SIGNED = (
    "对 32 位浮点：其值是否就是向量本身（-1 到 1），而不是编码为 0 到 1；"
    "`auto` 在有小于 0 的值，或只有如此读取才是单位向量时，视为是。"
)
_BEYOND = "边缘之外视为什么：边缘自身的重复，或者，对可平铺的，为对边"

ABOUT = {
    "Echo.value": "任意值；原样返回。",
    "Reading.transfer": "8 位和 16 位颜色的编码方式：图片为 `srgb`；数据（法线、高度、遮罩）为 `linear`，"
    "其数值保持不变：不应用颜色配置文件，也不乘以 alpha。`auto` 将三色视为 sRGB，除非 KTX2 注明为线性；"
    "将灰度视为数据。浮点为线性。",
    "Writing.format": "文件格式；`same` 与第一个输入相同，该格式无法写出时为 PNG。",
    "Writing.quality": "用于 JPEG、AVIF 和有损的 WebP。",
    "Writing.bits": "每通道的位数：8 或 16 位整数，32 位浮点；EXR 的 16 为半精度浮点。"
    "格式不支持时取最接近的。",
    "Writing.lossless": "WebP 和 AVIF 是否完整保留每个像素。",
    "AtlasParams.name": "文件的名称：`NAME` 为图像，`NAME.data` 为数据；有多页时为 `NAME.0`、"
    "`NAME.0.data` 等。"
    "数据中以 `NAME.png`（视格式而定）指代图像。",
    "AtlasParams.layout": "数据的布局。`hash` 和 `array`：JSON，`frames` 按名称或为列表，每页一个文件，"
    "大多数导入器可读取。`multi`：所有页一个 JSON，`textures` 中各有 `frames`。`regions`：所有页一个 JSON，"
    "`textures` 中各有 `sprites`，含 `region` 和 `margin`（.tpsheet）。`lines`：文本，"
    "每个精灵一行 `name;x;y;w;h;pivot x;pivot y`，y 从下往上，每页一个文件（.tpsheet）。",
    "AtlasParams.max_size": "一页的最长边，像素。",
    "AtlasParams.size": "一页边长的要求；块压缩需要 4 的倍数。",
    "AtlasParams.square": "各页是否宽高相等。",
    "AtlasParams.padding": "精灵之间的像素数，不含各自的外扩。",
    "AtlasParams.border": "页边缘留空的像素数。",
    "AtlasParams.extrude": "精灵的边缘向外重复的像素数，以免滤波时混入其他颜色。",
    "AtlasParams.trim": "是否裁去透明边；数据中保留原尺寸。",
    "AtlasParams.trim_alpha": "边上的像素 alpha（0 到 1）不超过此值时视为透明。",
    "AtlasParams.trim_margin": "在不透明部分周围保留的透明像素数。",
    "AtlasParams.rotate": "精灵可否顺时针旋转 90 度，可使页面稍为紧密。不是每个导入器都会转回；"
    "`regions` 和 `lines` 无法表示旋转。",
    "AtlasParams.aliases": "像素相同的精灵是否只放一次。",
    "AtlasParams.folders": "精灵是否以其在共同文件夹下的路径命名，而不只是文件名。",
    "AtlasParams.extension": "名称是否保留文件扩展名。",
    "AtlasParams.pivot_x": "各精灵的轴心位置：0 为左边缘，1 为右边缘。",
    "AtlasParams.pivot_y": "0 为上边缘，1 为下边缘；以未裁剪的精灵为准。",
    "AtlasParams.effort": "尝试多少种打包方式；`best` 耗时数倍。",
    "BleedAlpha.threshold": "alpha 不超过此值的像素，其颜色会被替换；0：仅 alpha 为 0 的像素。",
    "BleedAlpha.edge": "颜色是否也跨越边缘扩散，适用于可平铺的纹理（`wrap`）。",
    "Compare.tolerance": "通道相差不超过满量程的多少，仍算作相同的像素。",
    "Compare.difference": "是否给出差异的图像。",
    "Compare.amplify": "该图像中差异的放大倍数。",
    "Compress.format": "块格式；`auto` 为 `candidates` 中能达到 `target_db` 的最小格式。`bc4` 和 `eac_r11` "
    "保留红色（或灰度），`bc5` 和 `eac_rg11` 保留红色和绿色，`bc1`、`bc6h` 和 `etc2_rgb` 保留所有颜色，"
    "其余的还保留透明度。浮点的光适合 `bc6h`；其余格式将其变为 8 位（三色时为 sRGB），超过 1 的部分截去。"
    "任何格式都不能保存低于 0 的值，它们变为 0，并在结果中说明。",
    "Compress.target_db": "`auto` 的目标：最大的一级至少达到的 PSNR，dB；`null` 为 40。",
    "Compress.candidates": "目标平台支持什么，用于 `auto`：`bc` 为桌面和主机，`etc2` 为手机上的 OpenGL ES "
    "3 和 "
    "Vulkan，`astc` 为近十年的手机。",
    "Compress.quality": "BC6H、BC7 和 ASTC 的搜索时间（4 MP 的图像用 `best` 可能需要一分钟）；"
    "其他编码器只有一种。",
    "Compress.alpha": "`drop` 去掉透明度；否则拒绝使用不支持透明度的格式。",
    "Compress.kind": "通道的含义：`color` 为颜色；`normal` 为法线贴图的向量，保持其编码，不标记为 sRGB，"
    "按向量衡量误差；`data` 为数据，同样保持不变且不标记。" + _AUTO_KIND,
    "Compress.mipmaps": "是否写入之前的 `image.mipmaps` 步骤所生成的，或 DDS、KTX2 自带的较小级别。"
    "此处不会生成。",
    "Compress.container": "文件；`auto` 对不用 `zstd` 的 BC 为 DDS，否则为 KTX2。DDS 只支持 BC。",
    "Compress.zstd": "KTX2 各级以 Zstandard 压缩的等级；0 为不压缩。",
    "Compress.measure": "指定格式时，是否给出其 PSNR。",
    "FindDuplicates.looks": "是否也查找近似的图像：缩小或有损的副本、细微的改动。",
    "CountValues.percentiles": "给出哪些百分位（0 到 100）的值。",
    "CountValues.picture": "是否给出图像：512 x 256 像素，默认为 8 位 PNG。",
    "CountValues.scale": "该图像中高度与次数的关系；`log` 可看到少见的值。",
    "Inspect.preview": "PNG 缩略图的最长边，像素；0 为不生成。",
    "MakeTileable.kind": "通道的含义：`color` 为颜色，以 alpha 加权；`normal` 为单位向量；"
    "`data` 为各自独立的通道。" + _AUTO_KIND,
    "MakeTileable.direction": "拷贝在何处相接：左右（`horizontal`）、上下，或两者。",
    "MakeTileable.size": "`same` 保持尺寸：原来的边缘在内部相接，其上覆盖取自中部的一条，因此该部分出现两次。"
    "`cropped` 将对边叠在一起：没有重复，但尺寸减去重叠部分。",
    "MakeTileable.overlap": "接缝可在边长的多大比例内移动，最多 512 像素。",
    "MakeTileable.flatten": "先去除多少照片的不均匀光照，即四分之一边长之间的亮度和颜色差异。0 为不去除，"
    "1 为全部去除。",
    "Filtering.kind": "通道的含义：`color` 为颜色；`normal` 为单位向量，按向量求平均并恢复到长度 1；"
    "`data` 为各自独立的通道，按存储的值计算。" + _AUTO_KIND,
    "Filtering.linear_light": "sRGB 颜色是否如人眼一样按光的强度求平均，而不是按编码。",
    "Filtering.alpha_weighted": "颜色是否以 alpha 加权，使透明像素的颜色不产生边纹。"
    "最后一个通道不是透明度时请关闭。",
    "Filtering.edge": "滤波器在边缘之外看到什么：最后一个像素的重复，或者，对可平铺的纹理，为对边。",
    "Mipmaps.filter": "`box`：像素所覆盖区域的均值，奇数尺寸也是；`kaiser` 和 `lanczos` 更锐利，"
    "硬边处有淡淡的光晕。",
    "Mipmaps.levels": "级别数上限，含最大的一级；0 为全部，直到 1 x 1。",
    "Mipmaps.coverage": "镂空贴图的像素从哪个 alpha 起绘制，例如 0.5：缩放每级的 alpha，"
    "使绘制的比例与最大的一级相同。0 为不改变 alpha。",
    "Mipmaps.roughness": "第二个输入为法线贴图时：保存粗糙度的通道。",
    "Mipmaps.smoothness": "这些通道保存的是否为光滑度，即 1 - roughness。",
    "NormalReading.signed": _SIGNED,
    "NormalFlip.y": "是否翻转绿色：OpenGL 转 DirectX，或反之。",
    "NormalFlip.x": "是否翻转红色。",
    "NormalFlip.normalize": "`keep` 保持长度；`length` 将每个向量缩放到长度 1；"
    "`z` 由红色和绿色重新计算蓝色，适用于双通道贴图。",
    "NormalFlip.signed": _SIGNED,
    "NormalFromHeight.strength": "最高点（满量程；浮点为 1）比最低点（0）高多少个像素："
    "8 表示由黑到白升高 8 个像素的宽度。",
    "NormalFromHeight.kernel": "坡度的测量方式：`sobel`（1 2 1）和 `scharr`（3 10 3）取三行或三列的平均，"
    "后者各方向更均匀；`central` 取两个像素，保留最细的细节。",
    "NormalFromHeight.edge": "边缘之外视为什么：边缘自身的重复，因此跨越边缘的坡度减半；或者，对可平铺的，"
    "为对边。",
    "NormalFromHeight.convention": "绿色的朝向：向上（OpenGL）或向下（DirectX）。",
    "NormalFromHeight.channel": "哪个通道保存高度；对灰度图，除 `a` 外都相同。",
    "NormalFromHeight.invert": "是否越暗越高。",
    "Ocr.confidence": "置信度低于此值的行不给出。",
    "PackChannels.layout": "红、绿、蓝和 alpha 的内容：`orm` 为 occlusion、roughness、metallic，其余按首字母"
    "类推（`arm` 与 `orm` 相同，h 为 height）；`mask_map` 为 metallic、occlusion、detail_mask、smoothness；"
    "`metallic_roughness` 不用红色，`metallic_smoothness` 不用绿色和蓝色；`rgba` 可为任意内容，"
    "其贴图名为 `r`、`g`、`b` 和 `a`。",
    "PackChannels.holds": "各输入依次的内容，用布局中的名称：布局要求光滑度时 `roughness` 会反转，反之亦然；"
    "`-` 表示仅供 `channels` 使用。为空：依次为布局的全部贴图。",
    "PackChannels.channels": "按 `r`、`g`、`b`、`a` 或贴图名：`{input, channel, invert}` 或 `{value}`；"
    "`input` 从 0 起，`channel` 默认为 `r`（或灰度），`value` 为 0 到 1。",
    "PackChannels.size": "输入的尺寸不同时：`largest` 将较小的放大到最大的宽和高（线性），`refuse` "
    "视为错误。",
    "FindPalette.colors": "颜色数上限。",
    "FindPalette.swatch": "是否给出色板图像：64 像素的方块，每行 16 个。",
    "Pipeline.steps": "各操作：`{workload, params}`，依次作用于前一个的结果。",
    "Premultiply.inverse": "是否反向操作：将已预乘的颜色除以 alpha。注明已预乘的文件（EXR，以及带标记的 DDS、"
    "KTX2、AVIF 和 TIFF）打开时已如此处理，无需此项。",
    "Premultiply.linear_light": "sRGB 颜色是否按光的强度相乘，适用于 GPU 先将贴图从 sRGB 解码再混合的情况。"
    "关闭时按编码相乘，这是 2D 框架和预乘 alpha 的文件格式所要求的。数据和浮点总是按原值相乘。",
    "RemoveBackground.edges": "`refined` 使遮罩在原尺寸上贴合图像边缘；"
    "`soft` 只放大网络在 320 x 320 像素上所见的。",
    "RemoveBackground.result": "带透明度的图像，或只有遮罩：灰度，白色为保留的部分。",
    "Resize.width": "像素；0 表示按给定的 `height` 保持宽高比。",
    "Resize.height": "像素；0 表示按给定的 `width` 保持宽高比。",
    "Resize.longest": "较长边的像素上限，保持宽高比；0 表示不限。",
    "Resize.power_of_two": "使每边为二的幂：按比例最接近的、较大的或较小的。`nearest` 和 `up` 可能放大。",
    "Resize.factor": "两边的倍数；0.5 缩小一半，2 放大一倍。0 表示不用。",
    "Resize.enlarge": "`width`、`height` 和 `longest` 可否使边长变大。",
    "Resize.kernel": "滤波器，缩小时相应加宽：`lanczos`（3 瓣）最锐利，`area` 为像素所覆盖区域的均值，"
    "`cubic` 为 Catmull-Rom，`linear` 为三角形；`nearest` 直接取像素。",
    "Thumbnail.size": "最长边，像素。",
    "Thumbnail.format": "文件格式；JPEG 将透明处置于白底。",
    "UnpackChannels.layout": "红、绿、蓝和 alpha 的内容，同 `image.pack_channels`；"
    "`rgba` 按字母给出现有的每个通道。",
    "UnpackChannels.as_roughness": "光滑度是否反转后以 `roughness` 给出。",
    "Upscale.factor": "宽和高放大的倍数。",
    "Upscale.style": "`faithful`（waifu2x）忠于原图；`sharp`（Real-ESRGAN）描出清晰的边缘并抹去细微纹理，"
    "适合绘画和界面。",
    "Upscale.wrap": "边缘是否与对边相接，如同可平铺的纹理。",
    "Upscale.alpha_weighted": "是否忽略完全透明像素的颜色，使其不产生边纹，并以其他颜色取代。"
    "最后一个通道不是透明度时（如打包贴图）请关闭，否则该通道为 0 之处其他通道的内容会丢失。",
    "Upscale.normals": "是否为法线贴图：其向量会恢复为单位向量。`null` 对整数图像根据像素判断，"
    "与 image.resize 的 `kind` 相同。",
    "EmbedText.texts": "除输入以外的文本；每个输入是一个文本文件。",
    "Surroundings.use_name": "文件名及其文件夹是否作为依据。",
    "Surroundings.siblings": "同一文件夹中其他文件的名称；与 `use_name` 一起生效。",
    "Surroundings.slots": "项目中的材质和场景将其用作什么。",
    "Surroundings.imported_as": "现有的导入设置将其视为什么；没有则为 null。",
    "EstimatePbr.method": "`network`：高度由小型网络推测，它从已知贴图的材质中学习而来。"
    "`luminance`：越亮越高，与大多数工具相同。两者的粗糙度规则相同。",
    "EstimatePbr.strength": "所有高度和坡度的倍数。为 1 时，网络的深度与其判断相同，偏于谨慎；"
    "按亮度时，由黑到白为 4 个像素。",
    "EstimatePbr.shading": "像素数。在不少于此距离上才变化的亮度视为光照或涂色：`luminance` 和粗糙度只看变化"
    "更快的部分。0 为全部保留。",
    "EstimatePbr.invert": "是否越暗越高，用于 `luminance`。",
    "EstimatePbr.roughness": "该贴图的平均值；0 为镜面，1 为粉笔。",
    "EstimatePbr.roughness_contrast": "黑色比白色粗糙多少；0 使整张贴图为 `roughness`，小于 0 则越亮越粗糙。",
    "EstimatePbr.edge": _BEYOND + "；这时生成的贴图也可平铺。",
    "EstimatePbr.convention": "法线中绿色的朝向：向上（OpenGL）或向下（DirectX）。",
    "Examine.preview": "PNG 缩略图的最长边，像素；0 为不生成。",
}

PATTERNS = (
    # What is wrong.
    (r"there is no parameter '(?P<name>.*)'; did you mean (\S+)\?", "没有参数 {0!r}，您是指 {1} 吗？"),
    (r"there is no parameter '(?P<name>.*)'; it takes none", "没有参数 {0!r}：该工作负载没有参数"),
    (r"there is no parameter '(?P<name>.*)'; it takes (?P<names>.*)", "没有参数 {0!r}；现有：{1}"),
    (r"the parameter (\S+) is missing; it must be given", "缺少参数 {0}"),
    (r"the parameter (\S+) is missing; it must be (.+)", "缺少参数 {0}，应为{1}"),
    (r"(\S+) is (?P<value>.+?); it must be (.+); did you mean (\S+)\?",
     "{0} 为 {1}，无效：应为{2}。您是指 {3} 吗？"),
    (r"(\S+) is (?P<value>.+?); it must be (.+)", "{0} 为 {1}，无效：应为{2}"),
    # What values are.
    (r"(.+) \((?P<own>[^()]*`\$.*)\)", "{0}（{1}）"),
    (r"(text of the form \S+) \((?P<purpose>.*)\)", "{0}"),
    (r"true or false", " true 或 false"),
    (r"(.+) or (.+)", "{0}，或{1}"),
    (r"one of (?P<values>.+)", "以下之一：{0}"),
    (r"a list such as (?P<sample>\[.*?\]), each (.+)", "列表，例如 {0}，每项为{1}"),
    (r"a list such as (?P<sample>\[.*?\])", "列表，例如 {0}"),
    (r"a list of objects", "对象的列表"),
    (r"a list", "列表"),
    (r"(.+) from (\S+) to (\S+)", " {1} 到 {2} 的{0}"),
    (r"(.+) up to (\S+) above (\S+)", "大于 {2}、不超过 {1} 的{0}"),
    (r"(.+) from (\S+) below (\S+)", "不小于 {1}、小于 {2} 的{0}"),
    (r"(.+) above (\S+) below (\S+)", "大于 {1}、小于 {2} 的{0}"),
    (r"(.+) from (\S+)", "不小于 {1} 的{0}"),
    (r"(.+) up to (\S+)", "不超过 {1} 的{0}"),
    (r"(.+) above (\S+)", "大于 {1} 的{0}"),
    (r"(.+) below (\S+)", "小于 {1} 的{0}"),
    (r"text of the form (?P<form>.+)", "符合 {0} 的文本"),
    (r"text of at most (\d+) characters", "最多 {0} 个字符的文本"),
    (r"a whole number", "整数"),
    (r"a number", "数"),
    (r"text", "文本"),
    (r"null", " null"),
    (r"an object", "对象"),
    (r"another value", "其他值"),
    # What is wrong together.
    (r"takes (\d+) to (\d+) inputs, got (\d+)", "需要 {0} 到 {1} 个输入，给出了 {2} 个"),
    (r"takes (?P<wanted>.+) inputs?, got (\d+)", "需要 {0} 个输入，给出了 {1} 个"),
)  # fmt: skip
"""What accel says of values, and its Chinese."""

PHRASES = Phrases(PATTERNS)
