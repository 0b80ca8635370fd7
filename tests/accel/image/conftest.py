"""What tests of images share."""

import pytest

from accel.image.decode import decode_image
from accel.image.pixel_data import DecodedImage
from accel.workload import Input, Limits


@pytest.fixture
def read(tmp_path):
    """Decodes a file of some bytes."""

    def decode(
        data: bytes, name: str = "a.bin", *, mips: bool = False, layers: bool = False, **limits
    ) -> DecodedImage:
        path = tmp_path / name
        path.write_bytes(data)
        return decode_image(Input(name, str(path)), Limits(**limits), mips=mips, layers=layers)

    return decode
