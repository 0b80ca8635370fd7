"""Questions to child processes, with a time limit: a broken driver costs its child and nobody else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct

from accel.exits import describe
from accel.process import environment
from accel.text import AnyText, text

LIMIT_S = 60.0
"""How long a child may take: the first start of CUDA after an installation takes up to half a minute."""

Facts = TypeVar("Facts", bound=Struct)


class Failure(Struct, frozen=True):
    """Why there is no answer."""

    reason: AnyText
    """For people, to be put behind "it"; for example `crashed (SIGSEGV)`."""
    log: str = ""
    """What was written to stderr meanwhile."""


class Answer(Struct, frozen=True):
    """What a child said."""

    facts: msgspec.Raw
    log: str = ""
    """What was written to stderr meanwhile."""


class _Said(Struct):
    facts: msgspec.Raw = msgspec.Raw()
    error: str = ""


Ask = Callable[[str], Answer | Failure]
"""Puts a question of `accel.devices.trial.main`."""


def ask_child(question: str, limit_s: float = LIMIT_S) -> Answer | Failure:
    """Starts a process that answers one question."""
    command = [sys.executable, "-P", "-m", "accel.devices.trial", question]
    # Windows alone has it: no console opens.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment({}), timeout=limit_s,
            creationflags=flags,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return Failure(text("gave no answer within {limit_s} s", limit_s=f"{limit_s:g}"), _text(error.stderr))
    except OSError as error:
        return Failure(text("couldn't be asked, as no process can be started ({error})", error=error))
    return _read(done.returncode, done.stdout, _text(done.stderr))


def _read(code: int, out: bytes, log: str) -> Answer | Failure:
    try:
        said = msgspec.json.decode(out, type=_Said)
    except ValueError:
        return Failure(text("crashed ({describe})", describe=describe(code)), log)
    if said.error:
        return Failure(text("failed ({error})", error=said.error), log)
    # A copy, as Raw points into what was read.
    return Answer(said.facts.copy(), log)


def read(answer: Answer | Failure, kind: type[Facts]) -> Facts | Failure:
    """The facts of an answer."""
    if isinstance(answer, Failure):
        return answer
    return msgspec.json.decode(answer.facts, type=kind)


def _text(log: bytes | str | None) -> str:
    return log.decode(errors="replace") if isinstance(log, bytes) else log or ""
