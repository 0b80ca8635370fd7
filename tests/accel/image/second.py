"""A second opinion on files: what OpenImageIO reads in them."""

import tempfile
from pathlib import Path

import numpy as np
import OpenImageIO as oiio


def decoded(data: bytes, suffix: str, subimage: int = 0) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pixels as the file stores them, height x width x channels, and the channels' names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        path.write_bytes(data)
        asked = oiio.ImageSpec()
        asked.attribute("oiio:UnassociatedAlpha", 1)
        file = oiio.ImageInput.open(str(path), asked)
        assert file is not None, oiio.geterror()
        assert file.seek_subimage(subimage, 0), "has no such part"
        spec = file.spec()
        pixels = file.read_image(subimage, 0, 0, spec.nchannels, oiio.TypeUnknown)
        detail = file.geterror()
        file.close()
        assert not detail, detail
        return pixels.reshape(spec.height, spec.width, -1), tuple(spec.channelnames)
