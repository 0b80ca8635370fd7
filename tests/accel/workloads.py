"""Workloads that misbehave, for the worker's tests."""

import ctypes
import faulthandler
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from accel.devices.proof_cache import ProofCache
from accel.devices.report import DeviceGone
from accel.execution import worker
from accel.execution.worker import SPARE
from accel.image.operations.normals import NormalFromHeight
from accel.progress import Cancelled, part, progress, tracked
from accel.workload import Limits, Output, OutputFile, Params, WorkloadError, batched, workload


class Text(Params, frozen=True):
    text: str = ""
    size: int = 0


def declare(name, **options):
    return workload(name, version=1, params=Text, inputs=options.pop("inputs", (0, 9)), **options)


@declare("test.say")
def say(inputs, params, limits):
    return Output({"text": params.text, "pid": os.getpid(), "limits": limits.max_pixels})


@declare("test.steps")
def steps(inputs, params, limits):
    """`size` steps of 20 ms; writes the file `text` where it is cancelled."""
    try:
        for _ in tracked(range(params.size), "stepping"):
            time.sleep(0.02)
    except Cancelled:
        Path(params.text).touch()
        raise
    return Output(os.getpid())


@declare("test.halves")
def halves(inputs, params, limits):
    for half in range(2):
        with part(half, 2, "ab"[half]):
            progress(1, 2, "inside")
            time.sleep(0.15)
    return Output(None)


@declare("test.stubborn")
def stubborn(inputs, params, limits):
    """Reports once, and never looks whether anybody wants it."""
    progress(0, 1)
    Path(params.text).write_text(str(os.getpid()))
    time.sleep(600)


@declare("test.here", inline=True)
def here(inputs, params, limits):
    value = {"pid": os.getpid(), "nested": Limits(3), "raw": b"\0\1"}
    return Output(value, [OutputFile("out", "text/plain", b"inline")])


@declare("test.files")
def files(inputs, params, limits):
    data = params.text.encode() * max(1, params.size)
    return Output(
        len(data), [OutputFile("first", "text/plain", data), OutputFile("second", "text/plain", b"2")]
    )


@declare("test.crash")
def crash(inputs, params, limits):
    """Dies as `text` says: by `exit`, by `segv`, or only the first time that the file `text` isn't there."""
    if params.text == "exit":
        os._exit(3)
    if params.text == "segv":
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # faulthandler's report would fill the test's output
        faulthandler._sigsegv()  # on Windows, ctypes makes an OSError of one
    mark = Path(params.text)
    if not mark.exists():
        mark.touch()
        os._exit(3)
    return Output("second time")


@declare("test.fresh")
def fresh(inputs, params, limits):
    """Takes and leaves `size` bytes four times over; tells how many pages the system gave in all."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for shade in range(4):
        parts = [np.full(params.size // 4, shade, np.uint8) for _ in range(4)]
        del parts
    return Output(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


@declare("test.hang")
def hang(inputs, params, limits):
    """Never ends; writes its process to the file `text`."""
    Path(params.text).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


@declare("test.stuck")
def stuck(inputs, params, limits):
    """Never ends, and no other thread of its process gets to run; writes its process to the file `text`."""
    Path(params.text).write_text(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 64 + "b")


@declare("test.child")
def child(inputs, params, limits):
    """Waits for a process that never ends, and writes which to the file `text`."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        Path(params.text).write_text(str(process.pid))


@declare("test.hold")
def hold(inputs, params, limits):
    """Says `text` in the file beside it, and ends when the file `text` is gone."""
    path = Path(params.text)
    path.with_suffix(".held").touch()
    while path.exists():
        time.sleep(0.002)
    return Output()


@declare("test.note")
def note(inputs, params, limits):
    """Adds a line to the file that is the input."""
    with open(inputs[0].path, "a", encoding="utf-8") as file:
        file.write(params.text + "\n")
    return Output()


@declare("test.print")
def chatter(inputs, params, limits):
    print("from Python")
    os.write(1, b"from a native library")
    ctypes.CDLL(None).puts(b"from C") if os.name == "posix" else None
    return Output(sys.stdin.read() + os.read(0, 10).decode())


@declare("test.refuse")
def refuse(inputs, params, limits):
    raise WorkloadError("unsupported", "is too blue", params.text)


@declare("test.bug")
def bug(inputs, params, limits):
    raise ZeroDivisionError("the inside of it")


@declare("test.leaves")
def leaves(inputs, params, limits):
    sys.exit("the inside of it")


@declare("test.interrupts")
def interrupts(inputs, params, limits):
    raise KeyboardInterrupt


class Mute(Exception):
    def __str__(self):
        raise ZeroDivisionError


@declare("test.mute")
def mute(inputs, params, limits):
    raise Mute


class Vague(WorkloadError):
    def __init__(self):
        pass


@declare("test.vague")
def vague(inputs, params, limits):
    raise Vague


@declare("test.here_fails", inline=True)
def here_fails(inputs, params, limits):
    print("this is no line of a program's output")
    if params.text == "exit":
        sys.exit(3)
    return {"raise": 1}[params.text] // 0 if params.text == "raise" else None


@declare("test.unspeakable")
def unspeakable(inputs, params, limits):
    return Output(object())


@declare("test.greedy")
def greedy(inputs, params, limits):
    return Output(int(np.ones(params.size << 20, np.uint8).sum()))


HOARD = []


@declare("test.hoard")
def hoard(inputs, params, limits):
    """Never gives back what it took."""
    HOARD.append(np.ones(params.size << 20, np.uint8))
    return Output(len(HOARD))


@declare("test.crowd")
def crowd(inputs, params, limits):
    """Takes and keeps all that this process may have, but so many MiB."""
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    HOARD.append(np.ones(most - psutil.Process().memory_info().vms - (params.size << 20), np.uint8))
    return Output()


@declare("test.path")
def path(inputs, params, limits):
    return Output(os.fsencode(inputs[0].path))


LOADED = []


def take_time(text):
    """Works for the milliseconds of `work MS`; for those of `load MS` once in a process."""
    kind, _, ms = text.partition(" ")
    if kind == "work" or (kind == "load" and not LOADED):
        time.sleep(int(ms) / 1000)
    if kind == "load":
        LOADED.append(text)


@declare("test.many")
def many(inputs, params, limits):
    take_time(params.text)
    if params.text == "hoard":
        hoard(inputs, params, limits)
    if params.text == "raise":
        raise ZeroDivisionError("alone too")
    if params.text == "exit":
        os._exit(3)
    if params.text.startswith("hold "):
        hold(inputs, Text(text=params.text[5:]), limits)
    return Output({"text": params.text, "of": 1, "pid": os.getpid()})


@batched(many, sample=lambda n: {"text": f"sample {n}"}, max_rows=16, rows=lambda p: max(1, p.size),
         bucket=lambda p: p.text[:1] if p.text[1:2] == ":" else "")  # fmt: skip
def many_together(items, limits):
    texts = [item.params.text for item in items]
    if "raise" in texts:
        raise ZeroDivisionError("together")
    if "exit" in texts:
        os._exit(3)
    for item in items:
        if item.params.text == "hoard":
            hoard(item.inputs, item.params, limits)
    for text in texts:
        take_time(text)
        if text.startswith("few ") and len(texts) > int(text[4:]):
            time.sleep(600)
        if text == "rest":
            time.sleep(items[0].params.size / 1000)
        if text.startswith("hold "):
            hold(items[0].inputs, Text(text=text[5:]), limits)
    return [_one_of_many(text, len(texts)) for text in texts if text != "short"]


def _one_of_many(text, count):
    if text == "refuse":
        return WorkloadError("unsupported", "is too blue")
    files = [OutputFile("made", "text/plain", b"made")] if text == "file" else []
    return Output(
        object() if text == "unspeakable" else {"text": text, "of": count, "pid": os.getpid()}, files
    )


@declare("test.number")
def number(inputs, params, limits):
    return 3


done = []


@declare("test.later")
def later(inputs, params, limits):
    """Leaves work for later: to `note` in `done` that it was done, to find the device `gone`, to `hang`."""
    found = {"pid": os.getpid(), "done": len(done)}

    def work():
        if params.text == "gone":
            raise DeviceGone("CUDA failure 700: an illegal memory access was encountered")
        if params.text == "hang":
            time.sleep(3600)
        done.append(1)
        yield from ()

    if params.text == "hang":
        worker.LONGEST_S = 0.3
    if params.text != "look":
        SPARE.later(work())
    return Output(found)


@declare("test.trial")
def trial(inputs, params, limits):
    """Leaves a trial for later that doesn't end, and notes in `text`, a file, that it begins."""

    def work():
        ProofCache(Path(params.text), "here").begin("ab" * 32, "a model.onnx", "x 1x3")
        time.sleep(3600)
        yield

    SPARE.later(work())
    return Output(os.getpid())


@workload("test.broken_normals", version=1, params=NormalFromHeight)
def broken_normals(inputs, params, limits):
    return 1 / 0
