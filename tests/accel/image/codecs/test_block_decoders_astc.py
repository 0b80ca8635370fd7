"""ASTC blocks of any bytes are read, by ARM's decoder."""

import threading

import numpy as np
import pytest

from accel.image.codecs.block_decoders import ASTC, BLOCKS, decode_astc, decode_plain

WHITE = bytes.fromhex("fcfdffffffffffff") + b"\xff" * 8
"""A block of one colour: a void extent without extent, and four channels of 16 bits."""


@pytest.mark.parametrize("codec", ASTC)
def test_a_block_of_one_colour_is_that(codec):
    size = BLOCKS[codec]
    found = decode_plain(codec, WHITE, size.width, size.height)
    assert found.shape == (size.height, size.width, 4) and (found == 255).all()


@pytest.mark.parametrize("codec", ASTC)
def test_blocks_that_keep_no_rule_become_magenta_and_crash_nothing(codec):
    size, rng = BLOCKS[codec], np.random.default_rng(5)
    blocks = rng.integers(0, 256, (1024, 16), np.uint8)
    found = decode_plain(codec, blocks.tobytes(), size.width * 32, size.height * 32)
    # Some bytes mean nothing to any decoder.
    assert (found.reshape(-1, 4) == (255, 0, 255, 255)).all(axis=1).any()


def test_an_image_that_ends_within_a_block_has_its_own_size():
    assert decode_astc(WHITE * 4, 5, 7, 4, 4).shape == (7, 5, 4)


def test_each_thread_has_a_decoder_of_its_own():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(decode_astc(WHITE, 4, 4, 4, 4))) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 4 and all((one == 255).all() for one in found)
