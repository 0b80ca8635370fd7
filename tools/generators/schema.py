"""docs/reference/protocol.schema.json: every message as JSON Schema (2020-12)."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from bridge.core import messages
from bridge.core.messages import CLIENT_MESSAGES, EVENT_DATA, SERVER_MESSAGES

TARGET = Path("docs/reference/protocol.schema.json")


def files() -> dict[Path, str]:
    every = tuple(dict.fromkeys(CLIENT_MESSAGES + SERVER_MESSAGES + EVENT_DATA))
    schemas, components = msgspec.json.schema_components(every, ref_template="#/$defs/{name}")
    by_side = {
        "FromClient": _any_of([schemas[every.index(message)] for message in CLIENT_MESSAGES]),
        "FromServer": _any_of([schemas[every.index(message)] for message in SERVER_MESSAGES]),
    }
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"PopBridge wire protocol {messages.PROTOCOL}",
        "description": "Generated from bridge/core/messages.py. Bytes are base64, as in bridge.v1.json.",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in by_side],
        "$defs": by_side | components,
    }
    return {TARGET: json.dumps(document, indent=1, ensure_ascii=False) + "\n"}


def _any_of(schemas: list[dict[str, object]]) -> dict[str, object]:
    return {"anyOf": schemas}
