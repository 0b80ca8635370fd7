"""How far what a graph makes may be from what the CPU's form makes."""

import numpy as np


def check_agree(found, wanted, codes: float = 1.0):
    """Within so many steps of 8 bit; floats within as much of full scale."""
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    full = 1.0 if found.dtype.kind == "f" else np.iinfo(found.dtype).max
    off = np.abs(found.astype(np.float64) - wanted.astype(np.float64)) / full * 255
    assert off.max() <= codes, f"off by {off.max():.2f} of 255 at {np.unravel_index(off.argmax(), off.shape)}"
