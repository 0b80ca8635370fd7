"""What is wrong with what a plugin's operation gave (accel.image.held), in Chinese."""

from __future__ import annotations

_NAMED = r"the operation's image (?P<name>['\"].*['\"])"
_IMAGE = r"(the operation's image ['\"].*['\"](?:, layer \d+)?)"
_LEVEL = r"(the operation's image ['\"].*['\"](?:, layer \d+)?(?:, mip \d+,)?)"
"""The same, of a smaller level too."""

PATTERNS = (
    (r"the operation gave (?P<kind>.+), not Operated", "操作返回了 {0}，而不是 Operated"),
    (r"the operation's images are (?P<kind>.+), not a dict of Raster",
     "操作的 images 为 {0}，而不是 Raster 的字典"),
    (r"the operation gives images, so that its parameters must be a subclass of Writing",
     "操作产生图像，因此其参数必须是 Writing 的子类"),
    (r"the operation's described is (?P<kind>.+), not a function", "操作的 described 为 {0}，而不是函数"),
    (r"the operation calls an image (?P<name>.+); it must be text", "操作的一个图像名为 {0}，而应为文本"),
    (rf"{_IMAGE} is of floats, whose transfer must be 'linear'",
     "{0}为浮点，其 transfer 必须为 'linear'"),
    (rf"{_IMAGE} is of floats, into which alpha is multiplied as 'light' alone",
     "{0}为浮点，其 multiplied 只能是 'light'"),
    (rf"{_IMAGE} is (?P<kind>[^:]+), not Raster: write with_pixels\(\.\.\.\) of the image that it is made of",
     "{0}为 {1}，而不是 Raster：请写其来源图像的 with_pixels(...)"),
    (rf"{_IMAGE} is (?P<kind>[^:]+), not Raster", "{0}为 {1}，而不是 Raster"),
    (rf"{_IMAGE} has the (?P<field>\w+) (?P<given>.+); it must be "
     r"(text|a whole number, at least 1|a float or None)",
     "{0}的 {1} 为 {2}，而应为{3}"),
    (rf"{_IMAGE} has the (?P<field>\w+) (?P<given>.+); it must be one of (?P<values>.+)",
     "{0}的 {1} 为 {2}，而应为 {3} 之一"),
    (rf"{_LEVEL} has pixels that are (?P<kind>.+), not numpy\.ndarray",
     "{0}的像素为 {1}，而不是 numpy.ndarray"),
    (rf"{_LEVEL} has pixels of type (?P<kind>.+); it must be one of (?P<types>.+)",
     "{0}的像素类型为 {1}，而应为 {2} 之一"),
    (rf"{_LEVEL} has pixels of shape (?P<shape>.+); it must be height x width x channels",
     "{0}的像素形状为 {1}，而应为 高 x 宽 x 通道"),
    (rf"{_IMAGE} has (\d+) channels with alpha; grey or RGB may have one more for alpha",
     "{0}含 alpha 共有 {1} 个通道；灰度或 RGB 之外只能有一个 alpha 通道"),
    (rf"{_IMAGE} has (\d+) channels without alpha; grey or RGB may have one more for alpha",
     "{0}不含 alpha 而有 {1} 个通道；灰度或 RGB 之外只能有一个 alpha 通道"),
    (rf"{_IMAGE} has mips that are (?P<kind>.+), not a tuple of arrays",
     "{0}的 mips 为 {1}，而不是数组的元组"),
    (rf"{_IMAGE} has mip (\d+) of (?P<given>.+); it must be of (?P<wanted>.+)",
     "{0}的第 {1} 级 mip 为 {2}，而应为 {3}"),
    (rf"{_IMAGE} has values beyond \+-1e12, or that are no numbers",
     "{0}含有超出 ±1e12 的值或非数值"),
    (rf"{_IMAGE} has layers that are (?P<kind>.+), not a tuple of Raster",
     "{0}的 layers 为 {1}，而不是 Raster 的元组"),
    (rf"{_IMAGE} must be of the size, levels, type and channels of the first, without layers",
     "{0}的尺寸、mip 级数、类型与通道必须与第一个相同，且自身没有 layers"),
    (rf"{_IMAGE} is a cube of (\d+) faces, not of six",
     "{0}是 {1} 个面的立方体贴图，而不是六个面"),
    (rf"{_NAMED}, layer (\d+), mip (\d+),", "操作的图像 {0}（第 {1} 层，第 {2} 级 mip）"),
    (rf"{_NAMED}, layer (\d+)", "操作的图像 {0}（第 {1} 层）"),
    (rf"{_NAMED}, mip (\d+),", "操作的图像 {0}（第 {1} 级 mip）"),
    (_NAMED, "操作的图像 {0} "),
    (r"the operation gave layers of another size, type or number",
     "操作产生的各层在尺寸、类型或数量上不一致"),
    (r"text", "文本"),
    (r"a whole number, at least 1", "不小于 1 的整数"),
    (r"a float or None", "浮点数或 None"),
)  # fmt: skip
