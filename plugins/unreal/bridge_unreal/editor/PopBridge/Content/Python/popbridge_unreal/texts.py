"""Sentences for people, in the editor's language."""

from typing import Any, Dict

CHINESE = {
    "Show the open question (%(count)d)": "显示待回答的问题（%(count)d）",
    "Check the selected textures": "检查选中的贴图",
    "%(title)s Answer it in PopBridge > Show the open question.": "%(title)s 请在“PopBridge > 显示待回答的问题”中回答。",
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
