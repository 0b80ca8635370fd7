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
	"dismiss": "Dismiss",
	"sending": "Sent; PopBridge is at work…",
	"kept": "Kept: sent as soon as PopBridge is back.",
	"no_image": "The preview can't be loaded.",
}

const ZH := {
	"searching": "PopBridge 没有运行。请执行“popbridge serve”，本面板会自动连接。",
	"connecting": "正在连接 PopBridge……",
	"open": "已连接到 PopBridge %s。",
	"waiting": "与 PopBridge 的连接已断开，正在重试。如果一直连不上，请检查“popbridge serve”是否在运行。",
	"refused": "PopBridge 拒绝了连接：%s",
	"nothing": "导入贴图后，建议会显示在这里。",
	"dismiss": "关闭",
	"sending": "已发送，PopBridge 正在处理……",
	"kept": "已保存，PopBridge 恢复后会立即发送。",
	"no_image": "无法加载预览图。",
}

var _texts := EN


func _init(locale: String) -> void:
	if locale.begins_with("zh"):
		_texts = ZH


func of(name: String) -> String:
	return _texts[name]
