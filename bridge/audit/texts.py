"""Every sentence of the audit's reports, in English and Chinese side by side."""

from __future__ import annotations

from bridge.advisors.subject import by_project, words
from bridge.advisors.texts import TEXTS as ADVICE
from bridge.advisors.texts import say as advise
from bridge.audit.plain import plain
from bridge.audit.reasons import in_chinese
from bridge.audit.results import Issue, Row
from bridge.core.texts import Text, is_chinese

TEXTS = {
    "title": Text("Texture audit of {name}", "{name} 的贴图审查"),
    "no_engine": Text("no engine: the files alone", "无引擎：仅检查文件本身"),
    "summary": Text(
        "Textures: {textures}. Wrong: {wrong}, waste: {waste}, notes: {note}",
        "{textures} 张贴图：{wrong} 处错误，{waste} 处浪费，{note} 处提示",
    ),
    "clean": Text("Nothing is wrong.", "没有问题。"),
    "accepted": Text("Accepted by the baseline: {count}", "基线已接受 {count} 处"),
    "stale": Text(
        "Entries of the baseline that fit nothing any more: {count}; --update-baseline removes them",
        "基线中有 {count} 条已不再对应任何内容：--update-baseline 可将其移除",
    ),
    "fixed": Text(
        "Mended textures: {count}; `popbridge revert {receipt}` puts them back",
        "已修正 {count} 张贴图；`popbridge revert {receipt}` 可恢复原状",
    ),
    "failed": Text(
        "A plugin has failed, so that not everything was judged.", "有插件出错，因此并非所有内容都经过判断。"
    ),
    "interrupted": Text("Stopped: nothing was written.", "已中止：没有写入任何内容。"),
    "kept": Text("What was examined is known to the next run.", "已检查的结果会留给下次运行。"),
    "stopped": Text(
        "Stopped while settings were written: `popbridge revert {receipt}` puts back what was, "
        "--fix writes the rest.",
        "写入设置时被中止：`popbridge revert {receipt}` 可恢复已写入的部分，再次运行 --fix 可写完其余部分。",
    ),
    "unlisted_issues": Text(
        "Not listed: {count}; --severity note lists all",
        "其中 {count} 处未列出：--severity note 可全部列出",
    ),
    "fixable": Text("--fix would settle: {count}", "--fix 可解决其中 {count} 处"),
    "left_out": Text(
        "… {count} more: --limit 0 shows all, as --html FILE and --json FILE do",
        "……另有 {count} 项：--limit 0 可全部显示，--html FILE 与 --json FILE 亦然",
    ),
    "severity": Text("severity", "级别"),
    "file": Text("file", "文件"),
    "kind": Text("kind", "种类"),
    "size": Text("size", "尺寸"),
    "bytes": Text("bytes", "字节"),
    "finding": Text("what could be better", "可改进之处"),
    "setting": Text("settings", "设置"),
    "picture": Text("picture", "图片"),
    "wrong": Text("wrong", "错误"),
    "waste": Text("waste", "浪费"),
    "note": Text("note", "提示"),
    "mended": Text("mended", "已修正"),
    "mended_issue": Text("mended: {what}", "已修正：{what}"),
    "duplicates": Text(
        "Duplicates and look-alikes, with what all but the largest of each take",
        "重复与相似的贴图，及各组除最大者外所占的空间",
    ),
    "memory": Text("GPU memory", "显存"),
    "takes": Text("{memory} of GPU memory on the desktop", "桌面平台占用显存 {memory}"),
    "frees": Text("the settings free {memory} of it", "这些设置可释放其中 {memory}"),
    "freed": Text("the settings freed {memory} of it", "这些设置已释放其中 {memory}"),
    "how": Text("how alike", "相似程度"),
    "files": Text("files", "文件"),
    "disk": Text("disk", "磁盘"),
    "same_file": Text("equal files", "文件相同"),
    "same_pixels": Text("equal pixels", "像素相同"),
    "similar": Text("look alike", "看起来相似"),
    "filter": Text("Filter by file, kind or finding", "按文件、种类或问题筛选"),
    "shown": Text("{count} shown", "显示 {count} 项"),
    "more_pictures": Text(
        "Only the worst {count} have a picture here.", "此处仅最严重的 {count} 项附有图片。"
    ),
    "unreadable": Text("can't be examined: {reason}", "无法检查：{reason}"),
    "unknown_settings": Text(
        "its import settings can't be read, and are left as they are: {reason}",
        "无法读取其导入设置，保持原样：{reason}",
    ),
    "unremarked": Text(
        "its engine's adapter can't say what else there is to it: {reason}",
        "其引擎的适配器无法给出其他说明：{reason}",
    ),
    "unjudged": Text(
        "isn't judged, as {plugin} failed at it: {reason}", "未作判断：{plugin} 处理时出错：{reason}"
    ),
    "unlisted": Text("{reason}", "{reason}"),
    "not_applied": Text("couldn't be mended: {reason}", "无法修正：{reason}"),
    "duplicate_of": Text(
        "{how}: {files}. {disk} on disk and {memory} of GPU memory more than the largest takes",
        "{how}：{files}。比只保留最大者多占磁盘 {disk}、显存 {memory}",
    ),
}

HELP = {
    "unreadable": Text(
        "The file is broken, empty or no image of the format that it begins as: export it again.",
        "文件已损坏、为空，或内容与格式不符：请重新导出。",
    ),
    "unsupported": Text(
        "The file is of a format that isn't examined here, or larger than what is, or took longer than the "
        "setting `deadline_ms`; nothing is said about it.",
        "文件的格式或大小超出检查范围，或用时超过设置 `deadline_ms`，不作任何判断。",
    ),
    "unknown_settings": Text(
        "The import file has syntax that isn't known here, for example after a merge: correct it, or import "
        "the texture anew.",
        "导入文件含有未知语法（例如合并冲突后）：请更正，或重新导入该贴图。",
    ),
    "unlisted": Text(
        "A folder can't be listed: give the right to read it.", "无法列出文件夹：请授予读取权限。"
    ),
    "unremarked": Text(
        "The engine's adapter, which is a plugin, failed at its own remarks: what else is said holds. Tell "
        "whoever wrote it.",
        "引擎的适配器（插件）在给出自己的说明时出错：其余结论仍然有效。请告知其作者。",
    ),
    "unjudged": Text(
        "The engine's adapter, which is a plugin, failed at this texture: nothing is said of it, and it may "
        "well be right. Update the plugin, or tell whoever wrote it.",
        "引擎的适配器（插件）在判断该贴图时出错：不作任何判断，贴图本身可能没有问题。请更新插件，或告知其作者。",
    ),
    "not_applied": Text(
        "The import file couldn't be written: close what holds it, or give the right to write it. Where it "
        "was changed while the audit ran, run the audit again.",
        "无法写入导入文件：请关闭占用它的程序，或授予写入权限；若文件在审查期间有改动，请重新运行审查。",
    ),
    "duplicate": Text(
        "Several files hold the same picture, or one that looks like it: keep one, unless they are meant to "
        "differ, and let all refer to it.",
        "多个文件包含相同或相似的图像：除非有意不同，请只保留一个，并让其他引用指向它。",
    ),
    "normal_as_color": Text(
        "A normal map has to be imported as one: as colour its vectors are bent, and light falls wrongly.",
        "法线贴图必须按法线导入：按颜色导入会扭曲向量，光照会出错。",
    ),
    "normal_convention": Text(
        "The green channel points the other way than the engine reads it: bumps look like dents.",
        "绿色通道的方向与引擎的约定相反：凸起会显得凹陷。",
    ),
    "normal_directx": Text(
        "The green channel points down (DirectX), and the import settings can't say so: materials must.",
        "绿色通道朝下（DirectX），而导入设置无法说明：需由材质处理。",
    ),
    "color_as_normal": Text(
        "Imported as a normal map, it keeps only two of its channels: its colours are lost.",
        "按法线贴图导入只保留两个通道：颜色会丢失。",
    ),
    "color_as_linear": Text(
        "Colours are stored for the eye (sRGB): read as they are, they come out too bright and washed out.",
        "颜色以 sRGB 存储：按线性读取会过亮发白。",
    ),
    "packed_order": Text(
        "The engine's materials read the channels in another order: reorder them in the file.",
        "引擎材质按另一种顺序读取各通道：请在文件中调整。",
    ),
    "lossy_data": Text(
        "Lossy compression is made for colours seen by the eye: numbers come out with its blocks in them.",
        "有损压缩是为人眼所见的颜色设计的：数值会带有压缩块痕迹。",
    ),
    "lossy_hdr": Text(
        "Lossy compression cuts off what is brighter than white: light from it becomes dim.",
        "有损压缩会截掉比白色更亮的部分：其光照会变暗。",
    ),
    "uncompressed": Text(
        "Block compression takes a quarter or an eighth of a GPU's memory and is faster to read.",
        "块压缩只占四分之一或八分之一的显存，读取也更快。",
    ),
    "pixel_art_blocks": Text(
        "Block compression smears the few exact colours of pixel art.",
        "块压缩会弄脏像素画中少数精确的颜色。",
    ),
    "grey_as_rgb": Text(
        "One channel holds the same: the file is smaller, and some engines keep it in less memory.",
        "单通道即可保存相同内容：文件更小，部分引擎占用更少内存。",
    ),
    "data_as_srgb": Text(
        "Numbers such as roughness are read as they are; sRGB decoding bends them.",
        "粗糙度等数值应原样读取；sRGB 解码会使其扭曲。",
    ),
    "alpha_constant": Text(
        "An opaque alpha channel says nothing, and costs memory wherever it is kept.",
        "不透明的 Alpha 通道没有信息，凡保留它之处都白白占用内存。",
    ),
    "ui_mipmaps": Text(
        "Pictures of an interface are shown at their size: smaller copies cost a third more memory.",
        "界面图像按原尺寸显示：更小的副本会多占三分之一内存。",
    ),
    "no_mipmaps": Text(
        "What lies on 3D surfaces needs smaller copies for a distance, or it shimmers.",
        "三维表面上的贴图在远处需要更小的副本，否则会闪烁。",
    ),
    "too_large": Text(
        "Larger than the project's limit: `max_size` in popbridge.toml, or the setting `textures.max_size`.",
        "超过项目上限：见 popbridge.toml 中的 `max_size` 或设置 `textures.max_size`。",
    ),
    "not_power_of_two": Text(
        "GPU compression and repeating with mipmaps want sides that are powers of two: resize the file.",
        "GPU 压缩和带 mipmap 的平铺需要边长为 2 的幂：请将图像边长改为 2 的幂。",
    ),
}
"""What each code of a finding is about; a code that isn't here is explained by its sentence alone."""


def say(key: str, locale: str, **values: object) -> str:
    """A sentence in the language of `locale`, filled in."""
    return TEXTS[key].read(locale).format(**values)


def sentence(issue: Issue, locale: str) -> str:
    """What an issue says about its file."""
    if issue.remark is not None:
        return issue.remark.zh if is_chinese(locale) and issue.remark.zh else issue.remark.text
    if issue.finding is not None:
        return advise(issue.sentence, locale, **issue.values)
    reason = {"reason": in_chinese(str(issue.values.get("reason", "")))} if is_chinese(locale) else {}
    return TEXTS[issue.sentence].read(locale).format(**{**issue.values, **reason})


def kind_of(row: Row, locale: str) -> str:
    """The kind of a texture; with a question mark where it is a guess."""
    name = kind_name(row.kind, locale) if row.kind else ""
    return name if row.sure or not name else f"{name}?"


def reasons(row: Row, locale: str) -> str:
    """How sure its kind is, and what says so: `97% (_nrm, the project's other textures)`."""
    if row.kind is None:
        return ""
    said = words(row.kind, row.evidence)
    said += [ADVICE["by_project"].read(locale)] if by_project(row.kind, row.evidence) else []
    told = plain(ADVICE["comma"].read(locale).join(said))
    return f"{row.probability:.0%} ({told})" if told else f"{row.probability:.0%}"


def kind_name(kind: str, locale: str) -> str:
    """A kind in the reader's language."""
    text = ADVICE.get(f"kind_{kind}")
    return text.zh if text and is_chinese(locale) else kind


def explain(code: str, locale: str) -> str:
    """What findings of this code are about; empty for one that explains itself."""
    return HELP[code].read(locale) if code in HELP else ""


def explain_issue(issue: Issue, locale: str) -> str:
    """What issues like this one are about; its own sentence where nothing more general is known."""
    told = explain(issue.code, locale)
    if not told and issue.remark is not None:
        told = issue.remark.about_zh if is_chinese(locale) and issue.remark.about_zh else issue.remark.about
    return told or plain(sentence(issue, locale))


def bytes_text(count: int) -> str:
    """Bytes for people, in binary units."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
