"""Every sentence of the import advisor, in English and Chinese side by side."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.api import RequestError
from bridge.core.texts import Phrases, Text, is_chinese

TEXTS = {
    "title_one": Text("{name} could be imported better", "{name} 的导入设置可以改进"),
    "title_many": Text("{count} textures could be imported better", "{count} 张贴图的导入设置可以改进"),
    "more": Text("… and {count} more.", "……还有 {count} 个。"),
    "sets": Text("Apply sets {options}", "应用后将设置 {options}"),
    "absent": Text("not set", "未设置"),
    "takes_away": Text("removed", "移除"),
    "material": Text("Material {name}: {count} textures", "材质 {name}：{count} 张贴图"),
    "title_material": Text(
        "Material {name} could be imported better ({count} textures)",
        "材质 {name} 的导入设置可以改进（{count} 张贴图）",
    ),
    "memory": Text("Texture memory {sizes}", "贴图显存 {sizes}"),
    "memory_all": Text("Texture memory in all {sizes}", "贴图显存合计 {sizes}"),
    "memory_on": Text("{before} → {after} ({platform})", "{before} → {after}（{platform}）"),
    "desktop": Text("desktop", "桌面"),
    "mobile": Text("mobile", "移动端"),
    "comma": Text(", ", "，"),
    "and": Text(", ", "、"),
    "about": Text("{file}: {kind}", "{file}：{kind}"),
    "about_sure": Text("{file}: {kind}, {sure} % sure", "{file}：{kind}，可信度 {sure}%"),
    "about_named": Text(
        "{file}: {kind}, {sure} % sure ({words})", "{file}：{kind}，可信度 {sure}%（{words}）"
    ),
    "by_project": Text("the project's other textures", "项目中的其他贴图"),
    "kind_albedo": Text("colour map", "颜色贴图"),
    "kind_normal": Text("normal map", "法线贴图"),
    "kind_height": Text("height map", "高度贴图"),
    "kind_roughness": Text("roughness map", "粗糙度贴图"),
    "kind_specular": Text("specular or metallic map", "高光或金属度贴图"),
    "kind_ao": Text("occlusion map", "环境光遮蔽贴图"),
    "kind_packed": Text("packed map", "打包贴图"),
    "kind_emissive": Text("emission map", "自发光贴图"),
    "kind_sprite": Text("sprite", "精灵图"),
    "kind_ui": Text("interface image", "界面图像"),
    "kind_environment": Text("environment map", "环境贴图"),
    "channels": Text("{kind} of {channels}", "{kind}（{channels}）"),
    "channel": Text("{meaning} ({letter})", "{letter} {meaning}"),
    "channel_unused": Text("nothing", "未使用"),
    "channel_occlusion": Text("occlusion", "遮蔽"),
    "channel_roughness": Text("roughness", "粗糙度"),
    "channel_smoothness": Text("smoothness", "光滑度"),
    "channel_metallic": Text("metalness", "金属度"),
    "channel_height": Text("height", "高度"),
    "channel_mask": Text("a mask", "遮罩"),
    "channel_opacity": Text("opacity", "不透明度"),
    "channel_emission": Text("emission", "自发光"),
    "rule_refused": Text("“Always” couldn't be kept", "未能保存“始终如此”"),
    "project_file": Text("The project's rules can't be read", "无法读取项目的规则"),
    "passed_over": Text("Part of the project's rules is passed over", "项目的部分规则已略过"),
    "apply": Text("Apply", "应用"),
    "later": Text("Not now", "暂不"),
    "always": Text("Always for this folder", "此文件夹始终如此"),
    "ok": Text("OK", "好"),
    "undo": Text("Undo", "撤销"),
    "applied_one": Text("Applied to {name}", "已应用到 {name}"),
    "applied_many": Text("Applied to {count} textures", "已应用到 {count} 张贴图"),
    "applied_none": Text("Nothing could be applied", "未能应用任何更改"),
    "rule_kept": Text(
        "From now on the same is done there without asking: `{file}` in the project's folder says so. "
        "Delete the rule there, and you are asked again.",
        "今后在相应文件夹中会直接应用，不再询问：规则写在项目文件夹的 `{file}` 中，删除规则后会再次询问。",
    ),
    "rule_stays": Text(
        "Undo puts back these textures; the rule stays.", "“撤销”只还原这些贴图，规则仍保留。"
    ),
    "rule_followed": Text(
        "Done without asking, as `{file}` in the project's folder says.",
        "按照项目文件夹中 `{file}` 的规则直接应用，未经询问。",
    ),
    "changed_since": Text(
        "has changed since you were asked, so nothing was set: it is looked at again",
        "在询问之后已更改，因此未作任何设置：将重新检查",
    ),
    "gone_since": Text("isn't there any more", "文件已不存在"),
    "other_since": Text(
        "isn't imported as a texture any more, so nothing was set",
        "已不再作为贴图导入，因此未作任何设置",
    ),
    "refused": Text("The editor refused the command.", "编辑器拒绝了该命令。"),
    "undone": Text("The change is undone", "更改已撤销"),
    "undo_partly": Text("Some of the change couldn't be undone", "部分更改无法撤销"),
    "undo_failed": Text("The change couldn't be undone", "无法撤销更改"),
    "normal_as_color": Text(
        "mean ({r:.2f}, {g:.2f}, {b:.2f}), {share} % of texels unit length: a normal map imported as colour",
        "均值 ({r:.2f}, {g:.2f}, {b:.2f})，{share}% 的纹素为单位长度：这是一张被当作颜色导入的法线贴图",
    ),
    "normal_by_name": Text(
        "mean ({r:.2f}, {g:.2f}, {b:.2f}), and its name says so: a normal map imported as colour",
        "均值 ({r:.2f}, {g:.2f}, {b:.2f})，名称也表明：这是一张被当作颜色导入的法线贴图",
    ),
    "normal_as_height": Text(
        "a normal map of whose brightness the engine makes another one, as if it were heights",
        "这是一张法线贴图，引擎却把它的亮度当作高度，再生成一次法线",
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
    "normal_directx": Text(
        "a normal map whose green points down (DirectX, {confidence} % sure)",
        "法线贴图的绿色通道朝下（DirectX，可信度 {confidence}%）",
    ),
    "color_as_normal": Text(
        "imported as a normal map, and its texels are no normals: its blue is thrown away",
        "按法线贴图导入，但其纹素并非法线：蓝色通道会丢失",
    ),
    "color_as_linear": Text(
        "colours read as linear numbers: they look too bright and washed out",
        "颜色被当作线性数值读取：会显得过亮、发白",
    ),
    "data_as_srgb": Text(
        "grey throughout, and numbers: read as sRGB they are bent",
        "全为灰度，是数据：按 sRGB 读取时数值会被扭曲",
    ),
    "packed_as_srgb": Text(
        "different numbers in each channel: read as sRGB they are bent",
        "各通道存有不同的数据：按 sRGB 读取时数值会被扭曲",
    ),
    "packed_order": Text(
        "its channels are in the order {word}, and this engine's materials want another: pack the file anew",
        "各通道按 {word} 的顺序排列，而此引擎的材质需要另一种顺序：请重新打包该文件",
    ),
    "lossy_data": Text(
        "numbers compressed like a photograph: its artefacts become dents and stains",
        "数据被当作照片进行有损压缩：压缩瑕疵会变成凹痕和污渍",
    ),
    "lossy_hdr": Text(
        "light compressed with losses: what is brighter than white is cut off",
        "光照被有损压缩：比白色更亮的部分会被截断",
    ),
    "uncompressed": Text(
        "a texture of 3D surfaces that lies uncompressed in the GPU's memory",
        "用于 3D 表面的贴图以未压缩的形式占用显存",
    ),
    "uncompressed_on": Text(
        "a texture of 3D surfaces that lies uncompressed in the GPU's memory on {platforms}: separate "
        "settings undo the compression there",
        "用于 3D 表面的贴图在 {platforms} 平台上以未压缩的形式占用显存：平台的单独设置取消了压缩",
    ),
    "pixel_art_blocks": Text(
        "pixel art, compressed in blocks: its edges get dirty",
        "像素画使用了块压缩：边缘会变脏",
    ),
    "small_blocks": Text(
        "so small a picture of 2D, compressed in blocks: its edges get dirty",
        "这么小的 2D 图像使用了块压缩：边缘会变脏",
    ),
    "alpha_constant": Text(
        "its alpha channel is opaque everywhere: it says nothing, and needn't be treated as transparency",
        "Alpha 通道处处不透明：没有信息，不必当作透明度处理",
    ),
    "grey_as_rgb": Text(
        "grey throughout, and stored in {channels} channels: one would do",
        "全为灰度，却存了 {channels} 个通道：一个就够",
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
        "{width} × {height} 不是 2 的幂，而 GPU 压缩和带 mipmap 的重复平铺需要如此：请修改图像文件本身的尺寸",
    ),
}

WHY = {
    "ambiguous_editor": "有多个编辑器打开了此项目：请用 `popbridge revert --editor` 指定其中一个。",
    "editor_busy": "编辑器没有读取 PopBridge 发送的内容。",
    "editor_gone": "已没有编辑器打开此项目。",
    "not_found": "找不到这次更改的记录。",
    "store_unavailable": "PopBridge 目前无法保存任何内容：原因见其日志。",
    "unsupported": "没有可以撤销的更改。",
}
"""In Chinese, why a change can't be undone, by the error's code; in English the error says it."""

PUT_BACK = (
    r"it was put back already, by receipt (\d+): (`.+`) brings the change back",
    "该更改已由回执 {0} 撤销；如需恢复该更改，可用 {1}",
)
"""What is said of a change that was put back before, and its Chinese."""
PUT_BACK_IN_PARTS = (
    r"it was put back already, by receipt (\d+): (`.+`) and then (`.+`) bring the change back",
    "该更改已由回执 {0} 撤销；如需恢复该更改，可先后用 {1} 和 {2}",
)
"""Of one that several have put back, each a part."""
_phrases = Phrases(
    tuple((rf"Receipt \d+: {said}\.", f"{chinese}。") for said, chinese in (PUT_BACK, PUT_BACK_IN_PARTS))
)


def why(error: RequestError, locale: str) -> str:
    """What `error` says, in the language of `locale` where that is known."""
    if not is_chinese(locale):
        return error.message
    said = _phrases.in_chinese(error.message)
    return WHY.get(error.code.name, said) if said == error.message else said


def say(key: str, locale: str, **values: object) -> str:
    """A sentence in the language of `locale`, filled in; lists in it are read out one by one."""
    listed = TEXTS["and"].read(locale)
    told = {name: listed.join(one) if isinstance(one, (list, tuple)) else one for name, one in values.items()}
    return TEXTS[key].read(locale).format(**told)


def size_text(count: int) -> str:
    """Bytes for people: `341.3 KiB`, `16.0 MiB`."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


def memory_text(memory: Mapping[str, tuple[int, int]], locale: str) -> str:
    """Bytes before and after on each platform: `16.0 MiB → 5.3 MiB (desktop)`; empty for none."""
    parts = [
        say(
            "memory_on",
            locale,
            before=size_text(before),
            after=size_text(after),
            platform=say(platform, locale) if platform in TEXTS else platform,
        )
        for platform, (before, after) in memory.items()
    ]
    same = len({tuple(sizes) for sizes in memory.values()}) == 1
    if same and len(parts) > 1:
        # One figure for all needs no platform.
        before, after = next(iter(memory.values()))
        return f"{size_text(before)} → {size_text(after)}"
    return say("comma", locale).join(parts)
