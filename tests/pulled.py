"""Real models for tests, pulled once as users pull them and kept beside the sources."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from accel.models.catalog import MODELS
from accel.models.manifest import Model
from accel.models.pull import pull
from accel.models.store import ModelError, ModelStore

FOLDER = Path(__file__).parent.parent / ".models"
STORE = ModelStore(FOLDER)


def require(name: str) -> Model:
    """The model, pulled. Skips the test where it can't be had, or fails it where models are required."""
    problem = _pulled(name)
    if not problem:
        return MODELS[name]
    if os.environ.get("POPBRIDGE_REQUIRE_MODELS") == "1":
        pytest.fail(f"{name} can't be pulled: {problem}")
    pytest.skip(f"{name} can't be pulled: {problem}")


@cache
def _pulled(name: str) -> str:
    """Why it can't be had; empty where it is there."""
    try:
        pull(STORE, MODELS[name])
    except ModelError as error:
        return str(error)
    return ""
