"""What a texture's file name, its folder and the files beside it say, by the conventions of the field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct

from accel.texture.kinds import Kind
from accel.texture.lexicon import (
    ANYWHERE,
    CUBE_FACES,
    FOLDERS,
    HINTS,
    LETTERS,
    RARE_FACES,
    ROLES,
    SHORT_ROLES,
)

Strength = Literal["word", "suffix", "letter", "folder", "hint"]
"""`word`: plain (`_normal`); `suffix`: short, or a word that also means other things (`_spec`, `icon`);
`letter`: one letter (`_n`); `folder`: where it lies; `hint`: a folder of surfaces (`textures`)."""

LOUD_FOLDERS = 3
"""How many folders above the file are asked, the nearest first."""

# What stands behind the role: rock_normal_2k, rock_nor_gl_1024, rock_roughness_01.
_VARIANT = re.compile(
    r"\d+[kx]?|v\d+|map|maps|tex|texture|lod\d*|jpg|png|tga|opengl|ogl|gl|directx|dx|srgb|raw|linear"
)
_FORMAT = re.compile(r".\.(?:png|jpe?g|tga|dds|bmp|psd|tiff?|webp|exr|hdr|ktx2?|cached)$", re.IGNORECASE)
# Latin words by their capitals; letters of other scripts as they stand together.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[kKx]?|[^\W\d_A-Za-z]+")
_JOINED = re.compile(r"(.{3,}?)(normalmap|normal|heightmap|height|roughness|specular|metallic|albedo|diffuse"
                     r"|emissive|emission|occlusion|skybox|bump|spec|gloss|glow|luma|nrm|norm)")  # fmt: skip


class Cue(Struct, frozen=True):
    """One thing that a name says."""

    word: str
    """What was read, as evidence shows it."""
    kinds: tuple[Kind, ...]
    """The kinds that it speaks for, the likeliest first."""
    strength: Strength
    source: Literal["name", "folder", "siblings"]


def words_of(stem: str) -> list[str]:
    """The words of a file's stem or a folder's name, in lower case: `rockNormal_2K` is rock, normal, 2k."""
    return [word.lower() for word in _WORDS.findall(stem)]


def read_name(name: str, siblings: Sequence[str] = ()) -> list[Cue]:
    """The cues in a path with forward slashes; `siblings` are the names of the files in its folder.

    At most one cue of its role in a material, one of a word in it, one of its folder; the strongest first.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    stem = stem_of(path.name)
    others = {stem_of(one).lower() for one in siblings} - {stem.lower()}
    found = [_role(stem, others), _anywhere(stem), _folder(path.parts[:-1])]
    cues = [cue for cue in found if cue is not None]
    if any(cue.kinds == ("ui",) for cue in cues):
        # In ui/button_normal.png "normal" is a state of the button.
        cues = [cue for cue in cues if cue.word != "_normal"]
    return cues


def stem_of(file: str) -> str:
    """A file's name without what stands for formats: `rock_n.png.cached.dds` is rock_n."""
    stem = PurePosixPath(file).stem
    while _FORMAT.search(stem):
        stem = PurePosixPath(stem).stem
    return stem


def material_of(stem: str) -> str:
    """The name of the material that a texture belongs to: its stem without role and variant, in lower case.

    `Rock_Normal_2K` and `rock_d` are both `rock`; a stem without a role is its own.
    """
    words = words_of(stem)
    base = _without_variants(words)
    role = _last_role(base)
    if role and len(base) > role:
        return "".join(base[:-role])
    if len(base) > 1 and base[-1] in LETTERS:
        return "".join(base[:-1])
    return "".join(words)


def _role(stem: str, others: set[str]) -> Cue | None:
    words = words_of(stem)
    base = _without_variants(words)
    for count in (3, 2, 1):
        joined = "".join(base[-count:]) if len(base) >= count else ""
        if joined in ROLES and (len(base) > count or len(joined) > 3):
            return Cue(f"_{joined}", ROLES[joined], "word", "name")
    # A texture called only "light" or "metal" is one of light or metal.
    if len(base) > 1 and base[-1] in SHORT_ROLES:
        return Cue(f"_{base[-1]}", SHORT_ROLES[base[-1]], "suffix", "name")
    if len(base) > 1 and base[-1] in LETTERS and _letter_stands_apart(stem, base[-1]):
        return _letter(base, others)
    if words and words[-1] in CUBE_FACES and _has_faces(stem, words[-1], others):
        return Cue(f"_{words[-1]}", ("environment",), "word", "siblings")
    if words and words[-1] in RARE_FACES:
        return Cue(f"_{words[-1]}", ("environment",), "suffix", "name")
    if base and (joined_role := _JOINED.fullmatch(base[-1])):
        role = joined_role[2]
        return Cue(role, ROLES.get(role) or SHORT_ROLES[role], "suffix", "name")
    inside = next((word for word in base if word in ROLES and len(word) > 3), None)
    if inside is not None:
        return Cue(inside, ROLES[inside], "suffix", "name")
    return _base_of_a_set(stem, others)


def _letter(base: list[str], others: set[str]) -> Cue:
    material = "".join(base[:-1])
    set_of = {one for one in others if one and material_of(one) == material}
    strength: Strength = "suffix" if set_of else "letter"
    return Cue(f"_{base[-1]}", LETTERS[base[-1]], strength, "siblings" if set_of else "name")


def _letter_stands_apart(stem: str, letter: str) -> bool:
    return re.search(rf"[_\-. ]{letter}$", stem, re.IGNORECASE) is not None


def _base_of_a_set(stem: str, others: set[str]) -> Cue | None:
    """`rock` beside `rock_n` and `rock_spec` is what they are maps of."""
    material = "".join(words_of(stem))
    if not material:
        return None
    for one in sorted(others):
        if one != stem.lower() and one.startswith(stem.lower()) and material_of(one) == material:
            role = _role(one, set())
            if role is not None and role.kinds[0] not in ("albedo", "environment", "sprite", "ui"):
                return Cue(f"beside {one}", ("albedo",), "suffix", "siblings")
    return None


def _has_faces(stem: str, face: str, others: set[str]) -> bool:
    start = stem.lower().removesuffix(face)
    return sum(1 for one in others if one.startswith(start) and one[len(start) :] in CUBE_FACES) >= 3


def _anywhere(stem: str) -> Cue | None:
    words = words_of(stem)
    return next(
        (Cue(word, ANYWHERE[word], "suffix", "name") for word in reversed(words) if word in ANYWHERE), None
    )


def _folder(parts: Sequence[str]) -> Cue | None:
    nearest = list(reversed(parts))[:LOUD_FOLDERS]
    return _in_folder(nearest, FOLDERS, "folder") or _in_folder(nearest, HINTS, "hint")


def _in_folder(
    nearest: Sequence[str], table: Mapping[str, tuple[Kind, ...]], strength: Strength
) -> Cue | None:
    for part in nearest:
        for word in [part.lower(), *reversed(words_of(part))]:
            if word in table:
                return Cue(f"{part}/", table[word], strength, "folder")
    return None


def _last_role(base: list[str]) -> int:
    """How many words at the end name a role."""
    for count in (3, 2, 1):
        if len(base) >= count and "".join(base[-count:]) in ROLES:
            return count
    return 1 if base and base[-1] in SHORT_ROLES else 0


def _without_variants(words: list[str]) -> list[str]:
    kept = list(_variants_off(words))
    return kept or words


def _variants_off(words: list[str]) -> Iterator[str]:
    end = len(words)
    while end > 1 and _VARIANT.fullmatch(words[end - 1]):
        end -= 1
    return iter(words[:end])
