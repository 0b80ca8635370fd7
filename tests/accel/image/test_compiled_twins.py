import subprocess
import sys

import numba
import numpy as np

from accel.image import compiled, pixel_coding
from accel.image import kernels as plain
from accel.image.compiled.jit import jit
from tests.accel.image.operation_helpers import noise


def double(values) -> None:
    for place in range(values.size):
        values[place] *= 2


def test_loops_are_compiled_without_a_writable_cache(monkeypatch):
    real = numba.njit
    asked = []

    def njit(**options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr("accel.image.compiled.jit.njit", njit)
    values = np.arange(4.0)
    jit(double)(values)
    assert values.tolist() == [0, 2, 4, 6] and asked == [True, False]


def test_declaring_and_small_images_never_import_numba():
    code = (
        "import sys; from accel.image.operations.pipeline import OPERATIONS; "
        "assert not {'numpy', 'pyvips'} & set(sys.modules); import numpy as np; "
        "from accel.image.raster import Raster; from accel.workload import Limits; "
        "image = Raster('a', np.zeros((64, 64, 4), np.uint8), True, 'srgb', 'png'); "
        "one = OPERATIONS['image.mipmaps']; one.operate([image], one.workload.parse({}), Limits()); "
        "assert 'numba' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_numba_numpy_does_the_work(monkeypatch):
    monkeypatch.delitem(sys.modules, "accel.image.compiled.kernels", raising=False)
    monkeypatch.setattr(compiled, "available", lambda: False)
    monkeypatch.setattr(pixel_coding, "WORTH_COMPILED", 0)
    assert pixel_coding.choose_loops(noise(4, 4, 4)) is plain
