"""Every SDK reads and writes the same vectors, in its own runtime."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import pytest

from bridge.core.codec import client_codec, server_codec
from bridge.core.messages import SUBPROTOCOL_MSGPACK
from tools import csharp, typescript
from tools.generators import sdk
from tools.generators.vectors import FOLDER as MESSAGES

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PYTHONS = ("3.7", "3.9", "3.11")
"""Those of Unreal Engine 4.27, 5.0 to 5.3, and later."""
RUNTIMES = (*(f"python{version}" for version in PYTHONS), "coreclr", "mono", "node")
SIDES = {"server": "client", "client": "server"}
"""Who receives the messages of each side."""
WAIT_S = 60.0


def python(version: str) -> str | None:
    """Returns an interpreter of a version, from pyenv or PATH."""
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    # pyenv's program on PATH refuses all versions but the chosen ones.
    found = [str(each) for each in sorted(installed.glob(f"{version}.*/bin/python"))]
    return found[0] if found else shutil.which(f"python{version}")


@pytest.fixture(scope="module", params=RUNTIMES)
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Returns what answers a list of questions in one runtime."""
    name: str = request.param
    env: Mapping[str, str] = os.environ
    folder = tmp_path_factory.mktemp(name)
    if name.startswith("python"):
        if (program := python(name.removeprefix("python"))) is None:
            pytest.skip(f"{name} isn't installed")
        command: Sequence[str] = [
            program,
            "-B",
            "-W",
            "error",
            str(HERE / "driver.py"),
            str(ROOT / sdk.PYTHON.parent),
        ]
    elif name == "node":
        if shutil.which("node") is None or not typescript.COMPILER.exists():
            pytest.skip("node or TypeScript isn't there: python tools/typescript.py")
        module = typescript.compile_module(ROOT / sdk.TYPESCRIPT, folder)
        command = ["node", str(HERE / "driver.mjs"), str(module)]
    else:
        if not csharp.is_ready():
            pytest.skip("Roslyn or Mono isn't there: python tools/csharp.py")
        program_file = folder / "Driver.exe"
        sources = [ROOT / sdk.CSHARP, HERE / "Driver.cs"]
        assert csharp.compile_programs({"out": program_file, "sources": sources}) == [[]]
        command, env = csharp.commands(program_file)[name], csharp.environment()

    def ask(questions: Sequence[str]) -> list[str]:
        done = subprocess.run(
            command, input="\n".join(questions) + "\n", capture_output=True, text=True, env=env,
            timeout=WAIT_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    ask.is_javascript = name == "node"  # type: ignore[attr-defined]
    return ask


def vectors(receiver: str) -> list[dict[str, Any]]:
    files = sorted((ROOT / MESSAGES).glob("*.json"))
    every = [vector for file in files for vector in json.loads(file.read_text(encoding="utf-8"))]
    return [each for each in every if receiver in each["receivers"] and each["msgpack"] is not None]


def test_values_are_read_and_written_like_pythons(driver: Any) -> None:
    found = json.loads((ROOT / "tests/vectors/msgpack.json").read_text(encoding="utf-8"))
    accept, reject = found["accept"], found["reject"]
    answers = driver([f"value {each['hex']}" for each in accept + reject])
    for vector, said in zip(accept, answers, strict=False):
        wanted = vector.get("again", vector["hex"])
        if said != f"again {wanted}":
            # JavaScript has one type for both 1 and 1.0.
            again = msgpack.unpackb(bytes.fromhex(said.removeprefix("again ")))
            assert driver.is_javascript and again == msgpack.unpackb(bytes.fromhex(wanted)), vector
    read = [
        each["name"] for each, said in zip(reject, answers[len(accept) :], strict=True) if "again" in said
    ]
    assert read == []


@pytest.mark.parametrize("side", SIDES)
def test_messages_are_read_and_written(driver: Any, side: str) -> None:
    codec = (client_codec if side == "server" else server_codec)(SUBPROTOCOL_MSGPACK)
    accepted = [each for each in vectors(SIDES[side]) if not each["close"]]
    answers = driver([f"{side} {each['msgpack']}" for each in accepted])
    for vector, said in zip(accepted, answers, strict=True):
        word, again = said.split(" ", 1)
        assert word == "again", (vector["name"], said)
        ours = codec.decode(bytes.fromhex(vector["msgpack"]))
        assert codec.decode(bytes.fromhex(again)) == ours, vector["name"]


@pytest.mark.parametrize("side", SIDES)
def test_invalid_messages_are_refused_by_the_same_code_and_field(driver: Any, side: str) -> None:
    # What fields of any content hold is the daemon's to check.
    refused = [each for each in vectors(SIDES[side]) if each["close"] and each["name"] not in FREE]
    answers = driver([f"{side} {each['msgpack']}" for each in refused])
    wanted = [f"refused {each['close']} {each['field']}" for each in refused]
    assert [*zip([each["name"] for each in refused], answers, strict=True)] == [
        *zip([each["name"] for each in refused], wanted, strict=True)
    ]


def test_both_sides_prove_that_they_know_the_token(driver: Any) -> None:
    proofs = json.loads((ROOT / "tests/vectors/proof.json").read_text(encoding="utf-8"))
    given = ("token", "id", "client_nonce", "server_nonce", "fingerprint")
    answers = driver(["proof " + " ".join(each[name] for name in given) for each in proofs])
    assert answers == [f"{each['server_proof']} {each['client_proof']}" for each in proofs]


FREE = {"reject-not-a-number", "reject-infinity", "reject-key-of-wrong-type", "reject-too-deep",
        "reject-integer-of-65-bits-text"}  # fmt: skip
