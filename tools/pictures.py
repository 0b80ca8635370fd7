"""Takes the pictures of the READMEs: the popup of `popbridge demo` in Godot 4's real editor.

    python tools/pictures.py

Needs what `python tools/engines.py` installs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pyvips

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bridge.core.errors import UserError  # noqa: E402
from bridge.demo.demo import TITLES, editor_pictures  # noqa: E402
from bridge.demo.editor import PictureError, Reader  # noqa: E402
from tools import engines  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PICTURES = {"en": IMAGES / "popup-godot4.png", "zh_CN.UTF-8": IMAGES / "popup-godot4.zh-CN.png"}
"""By the locale of the editor and the popup."""
PART = (780, 214, 660, 686)
"""Of the window, around the addon's panel: left, top, width and height in pixels."""


def main() -> int:
    if missing := [name for name in engines.missing() if not name.startswith("Godot 3")]:
        print(f"pictures: missing {', '.join(missing)}: `python tools/engines.py` installs it")
        return 1
    set_environment()
    try:
        for locale, picture in PICTURES.items():
            take(locale, picture)
            print(f"{picture.name}: {picture.stat().st_size / 1024:.0f} KiB")
    except (PictureError, UserError) as error:
        print(f"pictures: {error}")
        return 1
    return 0


def set_environment() -> None:
    """Sets variables with which the editor is found and draws; removes the caller's settings of PopBridge."""
    for name in [name for name in os.environ if name.startswith("POPBRIDGE_")]:
        if name != "POPBRIDGE_GODOT4":
            del os.environ[name]
    os.environ.update(engines.environment() | engines.godot4_window_environment())


def take(locale: str, picture: Path) -> None:
    """Writes `picture` of an editor in that language. Raises PictureError and UserError."""
    with tempfile.TemporaryDirectory(prefix="popbridge-pictures-") as folder:
        taken = editor_pictures(Path(folder, "demo"), Reader(locale))
    (png,) = (each.png for each in taken if each.title == TITLES["popup"])
    # A palette keeps it small: the editor has few colours.
    image = pyvips.Image.new_from_buffer(png, "").crop(*PART)
    image.pngsave(str(picture), palette=True, effort=10, compression=9, keep="none")


if __name__ == "__main__":
    sys.exit(main())
