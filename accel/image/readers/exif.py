"""What EXIF says of how a picture is to be turned (Exif 2.32, 4.6.4; a TIFF without pixels)."""

from __future__ import annotations

import struct

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""By the first bytes: little or big endian."""
_ORIENTATION = 0x0112
_SHORT = 3
_UPRIGHT = 1


def is_upright(exif: bytes | memoryview) -> bool:
    """Whether nothing is to be turned; False as well where that isn't plainly said."""
    order = _ORDERS.get(bytes(exif[:4]))
    if order is None:
        return False
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, directory)
        entries = [struct.unpack_from(f"{order}HHIH", exif, directory + 2 + 12 * at) for at in range(count)]
    except struct.error:
        return False
    said = [entry[1:] for entry in entries if entry[0] == _ORIENTATION]
    return said in ([], [(_SHORT, 1, _UPRIGHT)])
