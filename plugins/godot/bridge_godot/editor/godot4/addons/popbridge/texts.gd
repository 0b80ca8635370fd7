@tool
extends RefCounted
# The addon's own words, in the editor's language: English, or Chinese where that is set.

const EN := {
	"searching": "PopBridge isn't running. Start it with “popbridge serve”: this panel connects by itself.",
	"connecting": "Connecting to PopBridge…",
	"open": "Connected to PopBridge %s.",
	"waiting": "The connection to PopBridge is lost; trying again. If that goes on, see whether “popbridge serve” runs.",
	"refused": "PopBridge refused the connection: %s",
	"nothing": "Advice on the textures that you import appears here.",
	"find": "Find a popup",
	"more": "%d of %d are shown.",
	"for_all": "The other %d of this kind, too",
	"dismiss": "Dismiss",
	"sending": "Sent; PopBridge is at work…",
	"kept": "Kept: sent as soon as PopBridge is back.",
	"slow": "PopBridge hasn't confirmed your answer yet. It is kept, and sent again if the connection breaks. If that goes on, see whether “popbridge serve” still runs.",
	"preview": "Preview",
	"no_image": "The preview can't be loaded.",
	"missing": "There is no imported texture of that name in this project.",
	"malformed": "A change needs a path and options.",
	"other_type": "%s is %s here, and %s isn't of that type.",
	"changed_since": "%s has changed since (it is %s, and was set to %s): left as it is.",
	"left_unset": "%s is %s, and wasn't set: the engine may have written that, or somebody: left as it is.",
	"cant_write": "%s.import can't be written: make it writable (or check it out) if it is read-only, or close what holds it.",
	"not_imported": "The settings are written, but Godot couldn't import it: the editor's output says why.",
	"importing": "Godot is importing: %s waits for its end.",
	"cancelled": "%s was cancelled before it began.",
	"not_a_list": "%s: %s must be a list.",
	"unknown_command": "%s: this addon (Godot 4) doesn't know that command.",
}

const ZH := {
	"searching": "PopBridge 没有运行。请执行“popbridge serve”，本面板会自动连接。",
	"connecting": "正在连接 PopBridge……",
	"open": "已连接到 PopBridge %s。",
	"waiting": "与 PopBridge 的连接已断开，正在重试。如果一直连不上，请检查“popbridge serve”是否在运行。",
	"refused": "PopBridge 拒绝了连接：%s",
	"nothing": "导入贴图后，建议会显示在这里。",
	"find": "查找弹窗",
	"more": "已显示 %d 个，共 %d 个。",
	"for_all": "同时处理其他 %d 个同类弹窗",
	"dismiss": "关闭",
	"sending": "已发送，PopBridge 正在处理……",
	"kept": "已保存，PopBridge 恢复后会立即发送。",
	"slow": "PopBridge 尚未确认。回答已保存，如果连接断开会重新发送。如果一直如此，请检查“popbridge serve”是否仍在运行。",
	"preview": "预览图",
	"no_image": "无法加载预览图。",
	"missing": "此项目中没有该名称的已导入贴图。",
	"malformed": "更改需要包含路径和选项。",
	"other_type": "%s 在这里是 %s，而 %s 不是该类型。",
	"changed_since": "%s 后来又有改动（现为 %s，当时设为 %s）：保持不变。",
	"left_unset": "%s 现为 %s，而当时未设置：可能由引擎写入，也可能有人改过：保持不变。",
	"cant_write": "无法写入 %s.import：如果它是只读的，请设为可写（或签出），否则请关闭占用它的程序。",
	"not_imported": "设置已写入，但 Godot 无法导入该文件：原因见编辑器的输出面板。",
	"importing": "Godot 正在导入：%s 需等待其结束。",
	"cancelled": "%s 在开始之前已被取消。",
	"not_a_list": "%s：%s 必须是列表。",
	"unknown_command": "%s：此插件（Godot 4）不支持该命令。",
}

var _texts := EN


func _init(locale: String) -> void:
	if locale.begins_with("zh"):
		_texts = ZH


func of(name: String) -> String:
	return _texts[name]
