"""The inner loops of filtering, compiled; documented in `accel.image.kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np

from accel.image.color import Floats
from accel.image.compiled.jit import jit
from accel.image.kernels import MIN_WEIGHT, STEPS, Bytes, Words
from accel.image.pixel_data import Pixels

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_QUARTER = np.float32(0.25)
_LEAST = np.float32(1e-9)
_FINE = np.float32(STEPS)
_POWER, _GAIN, _OFFSET = np.float32(1 / 2.4), np.float32(1.055), np.float32(0.055)
_KNEE, _SLOPE = np.float32(0.0031308), np.float32(12.92)


@jit
def decode(pixels: Pixels, table: Floats, alpha: Floats, colors: int, weighted: bool, lines: Floats) -> None:
    rows, width, channels = pixels.shape
    for y in range(rows):
        for channel in range(colors, channels):
            line = lines[y, channel]
            for x in range(width):
                line[x] = alpha[pixels[y, x, channel]]
        for channel in range(colors):
            line = lines[y, channel]
            if weighted:
                weight = lines[y, colors]
                for x in range(width):
                    line[x] = table[pixels[y, x, channel]] * weight[x]
            else:
                for x in range(width):
                    line[x] = table[pixels[y, x, channel]]


@jit
def halve_pixels(
    pixels: Pixels, table: Floats, alpha: Floats, colors: int, weighted: bool, lines: Floats
) -> None:
    for y in range(lines.shape[0]):
        top, low = pixels[2 * y], pixels[2 * y + 1]
        if not weighted:
            for channel in range(lines.shape[1]):
                _halve(top, low, channel, table if channel < colors else alpha, lines[y, channel])
        elif colors == 3:
            _halve_rgba(top, low, table, alpha, lines[y])
        else:
            _halve_grey(top, low, table, alpha, lines[y])


@jit
def _halve(top: Pixels, low: Pixels, channel: int, table: Floats, line: Floats) -> None:
    for x in range(line.size):
        i = 2 * x
        a, b = table[top[i, channel]], table[top[i + 1, channel]]
        c, d = table[low[i, channel]], table[low[i + 1, channel]]
        line[x] = (a + b + c + d) * _QUARTER


@jit
def _halve_rgba(top: Pixels, low: Pixels, table: Floats, alpha: Floats, lines: Floats) -> None:
    # Handling all channels in one pass takes a third less time than one by one.
    red, green, blue, weight = lines[0], lines[1], lines[2], lines[3]
    for x in range(weight.size):
        i = 2 * x
        j = i + 1
        a, b = alpha[top[i, 3]] * _QUARTER, alpha[top[j, 3]] * _QUARTER
        c, d = alpha[low[i, 3]] * _QUARTER, alpha[low[j, 3]] * _QUARTER
        weight[x] = a + b + c + d
        red[x] = table[top[i, 0]] * a + table[top[j, 0]] * b + table[low[i, 0]] * c + table[low[j, 0]] * d
        green[x] = table[top[i, 1]] * a + table[top[j, 1]] * b + table[low[i, 1]] * c + table[low[j, 1]] * d
        blue[x] = table[top[i, 2]] * a + table[top[j, 2]] * b + table[low[i, 2]] * c + table[low[j, 2]] * d


@jit
def _halve_grey(top: Pixels, low: Pixels, table: Floats, alpha: Floats, lines: Floats) -> None:
    grey, weight = lines[0], lines[1]
    for x in range(weight.size):
        i = 2 * x
        j = i + 1
        a, b = alpha[top[i, 1]] * _QUARTER, alpha[top[j, 1]] * _QUARTER
        c, d = alpha[low[i, 1]] * _QUARTER, alpha[low[j, 1]] * _QUARTER
        weight[x] = a + b + c + d
        grey[x] = table[top[i, 0]] * a + table[top[j, 0]] * b + table[low[i, 0]] * c + table[low[j, 0]] * d


@jit
def halve_lines(lines: Floats, out: Floats) -> None:
    rows, channels, width = out.shape
    for y in range(rows):
        for channel in range(channels):
            top, low, line = lines[2 * y, channel], lines[2 * y + 1, channel], out[y, channel]
            for x in range(width):
                line[x] = ((top[2 * x] + low[2 * x]) + (top[2 * x + 1] + low[2 * x + 1])) * _QUARTER


def halve_sums(rows: Any, channels: int, shift: int, sums: Words, codes: Bytes) -> None:
    both = np.empty(rows.shape[1], np.uint16)
    # Add all channels of a texel as one number: sums of up to 256 bytes never carry over.
    texel = "u2" if channels == 3 else f"u{2 * channels}"
    step = 3 if channels == 3 else 1
    _halve_sums(rows, step, shift, both, both.view(texel), sums, sums.view(texel), codes)


@jit
def _halve_sums(
    rows: Any, step: int, shift: int, both: Words, pairs: Any, sums: Words, texels: Any, codes: Bytes
) -> None:
    half = np.uint32(1 << (shift - 1))
    bits = np.uint32(shift)
    for y in range(len(codes)):
        top, low = rows[2 * y], rows[2 * y + 1]
        for i in range(both.size):
            both[i] = np.uint16(top[i]) + np.uint16(low[i])
        line, result, code = texels[y], sums[y], codes[y]
        if step == 1:
            for x in range(line.size):
                line[x] = pairs[2 * x] + pairs[2 * x + 1]
        else:
            for x in range(line.size // 3):
                for channel in range(3):
                    line[3 * x + channel] = pairs[6 * x + channel] + pairs[6 * x + 3 + channel]
        for i in range(result.size):
            code[i] = np.uint8((np.uint32(result[i]) + half) >> bits)


@jit
def encode8(
    lines: Floats, colors: int, weighted: bool, curve: bool, guess: Bytes, bounds: Floats, pixels: Bytes
) -> None:
    rows, channels, width = lines.shape
    inverse = np.ones(width, np.float32)
    for y in range(rows):
        if weighted:
            for x in range(width):
                weight = lines[y, colors, x]
                inverse[x] = _ONE / weight if abs(weight) > _LEAST else _ZERO
        for channel in range(channels):
            line = lines[y, channel]
            if channel >= colors:
                less = MIN_WEIGHT if weighted else _ZERO
                for x in range(width):
                    value = min(max(line[x] - less, _ZERO), _ONE)
                    pixels[y, x, channel] = np.uint8(np.int32(value * np.float32(255) + _HALF))
            elif curve:
                for x in range(width):
                    value = min(max(line[x] * inverse[x], _ZERO), _ONE)
                    code = np.int32(guess[np.int32(value * _FINE)])
                    pixels[y, x, channel] = np.uint8(code + np.int32(value >= bounds[code + 1]))
            else:
                for x in range(width):
                    value = min(max(line[x] * inverse[x], _ZERO), _ONE)
                    pixels[y, x, channel] = np.uint8(np.int32(value * np.float32(255) + _HALF))


@jit
def encode16(lines: Floats, colors: int, weighted: bool, curve: bool, pixels: Words) -> None:
    rows, channels, width = lines.shape
    inverse = np.ones(width, np.float32)
    for y in range(rows):
        if weighted:
            for x in range(width):
                weight = lines[y, colors, x]
                inverse[x] = _ONE / weight if abs(weight) > _LEAST else _ZERO
        for channel in range(channels):
            line = lines[y, channel]
            less = MIN_WEIGHT if weighted and channel >= colors else _ZERO
            for x in range(width):
                factor = inverse[x] if channel < colors else _ONE
                value = min(max(line[x] * factor - less, _ZERO), _ONE)
                if curve and channel < colors:
                    # IEC 61966-2-1.
                    value = value * _SLOPE if value <= _KNEE else _GAIN * value**_POWER - _OFFSET
                pixels[y, x, channel] = np.uint16(np.int32(value * np.float32(65535) + _HALF))
