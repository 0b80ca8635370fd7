"""From an `asset.imported` event to the popup's frame, warm, for 2048×2048 PNGs, with a breakdown.

The client is an editor that has just imported a new texture with its engine's default settings. The parts are
measured in the same run: the worker's time by the `run_ms` of `texture.examine`, and decoding alone by pyvips
in this process. The rest is the daemon, the queue, the advisor and the store.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyvips
from msgspec import Struct
from packaging.version import Version

from bridge.advisors.advice import FileAdvice, options_for
from bridge.advisors.findings import Finding
from bridge.advisors.import_popups import draft_popup
from bridge.advisors.texts import bytes_text
from bridge.api import SessionView, TextureIntent
from bridge.client.client import Client
from bridge.core.messages import Answer, InputRef, Popup, PopupItem, ProjectInfo
from bridge.core.popup_items import PopupRows
from bridge.demo.textures import noise, normals
from bridge_godot.adapter import Godot4
from tools.bench.daemons import bridge

SIZE = 2048
WARM_UP = 5
FILES = 45
LISTED = 2000
"""Textures of the long list."""
ENGINE = ("godot", "4.6.stable.official")
OPTIONS: Mapping[str, Any] = {
    "compress/mode": 0,
    "compress/high_quality": False,
    "compress/lossy_quality": 0.7,
    "compress/normal_map": 0,
    "compress/channel_pack": 0,
    "mipmaps/generate": False,
    "mipmaps/limit": -1,
    "roughness/mode": 0,
    "process/fix_alpha_border": True,
    "process/premult_alpha": False,
    "process/normal_map_invert_y": False,
    "process/size_limit": 0,
    "detect_3d/compress_to": 1,
}


TEMPLATE = """## From an import to its popup

From the editor's `asset.imported` event to the popup's frame, with a warm daemon, for {files} normal maps
of 2048 x 2048 (PNG, 8-bit RGB), one after the other (`tools/bench/popup.py`). The aim: at most 150 ms at
the median and 300 ms at p95.

| part | median | p95 |
|---|---|---|
| **event to popup** | **{popup_median:.0f} ms** | **{popup_p95:.0f} ms** |
| of these: `texture.examine`, 256-pixel preview | {examine_median:.0f} ms | {examine_p95:.0f} ms |
| of these: decoding with pyvips alone | {decode_median:.0f} ms | {decode_p95:.0f} ms |

The remaining {rest:.0f} ms at the median are spent in socket, advisor, queue, pipes and store.

A popup about {listed:,} textures with three problems each takes {list_ms:.0f} ms to lay out, outside of the
daemon's event loop. Its list has {rows:,} rows and is a blob of {list_bytes}, {per_row:.0f} bytes a row.
"""


class Times(Struct):
    """Milliseconds for each file."""

    popup: list[float]
    examine: list[float]
    decode: list[float]


class ListTimes(Struct):
    """A popup about LISTED textures."""

    milliseconds: float
    rows: int
    size: int
    """Bytes of the list as JSON."""


def measure_list() -> ListTimes:
    """Drafts the popup about LISTED textures of Godot 4 and encodes its list."""
    adapter = Godot4()
    session = SessionView("s", "p", "Project", None, adapter, Version("4.6"), "en")
    intents = {
        "normal_convention": TextureIntent(normal_convention="directx"),
        "uncompressed": TextureIntent(compression="block"),
        "no_mipmaps": TextureIntent(mipmaps=True),
    }
    findings = [
        Finding(code, rank, sentence, {"confidence": 97}, intent, memory={"desktop": (16 << 20, 4 << 20)})
        for (code, intent), rank, sentence in zip(
            intents.items(), (2, 1, 1), ("normal_green_down", "uncompressed", "no_mipmaps"), strict=True
        )
    ]
    changes = {
        code: options_for([f], OPTIONS, adapter, Version("4.6"))
        for code, f in zip(intents, findings, strict=True)
    }
    options = {name: value for each in changes.values() for name, value in each.items()}
    present = {name: OPTIONS[name] for name in options}
    found = [
        FileAdvice(
            f"res://materials/set{number % 40}/relief{number}_normal.png",
            f"materials/set{number % 40}/relief{number}_normal.png",
            findings, options, present, f"{number:016x}", f"{number:016x}", f"{number:064x}", changes=changes,
        )
        for number in range(LISTED)
    ]  # fmt: skip
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        draft = draft_popup(found, {}, set(), {file.path for file in found}, session)
        assert draft.popup is not None
        encoded = msgspec.json.encode(draft.popup.items)
        rows = PopupRows(msgspec.json.decode(encoded, type=list[PopupItem]))
        took.append((time.perf_counter() - begin) * 1000)
    return ListTimes(min(took), len(rows.leaves) + 3 * LISTED + 3, len(encoded))


def draw(folder: Path) -> list[Path]:
    """Draws normal maps of equal cost and different content: the same relief, shifted."""
    relief = (normals(noise(1, SIZE), 1.0) * 255 + 0.5).astype(np.uint8)
    paths = []
    for number in range(FILES):
        shifted = np.ascontiguousarray(np.roll(relief, 37 * number, axis=(0, 1)))
        image: Any = pyvips.Image.new_from_memory(shifted.data, SIZE, SIZE, 3, "uchar")
        path = folder / f"relief{number}_normal.png"
        image.copy(interpretation="srgb").pngsave(str(path), compression=6)
        paths.append(path)
    return paths


async def popup_time(client: Client, shown: asyncio.Queue[Popup], path: Path, batch: int) -> float:
    """Returns the milliseconds from the event to the popup."""
    asset = {"path": f"res://{path.name}", "file": path.name, "type": "texture", "options": dict(OPTIONS)}
    begin = time.perf_counter()
    await client.event("asset.imported", {"batch": batch, "more": False, "assets": [asset]})
    popup = await asyncio.wait_for(shown.get(), 30)
    took = (time.perf_counter() - begin) * 1000
    await client.answer(Answer(id=popup.id, state="answered", action="later"))
    return took


def decode_time(path: Path) -> float:
    """Returns the milliseconds that pyvips takes to decode the file in this process, on one core."""
    begin = time.perf_counter()
    image: Any = pyvips.Image.new_from_file(str(path), access="sequential")
    image.write_to_memory()
    return (time.perf_counter() - begin) * 1000


async def run() -> Times:
    """Measures all files in sequence; the first few warm up the workers."""
    times = Times([], [], [])
    pyvips.cache_set_max(0)
    with tempfile.TemporaryDirectory() as folder, bridge(popups_per_hour=0) as (file, _daemon):
        paths = draw(Path(folder))
        shown: asyncio.Queue[Popup] = asyncio.Queue()

        async def on_popup(popup: Popup) -> None:
            shown.put_nowait(popup)

        project = ProjectInfo(id="bench", name="bench", root=folder)
        async with await Client.connect(
            file, kind="editor", engine=ENGINE, project=project, on_popup=on_popup
        ) as client:
            for number, path in enumerate(paths):
                popup = await popup_time(client, shown, path, number)
                ref = InputRef(name=path.name, path=path.name)
                done = await client.request("texture.examine", {"preview": 256}, inputs=[ref], cache=False)
                assert done.meta
                if number >= WARM_UP:
                    times.popup.append(popup)
                    times.examine.append(done.meta.run_ms)
                    times.decode.append(decode_time(path))
    return times


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    times, listed = asyncio.run(run()), measure_list()
    return TEMPLATE.format(
        files=len(times.popup),
        popup_median=median(times.popup),
        popup_p95=p95(times.popup),
        examine_median=median(times.examine),
        examine_p95=p95(times.examine),
        decode_median=median(times.decode),
        decode_p95=p95(times.decode),
        rest=median(times.popup) - median(times.examine),
        listed=LISTED,
        list_ms=listed.milliseconds,
        rows=listed.rows,
        list_bytes=bytes_text(listed.size),
        per_row=listed.size / listed.rows,
    )


if __name__ == "__main__":
    print(measure())
