"""Every sentence of the import advisor, in English and Chinese side by side."""

from __future__ import annotations

from msgspec import Struct


class Text(Struct, frozen=True):
    """One sentence; both languages have the same placeholders."""

    en: str
    zh: str


TEXTS = {
    "title_one": Text("{name} could be imported better", "{name} 的导入设置可以改进"),
    "title_many": Text("{count} textures could be imported better", "{count} 张贴图的导入设置可以改进"),
    "more": Text("… and {count} more.", "……还有 {count} 个。"),
    "sets": Text("Apply sets {options}", "应用后将设置 {options}"),
    "takes_away": Text("removed", "移除"),
    "apply": Text("Apply", "应用"),
    "later": Text("Not now", "暂不"),
    "always": Text("Always for this folder", "此文件夹始终如此"),
    "ok": Text("OK", "好"),
    "undo": Text("Undo", "撤销"),
    "applied_one": Text("Applied to {name}", "已应用到 {name}"),
    "applied_many": Text("Applied to {count} textures", "已应用到 {count} 张贴图"),
    "applied_none": Text("Nothing could be applied", "未能应用任何更改"),
    "undo_failed": Text("The change couldn't be undone", "无法撤销更改"),
    "normal_as_color": Text(
        "mean ({r:.2f}, {g:.2f}, {b:.2f}), {share} % of texels unit length: a normal map imported as colour",
        "均值 ({r:.2f}, {g:.2f}, {b:.2f})，{share}% 的纹素为单位长度：这是一张被当作颜色导入的法线贴图",
    ),
    "normal_green_down": Text(
        "a normal map whose green points down (DirectX, {confidence} % sure), imported as green up (OpenGL): "
        "bumps look like dents",
        "法线贴图的绿色通道朝下（DirectX，可信度 {confidence}%），却按朝上（OpenGL）导入：凸起会显得凹陷",
    ),
    "normal_green_up": Text(
        "a normal map whose green points up (OpenGL, {confidence} % sure), imported as green down (DirectX): "
        "bumps look like dents",
        "法线贴图的绿色通道朝上（OpenGL，可信度 {confidence}%），却按朝下（DirectX）导入：凸起会显得凹陷",
    ),
    "data_as_srgb": Text(
        "named “{word}” and grey throughout: data stored as sRGB, so its numbers are bent",
        "名称含“{word}”且全为灰度：这是数据，却按 sRGB 存储，数值会被扭曲",
    ),
    "packed_as_srgb": Text(
        "named “{word}” with different channels: packed data stored as sRGB, so its numbers are bent",
        "名称含“{word}”且各通道不同：这是打包的数据，却按 sRGB 存储，数值会被扭曲",
    ),
    "alpha_constant": Text(
        "its alpha channel is opaque everywhere: it says nothing, and needn't be treated as transparency",
        "Alpha 通道处处不透明：没有信息，不必当作透明度处理",
    ),
    "ui_mipmaps": Text(
        "an image of the user interface with mipmaps: a third more memory, and it may look soft",
        "用户界面图像带有 mipmap：多占三分之一内存，还可能变模糊",
    ),
    "no_mipmaps": Text(
        "a texture of 3D surfaces without mipmaps: it shimmers at a distance",
        "用于 3D 表面的贴图没有 mipmap：远处会闪烁",
    ),
    "too_large": Text(
        "{width} × {height}, more than the limit of {limit} pixels",
        "{width} × {height}，超过 {limit} 像素的上限",
    ),
    "not_power_of_two": Text(
        "{width} × {height} is no power of two, which GPU compression and repeating with mipmaps want: "
        "resize the file itself",
        "{width} × {height} 不是 2 的幂，而 GPU 压缩和带 mipmap 的重复平铺需要如此：请调整文件本身的大小",
    ),
}


def say(key: str, locale: str, **values: object) -> str:
    """A sentence in the language of `locale` (BCP 47): Chinese for zh, else English."""
    text = TEXTS[key]
    return (text.zh if locale.lower().startswith("zh") else text.en).format(**values)
