"""Measures the peak memory of workloads as a multiple of the decoded image, for `Workload.memory`.

    python -m tools.bench.memory_factors [SIDE]     # Linux; one process for each workload

Each workload gets an RGBA image of SIDE x SIDE pixels with 8 bits (4096 by default), as often as it
needs one. The multiple counts it once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

PARAMS = {
    "image.pack_channels": {"layout": "orm", "holds": ["occlusion"]},
    "texture.preview_lit": {"kind": "albedo"},
    "image.pipeline": {"steps": [{"workload": "image.resize", "params": {"factor": 0.5}}]},
    "image.resize": {"factor": 0.5},
    "image.unpack_channels": {"layout": "rgba"},
}

CHILD = """
import gc, json, sys
from pathlib import Path
from accel.execution.protocol import JobFrame, JobInput, Setup
from accel.execution.worker import run
from accel.workload import Input, Limits
target, params, small, large, count = json.loads(sys.argv[1])
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) << 10
def once(path):
    inputs = [JobInput.of(Input(Path(path).name, path))] * count
    return run(JobFrame(target, params, inputs, None), Setup(Limits(), 0, ()))
once(small); before = peak(); reply = once(large)
print(peak() - before, b"failed" in reply[:40])
"""


def main() -> None:
    import pyvips

    from bridge.builtin import popbridge_workloads

    side = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for length in (64, side):
            noise = pyvips.Image.gaussnoise(length, length, mean=128, sigma=30).cast("uchar")
            path = Path(folder) / f"{length}.png"
            noise.bandjoin([noise, noise, noise]).copy(interpretation="srgb").write_to_file(
                path, compression=1
            )
            files.append(str(path))
        for workload in popbridge_workloads():
            low, high = workload.inputs
            if not high or workload.name.endswith((".embed", ".ocr", ".remove_background", ".upscale")):
                continue
            given = [workload.target, PARAMS.get(workload.name, {}), *files, max(1, low)]
            done = subprocess.run(
                [sys.executable, "-c", CHILD, json.dumps(given)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(f"{workload.name:32} failed: {done.stderr.splitlines()[-1]}")
                continue
            grown, failed = done.stdout.split()
            share = int(grown) / (side * side * 4)
            print(f"{workload.name:32} {share:5.2f}{' (refused)' if failed == 'True' else ''}", flush=True)


if __name__ == "__main__":
    main()
