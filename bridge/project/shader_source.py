"""Finds out which channels of its textures a shader's source reads, in GLSL, HLSL and languages like them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Set
from typing import NamedTuple

CHANNELS = "rgba"
_CHANNEL = dict(zip("rgbaxyzwstpq", CHANNELS * 3, strict=True))

_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]\w*")
# texture(name, …), tex2D(name, …); also macros that declare a texture.
_CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(\s*([A-Za-z_]\w*)\s*([,)])")
# name.Sample(sampler, …)
_METHOD = re.compile(r"\b([A-Za-z_]\w*)\s*\.\s*(?:Sample|SampleLevel|SampleBias|SampleGrad|Load)\s*\(")
_SWIZZLE = re.compile(r"\s*\)*\s*\.\s*([rgba]{1,4}|[xyzw]{1,4}|[stpq]{1,4})\b")
_ASSIGNED = re.compile(r"(?:vec4|(?:float|half|fixed|min16float)4)\s+([A-Za-z_]\w*)\s*=\s*\Z")
_MEMBER = re.compile(r"\b([A-Za-z_]\w*)\s*\.\s*([rgba]{1,4}|[xyzw]{1,4}|[stpq]{1,4})\b")
_PARENTHESIS = re.compile(r"[()]")
_NORMAL = re.compile(r"(?:\bUnpack(?:Scale)?Normal\w*\s*\(|\bNORMAL_?MAP\s*=)\s*\Z")

READERS = frozenset({
    "texture", "textureLod", "textureGrad", "textureProj", "textureProjLod", "texelFetch", "texture2D",
    "texture2DLod", "tex2D", "tex2Dlod", "tex2Dbias", "tex2Dgrad", "tex2Dproj",
})  # fmt: skip
"""Functions of GLSL and HLSL that return all channels of the texture that is their first argument."""
QUERIES = frozenset({"textureSize", "textureQueryLevels"})
"""Functions of GLSL that read no texel."""
LONGEST_PREFIX = 120
"""Characters before a call in which its variable is declared."""
LONGEST_CALL = 400
"""Characters of a call's arguments."""


class Reads(NamedTuple):
    """How a shader reads one texture."""

    channels: str
    """Of `rgba`, in this order; empty if unknown."""
    normal: bool
    """Whether the source unpacks normals from it."""


def without_comments(source: str) -> str:
    """Replaces each comment with a space."""
    return _COMMENT.sub(" ", source)


def texture_reads(
    source: str,
    names: Collection[str],
    declared: Mapping[str, int],
    readers: Set[str] = frozenset(),
    declarations: Set[str] = frozenset(),
) -> dict[str, Reads]:
    """Returns how a shader without comments reads the textures `names`.

    `declared` is the number of times that each name occurs in declarations. If it occurs elsewhere than there
    and as the first argument of a known function, such as in a macro, its channels are unknown. `readers` are
    an engine's own functions that return all channels of their first argument, `declarations` those that only
    declare it.
    """
    readers, silent = READERS | readers, QUERIES | declarations
    members = _members(source)
    counts = Counter(word for word in _WORD.findall(source) if word in names or word in members)
    found: dict[str, set[str]] = {}
    normals: set[str] = set()
    explained: Counter[str] = Counter(declared)
    for name, start, end in _reads(source, names, readers, silent, explained):
        prefix = source[max(0, start - LONGEST_PREFIX) : start]
        channels = found.setdefault(name, set())
        if is_normal := bool(_NORMAL.search(prefix)):
            normals.add(name)
        if swizzle := _SWIZZLE.match(source, end):
            channels.update(_CHANNEL[letter] for letter in swizzle[1])
        elif is_normal:
            channels.update("rgb")
        elif (variable := _ASSIGNED.search(prefix)) and counts[variable[1]] == members[variable[1]][0] + 1:
            channels.update(members[variable[1]][1])
        else:
            channels.update(CHANNELS)
    return {
        name: Reads(
            "".join(c for c in CHANNELS if c in channels) if counts[name] <= explained[name] else "",
            name in normals,
        )
        for name, channels in found.items()
    }


def _reads(
    source: str, names: Collection[str], readers: Set[str], silent: Set[str], explained: Counter[str]
) -> Iterator[tuple[str, int, int]]:
    """Yields the name, start and end of each read; counts the occurrences of names that are explained."""
    for call in _CALL.finditer(source):
        function, name, _ = call.groups()
        if name not in names:
            continue
        if function in readers:
            explained[name] += 1
            yield name, call.start(), _call_end(source, call.end() - 1)
        elif function in silent:
            explained[name] += 1
    for call in _METHOD.finditer(source):
        if call[1] in names:
            explained[call[1]] += 1
            yield call[1], call.start(), _call_end(source, call.end())


def _call_end(source: str, at: int) -> int:
    """Returns the place after the parenthesis that closes the call whose arguments `at` is in."""
    depth = 1
    for found in _PARENTHESIS.finditer(source, at, at + LONGEST_CALL):
        depth += 1 if found[0] == "(" else -1
        if not depth:
            return found.end()
    return len(source)


class _Members(dict[str, tuple[int, set[str]]]):
    def __missing__(self, name: str) -> tuple[int, set[str]]:
        return 0, set()


def _members(source: str) -> _Members:
    """Returns how often each variable is followed by channels, and by which."""
    found = _Members()
    for variable, letters in _MEMBER.findall(source):
        count, channels = found[variable]
        found[variable] = (count + 1, channels | {_CHANNEL[letter] for letter in letters})
    return found
