from tests.accel.image.readers.conftest import read

__all__ = ["read"]
