"""The compressions in blocks that GPUs read directly."""

from __future__ import annotations

from typing import Literal

Compression = Literal["", "bc1", "bc2", "bc3", "bc4", "bc5", "bc6h", "bc7", "etc2", "astc"]
"""Empty for none."""
