"""Sentences for people, in the editor's language."""

from typing import Any, Dict, Tuple

CHINESE = {
    "Show open questions (%(count)d)": "显示待回答的问题（%(count)d）",
    "Check the selected textures": "检查选中的贴图",
    "Check all textures of the project": "检查项目中的所有贴图",
    "Check with PopBridge": "用 PopBridge 检查",
    "Check textures with PopBridge": "用 PopBridge 检查贴图",
    "Reading %(count)d textures": "正在读取 %(count)d 张贴图",
    "Make a normal map from heights": "由高度图生成法线贴图",
    "%(path)s exists already.": "%(path)s 已存在。",
    "its pixels can't be read": "无法读取像素",
    "%(path)s is made. Save it in the editor.": "已生成 %(path)s。请在编辑器中保存。",
    "No normal map from %(path)s: %(reason)s": "无法由 %(path)s 生成法线贴图：%(reason)s",
    "Reading pixels": "正在读取像素",
    "No textures to check.": "没有可检查的贴图。",
    "%(path)s isn't checked: its pixels can't be read.": "%(path)s 未检查：无法读取像素。",
    "The connection was lost.": "连接已断开。",
    "%(title)s Answer it in PopBridge > Show open questions.": "%(title)s请在“PopBridge > 显示待回答的问题”中回答。",
    "Yes: %(action)s. No: dismiss the question. Cancel: decide later.": "是：%(action)s。否：关闭该问题。取消：以后再决定。",
    "There is no open question.": "没有待回答的问题。",
    "Fixing import settings": "正在修复导入设置",
    "This isn't a texture of the project.": "这不是项目中的贴图。",
    "A change needs a path and options.": "更改需要路径和选项。",
    "%(option)s isn't a property of textures in this version of Unreal.": "此版本 Unreal 的贴图没有属性 %(option)s。",
    "%(option)s can't be %(value)s.": "%(option)s 不能设为 %(value)s。",
    "%(option)s was changed meanwhile: it is %(now)s, not %(expected)s. Left unchanged.": "%(option)s 已被更改：现在是 %(now)s，而不是 %(expected)s。未作更改。",
    "%(option)s is %(now)s, not %(wanted)s.": "%(option)s 是 %(now)s，而不是 %(wanted)s。",
    "%(option)s can't be set: %(reason)s": "无法设置 %(option)s：%(reason)s",
    "%(file)s can't be checked out: %(reason)s": "无法签出 %(file)s：%(reason)s",
    "%(file)s is read-only. Check it out, or make it writable.": "%(file)s 是只读的。请签出该文件，或将其设为可写。",
    "The fix was cancelled before this texture.": "在处理此贴图之前，修复已取消。",
    "The change is made, but the asset can't be saved. Save it in the editor.": "更改已完成，但无法保存资产。请在编辑器中保存。",
    "%(command)s was cancelled before it started.": "%(command)s 在开始前已取消。",
    "This plugin doesn't support the command %(command)s.": "此插件不支持命令 %(command)s。",
    "%(command)s: changes must be a list of changes.": "%(command)s：changes 必须是更改的列表。",
    "%(count)d more errors aren't shown.": "另有 %(count)d 个错误未显示。",
}  # type: Dict[str, str]

LABELS = {
    "connected": ("Connected", "已连接"),
    "searching": (
        "PopBridge isn't running. Run `popbridge serve`.",
        "PopBridge 没有运行。请执行 `popbridge serve`。",
    ),
    "editor_gone": ("The editor is closed.", "编辑器已关闭。"),
    "nothing": (
        "No open questions. Imports are checked automatically.",
        "没有待回答的问题，导入时自动检查。",
    ),
    "undone": (
        "The fix was undone: the settings are as before, and what was wrong is wrong again. You aren't asked "
        "about it again; `popbridge audit --with-editor` lists it.",
        "修复已撤销：设置已恢复原样，原有问题依旧存在。PopBridge 不会再就此询问；"
        "可用 `popbridge audit --with-editor` 查看。",
    ),
    "check": ("Check all textures", "检查所有贴图"),
    "checking": (
        "All textures are checked; questions appear here.",
        "正在检查所有贴图，如有问题会在此显示。",
    ),
    "error": ("Error", "错误"),
    "warning": ("Warning", "警告"),
    "note": ("Note", "提示"),
    "done": ("Fixed", "已修复"),
    "failed": ("Not fixed", "未修复"),
    "kept": ("Left as is", "保持不变"),
    "pending": ("Waiting", "等待中"),
    "working": ("Working…", "正在处理……"),
    "cancel": ("Cancel", "取消"),
    "dismiss": ("Dismiss", "关闭该问题"),
    "more_actions": ("More actions", "更多操作"),
    "choose": ("Tick at least one rule.", "请至少勾选一条规则。"),
    "also_now": (
        "The ticked textures ({count}) are fixed now, later imports without asking.",
        "现在修复已勾选的 {count} 张贴图，以后导入时自动修复，不再询问。",
    ),
    "written": ("Lines in popbridge.toml", "写入 popbridge.toml 的内容"),
    "close": ("Close", "关闭"),
    "more": ("Show {count} more", "再显示 {count} 项"),
    "loading": ("Loading…", "正在加载……"),
    "evidence": ("Why?", "判断依据"),
    "shown": (
        "Left: as it is now. Right: after the fix. Drag to compare.",
        "左：现在；右：修复后。拖动可对比。",
    ),
    "source": ("Source file: {file}", "源文件：{file}"),
    "not_raised": ("Also checked, nothing found", "其他检查，未发现问题"),
    "before": ("Now", "现在"),
    "after": ("After the fix", "修复后"),
    "compare": ("Compare now and after the fix", "对比现在与修复后"),
    "theme": ("Light or dark", "浅色或深色"),
}  # type: Dict[str, Tuple[str, str]]
"""The page's texts, in English and Chinese."""

_language = "en"


def use(locale):
    # type: (str) -> None
    """Chooses the language by a BCP 47 tag; English if there are no texts in it."""
    global _language
    _language = "zh" if locale.lower().startswith("zh") else "en"


def say(sentence, **values):
    # type: (str, **Any) -> str
    """Returns a sentence in the chosen language, with its values."""
    return (CHINESE.get(sentence, sentence) if _language == "zh" else sentence) % values


def sentence(title):
    # type: (str) -> str
    """Returns a title as a sentence in the chosen language."""
    return title.rstrip(".。") + ("。" if _language == "zh" else ".")


def language():
    # type: () -> str
    """Returns the chosen language as BCP 47."""
    return "zh-CN" if _language == "zh" else "en"


def labels():
    # type: () -> Dict[str, str]
    """Returns the page's texts in the chosen language."""
    return {name: pair[_language == "zh"] for name, pair in LABELS.items()}
