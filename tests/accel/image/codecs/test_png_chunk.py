from accel.image.codecs.png import chunk
from tests.accel.image.broken import chunk as whole


def test_a_chunk_holds_all_pieces_of_its_data():
    pieces = chunk(b"IDAT", [b"one", bytearray(b"two"), memoryview(b"three")])
    assert b"".join(pieces) == whole(b"IDAT", b"onetwothree")


def test_a_chunk_of_nothing_has_a_checksum_too():
    assert b"".join(chunk(b"IEND", [])) == whole(b"IEND", b"")


def test_the_data_of_a_chunk_are_not_copied():
    data = bytes(100)
    assert any(piece is data for piece in chunk(b"IDAT", [data]))
