"""Units of time and size, as people read them."""

from __future__ import annotations

from bridge.core.texts import Text

DAYS = Text("{count} d", "{count} 天")
HOURS = Text("{count} h", "{count} 小时")
MINUTES = Text("{count} min", "{count} 分钟")
SECONDS = Text("{count} s", "{count} 秒")
BYTES = Text("{count} bytes", "{count} 字节")
MILLISECONDS = Text("{count} ms", "{count} 毫秒")
