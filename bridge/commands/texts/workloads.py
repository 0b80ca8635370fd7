"""What `popbridge workloads` says, and what each workload does, in Chinese; a plugin's speak for "
"themselves."""

from __future__ import annotations

from bridge.core.texts import Text

SHOWS_ONE = Text(
    "`popbridge workloads NAME` shows one with its parameters.",
    "`popbridge workloads NAME` 可查看其中一个及其参数。",
)
HEAD = Text("{name}  (version {version})", "{name}（版本 {version}）")
FILES = Text("Files: {files}.", "文件：{files}。")
NO_FILES = Text("none", "无")
ONE_FILE = Text("one; of several, each is done by itself", "一个；给出多个时逐一处理")
RANGE = Text("{low} to {high}", "{low} 到 {high}")
COMPANIONS = Text(
    "{count}, the further ones to help with the first; each is done by itself without --together",
    "{count} 个，后面的辅助第一个；不加 --together 时逐一处理",
)
TOGETHER = Text("{count}, done together", "{count} 个，一次处理全部")
IS_STEP = Text(
    "It can be a step, joined to others by +, or in image.pipeline.",
    "可作为步骤，用 + 与其他步骤连接，或用在 image.pipeline 中。",
)
PARAMETERS = Text("Parameters:", "参数：")
NO_PARAMETERS = Text("It takes no parameters.", "没有参数。")
REQUIRED = Text(" (required)", "（必填）")

SUMMARIES = {
    "bridge.echo": "原样返回参数：用于测试连接，并测定 PopBridge 自身的耗时。",
    "image.atlas": "将精灵打包为图集：一页或多页，并附上说明各精灵位置的数据。",
    "image.bleed_alpha": "将可见像素的颜色扩散到透明像素中，使滤波不会混入其他颜色。",
    "image.compare": "测量两张同样大小的图像相差多少：PSNR、SSIM、误差。",
    "image.compress": "将图像压缩为 GPU 可直接读取的块：BC、ETC2、EAC 或 ASTC，写为 DDS 或 KTX2。",
    "image.convert": "将图像写为其他格式或位深。",
    "image.embed": "将图像转为向量，可据此查找材质或内容相同的图像。",
    "image.find_duplicates": "查找相同的文件、存于不同文件的相同图像，以及看起来一样的图像。",
    "image.fingerprint": "给出查找相同和近似图像所用的依据：文件与像素的哈希，以及感知哈希。",
    "image.histogram": "精确统计各通道中每个值出现的次数，并给出百分位数、均值和标准差。",
    "image.inspect": "给出图像的各项信息：尺寸、通道、alpha、统计、法线、熵、接缝。",
    "image.make_tileable": "使纹理可平铺：各份拷贝相接而没有可见的接缝。",
    "image.mipmaps": "生成纹理的 mip 级别，每级为前一级的一半。",
    "image.normal_convention": "判断法线贴图属于 OpenGL 还是 DirectX 约定，并给出依据；没有依据时不作判断。",
    "image.normal_flip": "翻转法线贴图的绿色通道，在 OpenGL 与 DirectX 约定之间精确转换。",
    "image.normal_from_height": "由高度图生成切线空间法线贴图。",
    "image.ocr": "查找并识别文字：截图、标牌、界面、贴图上的标签；任意方向。",
    "image.pack_channels": "将多张贴图打包到一张贴图的各通道中，例如 ORM 或遮罩贴图。",
    "image.palette": "找出能代表一张图像的少数颜色及各自所占比例；每次结果相同。",
    "image.pipeline": "对图像连续执行多个操作，中间不产生文件。",
    "image.premultiply": "将颜色乘以 alpha（预乘），供直接相加的混合方式使用。",
    "image.remove_background": "只保留图像的主体（人物、物品、动物），其余变为透明。",
    "image.resize": "放大或缩小图像。",
    "image.thumbnail": "生成可放入正方形的缩略图。",
    "image.unpack_channels": "将打包贴图的每个通道拆为同样位深的灰度图，按内容命名。",
    "image.upscale": "用神经网络而不是滤波器放大图像。",
    "text.embed": "将文本转为向量，可据此查找相近的文本：资源名、注释、描述。",
    "texture.classify": "判断贴图的用途。",
    "texture.estimate_pbr": "根据反照率推测材质的高度、法线和粗糙度。",
    "texture.examine": "只解码一次，即完成贴图的检查、分类和指纹计算。",
}
"""The first paragraph of what each says of itself, by its name."""

DETAILS = {
    "image.atlas": (
        "采用 MaxRects 的多种启发式和顺序，保留最紧密的结果；与输入的顺序无关。各页为 RGBA，位深与最深的输入"
        "相同；`format` 为 `same` 时，按名称取第一个精灵的格式，前提是该格式能以此位深保存透明度。"
        "完全透明的精灵裁剪为一个像素。一页放不下的放到下一页。输出文件：`atlas` 和 `atlas.data`"
        "（或参数 `name`）；有多页时为 `atlas.0` 和 `atlas.0.data`、`atlas.1` 等，"
        "布局包含所有页时只有一个 `atlas.data`。值：`Atlas`。",
    ),
    "image.bleed_alpha": (
        "每个透明像素都会得到颜色：紧邻可见像素的取其均值（按光的强度计算，以 alpha 加权），"
        "较远的取附近颜色的"
        "平滑均值。alpha 和所有其他像素保持不变；完全不透明或完全透明的图像也保持不变。"
        "mip 级别、各面和各层同样会填充。"
        "输出文件：`bled`。值：`Written`。",
    ),
    "image.compare": (
        "SSIM 采用 Wang、Bovik、Sheikh 和 Simoncelli（2004）的定义：11 x 11 像素的高斯窗口，标准差 1.5，"
        "K1 = 0.01，K2 = 0.03，取完全位于图像内的所有窗口的均值。按存储的值比较。只有一张图像有颜色或 "
        "alpha 时，"
        "另一张的灰度视为红、绿、蓝，alpha 视为不透明；8 位与 16 位比较时提升到 16 位，整数与浮点比较时转为"
        "线性浮点，满量程为 1。输出文件：`difference`（按要求）：颜色的绝对差，alpha 的差加到各通道上。"
        "值：`Comparison`。",
    ),
    "image.compress": (
        "结果是文件而不是图像，因此必须是流水线的最后一步。格式支持时，sRGB 颜色会作相应标记。尺寸不是整块的"
        "图像用最后一行和一列填满；Direct3D 要求 BC 的尺寸为 4 的倍数，请先缩放。"
        "没有透明度的块解码为不透明。",
        "使用 `auto` 时，取能达到目标的最小格式（大小相同时依次为 BC、ETC2、ASTC）："
        "灰度可用一个通道或全部通道的"
        "格式，法线贴图用两个及以上通道的，颜色用三个及以上通道的，有透明像素时须带 alpha。不考虑 BC3，"
        "因为 BC7 同样小而质量更好；浮点只用 BC6H。BC 和 ETC2 从小到大尝试。ASTC "
        "中更小的块尺寸先试位数最多的，"
        "由此可知能否达到目标，再对其间的尺寸作二分查找。压缩多个面或层时（DDS 和 KTX2 可容纳），"
        "全部都须达到目标。都达不到目标时，取试过的最好的，`reached` 为 false。"
        "输出文件：`compressed`。值：`Compressed`。",
    ),
    "image.convert": (
        "会应用 EXIF 方向，并将内嵌的颜色配置文件转换为 sRGB，因为供引擎使用的文件两者都不带；"
        "元数据不会写入。"
        "格式不支持透明度时，以白色为底。三种颜色的浮点写入只支持整数的格式时转为 "
        "sRGB，超过 1 "
        "或低于 0 的部分截去；HDR 中低于 0 的部分也会截去，并在结果中说明。"
        "法线贴图的浮点仍是向量，-1 到 1 的映射为 0 到满刻度。"
        "EXR 和 PSD 中完全透明之处不保留颜色，除非 `transfer` 为 `linear`。浮点在 EXR 中保持 16 或 32 位；"
        "由整数而来的在 EXR 中存为半精度浮点，会丢失数据时存为单精度：即灰度，以及按 `linear` 读取"
        "而半精度无法精确表示的。法线贴图写为 DDS 和 KTX2 时不标记为 sRGB；在 DDS 和 KTX2 之间转换时"
        "保留其自带的 mip 级别、立方体贴图的各面和纹理数组的各层（只有一层的纹理数组在 DDS 中是普通纹理）；"
        "其他格式只保留第一张图像，"
        "三维纹理只读取第一个切片。法线贴图按像素判断（与 `image.resize` 相同），除非 `transfer` 为 `srgb`。"
        "输出文件：`converted`。值：`Written`。",
    ),
    "image.embed": (
        "需要模型 `efficientnet-lite0`，其许可证不明确"
        "（`popbridge models pull efficientnet-lite0 --accept-unclear-licence`）。图像作为整体，"
        "以 224 x 224 像素分析。透明视为白色；可见部分全为亮色时视为黑色。值：`ImageEmbedding`。",
    ),
    "image.find_duplicates": (
        "相同的文件由 SHA-256 识别，只解码一次；相同的像素由校验和识别，与格式无关；外观由感知哈希、"
        "平均颜色和"
        "对比度判断，因此纯色图像不会被认为相像。"
        "立方体贴图、纹理数组和三维纹理只比较文件是否相同。损坏的图像会列出，不影响其他图像。值：`Duplicates`。",
    ),
    "image.fingerprint": ("值：`Fingerprint`。",),
    "image.histogram": (
        "按存储的值统计，8 位和 16 位缩放到 0..1，分为 256 组。输出文件：`histogram`（按要求）："
        "各颜色的曲线，不含 alpha 和亮度。值：`Histogram`。",
    ),
    "image.inspect": (
        "通道统计、alpha 和是否为灰度根据所有像素精确得出；法线、熵和接缝根据最多约 256 x 256 "
        "的规则采样得出。"
        "只看第一帧。输出文件：`preview`（按要求）。值：`Inspection`。",
    ),
    "image.make_tileable": (
        "适用于随机纹理，例如地面、石头、树皮或布料。图像的两部分相互重叠；细节沿差异最小的路径过渡"
        "（Efros 和 Freeman 2001），粗略的亮度和颜色在整个重叠区过渡，不损失对比度"
        "（同 Heitz 和 Neyret 2018）。输出文件：`tileable`。值：`Tileable`。",
    ),
    "image.mipmaps": (
        "边长减半并向下取整，最小为 1；奇数边长时各像素权重相同。每级由中间未经取整的值求平均。"
        "相互抵消的法线变为"
        "平坦。第二个输入，即同一表面的法线贴图，会按平均后的法线不再体现的程度，提高第一个输入各级的粗糙度"
        "（Toksvig）；此时 `kind` 为 `data`，`auto` 也是。DDS 或 KTX2 中立方体贴图的每一面和纹理数组的每一层"
        "各有自己的级别；法线贴图的层数相同时，各层一一对应。输出文件：`mipmaps`；只能存一级的格式为 "
        "`mipmaps.mip0`、`mipmaps.mip1` 等。值：`Written`。",
    ),
    "image.normal_convention": (
        "表面的坡度没有旋度：按正确的约定读取时，相邻像素的坡度彼此吻合，按另一种则不吻合。"
        "所看的是遍布图像的若干"
        "条带中的相邻像素，以及大尺度起伏（若与之明显矛盾，则不作判断）。平坦之处，或只有一个方向的坡度，"
        "两种约定都吻合。图像旋转了 90 度而向量没有随之旋转时，不作判断。值：`NormalConvention`。",
    ),
    "image.normal_flip": (
        "8 位或 16 位的每个值变为满量程减去该值，因此翻转两次即恢复原样。修正长度时，没有长度的向量变为 "
        "(0, 0, 1)。alpha 不变；mip 级别、各面和各层一并翻转。"
        "格式 `same` 对 JPEG、WebP 和 AVIF 为 PNG，对 HDR 为 EXR，因为它们不精确。"
        "输出文件：`normal`。值：`Written`。",
    ),
    "image.normal_from_height": (
        "每条法线为缩放到长度 1 的 (-dh/dx, -dh/dy, 1)，x 向右、y 向上，编码为 RGB，-1 为 0，1 为满量程；"
        "8 位高度用 8 位，其余用 16 位。高度按存储的值读取，不经 sRGB 曲线。格式 `same` 对 JPEG、WebP、"
        "AVIF 和 "
        "HDR 为 PNG，因为其损失会使向量偏转。输出文件：`normal`。值：`Written`。",
    ),
    "image.ocr": (
        "需要模型 `pp-ocrv6`（`popbridge models pull pp-ocrv6`），可识别英文、中文、"
        "日文和大多数拉丁字母语言。"
        "透明视为白色；可见部分全为亮色时视为黑色；一种底色会遮住部分文字时，两种都会识别。值：`Text`。",
    ),
    "image.pack_channels": (
        "按存储的值读取，不经 sRGB 曲线；超出 0 到 1 的浮点会截去，并在结果中说明。"
        "所用输入都是 8 位时结果为 8 位，否则为 "
        "16 位。"
        "缺少的贴图用不产生影响的值填充：occlusion、detail_mask 和未用的通道为 1，metallic 为 0，roughness、"
        "smoothness 和 height 为 0.5，`rgba` 的颜色为 0。格式 `same` 对 JPEG、WebP、AVIF 和 HDR 为 PNG，"
        "因为它们会混合各通道。输出文件：`packed`。值：`Written`。",
    ),
    "image.palette": (
        "颜色在 OKLab（Ottosson 2020）中以 k-means 分组，其中的距离与观感大致一致；"
        "颜色数不超过要求的图像按原样"
        "给出。以 8 位查看所有像素；超出 0 到 1 的光按屏幕所能显示的计算。输出文件：`swatch`（按要求）。"
        "值：`Palette`。",
    ),
    "image.pipeline": (
        "每一步是一个图像操作（PopBridge 或插件的）及其参数；其图像按顺序作为下一步的输入。"
        "只接受一张图像的步骤对多张逐一执行；"
        "接受多张的得到全部。第一个之后的输入只起辅助作用时（`image.mipmaps` 的法线贴图），"
        "数量与流水线的输入相同则得到全部，否则逐一执行。"
        "每一步都能保留立方体贴图的各面和纹理数组的各层（`image.convert`、`image.resize`、`image.mipmaps`、"
        "`image.compress`、`image.bleed_alpha`、`image.normal_flip`、`image.premultiply`），"
        "且最后一步写出 DDS 或 KTX2（包括 `same`）时，才会保留它们；否则各步都只得到第一张图像。"
        "说明图像的文件（如图集的数据）"
        "与最后一步的结果一并保留，"
        "其中所写的是最后一步写出的图像文件，它们与图集自身的同名；"
        "其后改变图像尺寸或将一张变为多张的步骤会被拒绝。"
        "输出文件和值：同最后一步；对多张图像执行的步骤，值为列表，"
        "文件按图像的来源命名（前面的步骤或输入）。",
    ),
    "image.premultiply": (
        "8 位和 16 位取整到最近的编码；mip 级别、各面和各层会保留。"
        "反向操作在 alpha 为 0 处给出 0。没有 alpha "
        "的图像保持原样。"
        "除 `image.compress` 外应放在最后一步：其他操作都认为颜色未经预乘。DDS 和 KTX2 会注明已预乘，"
        "未用 `linear_light` 的 sRGB 编码除外；EXR 按光的强度保存已预乘的颜色，打开时恢复为原来的图像。"
        "不支持透明度的格式保存以白色为底时所见的颜色；其他格式只保存数值，不注明其含义。"
        "输出文件：`premultiplied`。值：`Written`。",
    ),
    "image.remove_background": (
        "需要模型 `u2netp`（`popbridge models pull u2netp`）。图像已有的透明度会保留；它视为白色，"
        "可见部分全为亮色时视为黑色。图像的格式不支持透明度时（如 JPEG），结果为 PNG，除非另行指定。"
        "输出文件：`cutout` 或 `mask`。值：`Written`。",
    ),
    "image.resize": (
        "颜色按光的强度并以 alpha 加权求平均；8 位、16 位和浮点保持不变，"
        "浮点的各通道不会因滤波器的振铃而超出原有的最小值和最大值。已是该尺寸的图像保持原样。"
        "改变尺寸后没有 mip 级别，可用 `image.mipmaps` 重新生成。"
        "DDS 或 KTX2 中立方体贴图的每一面和纹理数组的每一层都会缩放，"
        "并统一按第一张的类型处理。输出文件：`resized`。值：`Written`。",
    ),
    "image.thumbnail": (
        "保持宽高比，不放大，应用 EXIF 方向，颜色转为 8 位 sRGB；HDR 中亮度超过 1 的为白色。整数按 sRGB "
        "编码而不是"
        "光的强度求平均，后者对缩略图要慢两到三倍：因此深色底上的细小亮纹会比看起来更暗。`image.resize` "
        "按光的强度求平均。不透明的图像按整块求平均，余下不到一半的缩放用 Lanczos。"
        "输出文件：`thumbnail`。值：`{width, height}`，像素。",
    ),
    "image.unpack_channels": (
        "存储的值保持不变；格式 `same` 对 JPEG、WebP 和 AVIF 为 PNG，对 HDR 为 EXR。输出文件：按布局，"
        "例如 `occlusion`、`roughness` 和 `metallic`；`rgba` 为 `r`、`g`、`b` 和 `a`。值：`Written` 的列表。",
    ),
    "image.upscale": (
        "需要模型：风格 `faithful` 用 `waifu2x-upconv7-2x`，`sharp` 用 `realesr-animevideo-4x`"
        "（`popbridge models pull NAME`）。分块处理，块之间按网络的视野重叠，因此没有接缝，内存占用有限。"
        "单个核心处理一百万像素约需 12 秒（`faithful`，2 倍）、60 秒（`faithful`，4 倍）或 22 秒（`sharp`）："
        "大图像请延长期限。透明度由同一网络放大；颜色先扩散到完全透明之处并取代原有的，除非使用 `normals`、"
        "不使用 `alpha_weighted`，或按 `transfer` 作为数据读取。浮点须在 0 到 1 之间。"
        "输出文件：`upscaled`。值：`Written`。",
    ),
    "text.embed": (
        "需要模型 `minilm-l6`（`popbridge models pull minilm-l6`）。它只懂英文，每段文本大约读前 180 个词"
        "（256 个词元）。文本的向量与同时处理的其他文本无关。值：`Embeddings`。",
    ),
    "texture.classify": (
        "类别：albedo、normal、height、roughness、specular、ao、packed、emissive、sprite、ui 和 environment。"
        "以像素为准；名称、所在文件夹、旁边的文件、使用它的材质和现有的导入设置是进一步的依据。"
        "值：`Classification`。",
    ),
    "texture.estimate_pbr": (
        "三者彼此一致，也与反照率一致，尺寸与其相同。高度占满从 0 到满量程的范围，除非相差不到一个像素。"
        "法线由未取整的高度以 Sobel 核得出，为 (-dh/dx, -dh/dy, 1)，编码为 RGB，-1 为 0，1 为满量程。"
        "粗糙度为 `roughness` 减去 `roughness_contrast` 乘以去除 `shading` 后的亮度，截取到 0 到 1："
        "这只是一条规则，因为颜色所能说明的很少。亮度按 sRGB 编码计算；不考虑 alpha。32 位图像的法线为 16 "
        "位。"
        "网络在单个核心上处理一百万像素约需 1.5 秒；大图像请延长期限。格式 `same` 对 JPEG、WebP、AVIF 和 "
        "HDR 为 "
        "PNG，因为其损失会使向量偏转；对 HDR 的浮点为 EXR。推测的准确程度见 docs/models/estimate-pbr.md。"
        "输出文件：`height`、`normal` 和 `roughness`。值：`Estimated`。",
    ),
    "texture.examine": ("输出文件：`preview`（按要求）。值：`Examination`。",),
}
"""The paragraphs after that."""
