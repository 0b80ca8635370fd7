"""Naming conventions: evidence in file and folder names for the kind of a texture."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct

from accel.texture.kinds import Kind

Kinds = tuple[Kind, ...]
"""The likeliest first."""


def _table(words: dict[str, Kinds]) -> dict[str, Kinds]:
    return {word: kinds for line, kinds in words.items() for word in line.split()}


ROLES: dict[str, Kinds] = _table({
    "normal normals normalmap normalmaps nrm nrml nrms norm norms nmap nmp normalgl normaldx normalogl "
    "tangentnormal normalbump": ("normal",),
    "heightmap heightfield displacement displace disp parallax heights height": ("height",),
    "roughness rough rgh smoothness glossiness microsurface": ("roughness",),
    "specular metallic metalness reflectivity reflectance specularity speculars metallicness": ("specular",),
    "ao occlusion ambientocclusion occ ambocc aomap mixedao": ("ao",),
    "orm rma mra arm aorm aormt aormh aomr rmo mro mrao ormh ormt ormd orme rmah mads mohs mods maskmap "
    "pbrmap occlusionroughnessmetallic occlusionmetallicroughness metallicroughness roughnessmetallic "
    "metalrough roughmetal metallicsmoothness metallicsmooth metalsmooth metalsmoothness metsmooth "
    "metallicgloss metalgloss metallicglossiness specgloss specularsmoothness specularsmooth "
    "specsmooth speculargloss specularglossiness": ("packed",),
    "emissive emission emissionmap emit selfillum selfillumination illumination illum luma glowmap "
    "incandescence emissivemap emissivecolor emissioncolor": ("emissive",),
    "albedo basecolor basecolour diffuse diffusemap albedomap colormap colourmap basemap": ("albedo",),
    "skybox skydome cubemap envmap environment hdri hdr panorama equirectangular skysphere spheremap "
    "equirect latlong radiance irradiance reflectionprobe": ("environment",),
})  # fmt: skip
"""Role words: unambiguous at the end of a name; `base_color` is read as basecolor."""

# Colours or vectors with other data in alpha.
ROLES |= {
    first + second: ROLES[first]
    for first in ("albedo", "basecolor", "diffuse", "normal")
    for second in (
        "specular", "spec", "gloss", "smoothness", "metallic", "roughness", "height", "ao", "occlusion",
        "emission", "alpha", "opacity", "transparency",
    )
}  # fmt: skip

SHORT_ROLES: dict[str, Kinds] = _table({
    "nm nor nml ddn": ("normal",),
    "bump bumpmap bmp bmap": ("height", "normal"),
    "hgt hmap hm dem elev elevation relief terrain": ("height",),
    "gloss glossmap gls": ("specular", "roughness"),
    "spec spc specmap sm metal mtl met refl reflect reflection shininess shine": ("specular",),
    "alb diff dif dfs color colour col clr base bc tex texture skin decal": ("albedo",),
    "glow glowmap gm lights emi ems em light lum lightmap citylights nightlights": ("emissive",),
    "mask masks": ("packed", "specular"),
    "env sky ibl starfield stars backdrop nebula galaxy": ("environment",),
})  # fmt: skip
"""Abbreviations and ambiguous words at the end of a name."""

LETTERS: dict[str, Kinds] = _table({
    "n": ("normal",),
    "s": ("specular",),
    "d c": ("albedo",),
    "h": ("height",),
    "r": ("roughness",),
    "m": ("specular", "packed"),
    "g": ("roughness", "emissive"),
    "e": ("emissive",),
    "l i": ("emissive",),
    "o": ("ao",),
    "b": ("height", "albedo"),
    "a": ("ao", "albedo"),
    "p": ("height",),
})  # fmt: skip
"""Single letters after a separator; they weigh more if the folder has other maps of the material."""

OTHER = frozenset(_table({
    "noise noises noisemap bluenoise whitenoise perlin perlinnoise simplex simplexnoise worley voronoi fbm "
    "lut luts clut colorlut lookup lookuptable brdf brdflut dither dithering bayer flowmap flowmaps sdf msdf "
    "mtsdf distancefield splatmap splatmaps splatalpha controlmap weightmap weightmaps blendmap blendmaps "
    "rampmap ramptex toonramp colorramp gradientmap gradientramp areatex searchtex vectorfield vat "
    "shadowmask matid materialid colorid idmap jitter motionvectors": ("other",),
}))  # fmt: skip
"""Words for input of shaders and data of tools."""

PERHAPS_OTHER = frozenset(_table({
    "mask masks gradient gradients grad ramp ramps control flow falloff curve curvature opacity transparency "
    "translucency translucent transmission subsurface sss thickness cavity fuzz distortion distort splat "
    "weights blend": ("other",),
}))  # fmt: skip
"""Such words that also name plain pictures: a gas mask, a skate ramp."""

OTHER_FOLDERS = frozenset(_table({
    "noise noises luts lut ramps gradients masks splats splatmaps alphamaps flowmaps": ("other",),
}))  # fmt: skip
"""Names of folders of such data."""

GENERATED: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"lightmap-\d+_comp_(?:light|dir|shadowmask)", re.IGNORECASE), "other"),
    (re.compile(r"splatalpha \d+", re.IGNORECASE), "other"),
    (re.compile(r"reflectionprobe-\d+", re.IGNORECASE), "environment"),
)
"""Stems of files that editors write for lighting and terrain."""

ANYWHERE: dict[str, Kinds] = _table({
    "skybox skydome cubemap envmap hdri panorama equirectangular": ("environment",),
    "icon icons ico button buttons btn cursor cursors font fonts glyphs crosshair crosshairs hud gui ui logo "
    "portrait portraits checkbox scrollbar slider menu toolbar minimap widget widgets avatar "
    "tooltip statusbar loadingscreen splash titlescreen": ("ui",),
    "sprite sprites spritesheet tileset tilesets": ("sprite",),
    "heightmap": ("height",),
})  # fmt: skip
"""Words that count anywhere in a name."""

FOLDERS: dict[str, Kinds] = _table({
    "ui gui hud icon icons icns cursor cursors mouse font fonts menu menus interface widgets widget button "
    "buttons portraits portrait avatars avatar faces logo logos apps flags crosshairs emotes emoji "
    "emojis toolbar toolbars splash dialogs mimetypes actions emblems status titles "
    "levelshots loadingscreens gfx2d": ("ui",),
    "sprites sprite units unit characters creatures monsters enemies items item tiles tileset tilesets "
    "tilemap objects actors heroes animals particles effects explosions bullets ships "
    "backgrounds background terrain2d scenery buildings doodads bonuses bonus powerups weapons2d anim "
    "animations": ("sprite",),
    "skybox skyboxes sky skies env environment environments envmaps envmap hdri hdris cubemap cubemaps "
    "panoramas skydome hdr ibl backdrops": ("environment",),
    "normal normals normalmaps normalmap": ("normal",),
    "heightmaps heightmap heights displacement bump bumpmaps": ("height",),
    "specular spec specmaps metallic": ("specular",),
    "roughness gloss": ("roughness",),
    "ao occlusion": ("ao",),
    "glow emissive": ("emissive",),
    "diffuse albedo": ("albedo",),
})  # fmt: skip
"""Names of folders; the nearest one counts."""

HINTS: dict[str, Kinds] = _table({
    "textures texture texs models model materials material maps meshes mesh mtl": ("albedo",),
    "gfx images image img graphics pics pictures bitmaps bitmap themes theme skins skin "
    "pixmaps": ("sprite", "ui"),
})  # fmt: skip
"""Names of folders that only suggest surfaces or images; they count if no other folder does."""

CUBE_FACES = frozenset({
    "ft", "bk", "lf", "rt", "up", "dn", "posx", "negx", "posy", "negy", "posz", "negz", "px", "nx", "py",
    "ny", "pz", "nz", "front", "back", "left", "right", "top", "bottom", "east", "west", "north", "south",
})  # fmt: skip
"""Last words of the faces of a skybox; they count if the folder has four of the six."""

RARE_FACES = frozenset({"ft", "bk", "lf", "dn", "posx", "negx", "posy", "negy", "posz", "negz"})
"""Unambiguous names of faces, which count alone."""


Strength = Literal["word", "suffix", "letter", "folder", "hint"]
"""`word`: unambiguous (`_normal`); `suffix`: short or ambiguous (`_spec`, `icon`); `letter`: one letter
(`_n`); `folder`: a telling folder (`ui`); `hint`: a vague folder (`textures`)."""

MAX_FOLDERS = 3
"""Number of folders above the file that count, the nearest first."""

# Suffixes after the role: rock_normal_2k, rock_nor_gl_1024, rock_roughness_01.
_VARIANT = re.compile(
    r"\d+[kx]?|v\d+|map|maps|tex|texture|lod\d*|jpg|png|tga|opengl|ogl|gl|directx|dx|srgb|raw|linear"
    r"|tileable|seamless|baked?"
)
_SUFFIX = re.compile(r"(?:map|tex|texture)s?$")
_FORMAT = re.compile(r".\.(?:png|jpe?g|tga|dds|bmp|psd|tiff?|webp|exr|hdr|ktx2?|cached)$", re.IGNORECASE)
# Latin words are split at capitals; other scripts aren't split.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[kKx]?|[^\W\d_A-Za-z]+")
_JOINED = re.compile(r"(.{3,}?)(normalmap|normal|heightmap|height|roughness|specular|metallic|albedo|diffuse"
                     r"|emissive|emission|occlusion|skybox|bump|spec|gloss|glow|luma|nrm|norm)")  # fmt: skip


class Cue(Struct, frozen=True):
    """Evidence in a name."""

    word: str
    """Text shown to people."""
    kinds: tuple[Kind, ...]
    """The kinds that it supports, the likeliest first."""
    strength: Strength
    source: Literal["name", "folder", "siblings"]


def words_of(stem: str) -> list[str]:
    """Splits a file's stem or a folder's name into lower-case words: `rockNormal_2K` is rock, normal, 2k."""
    return [word.lower() for word in _WORDS.findall(stem)]


def read_name(name: str, siblings: Sequence[str] = ()) -> list[Cue]:
    """Returns the cues in a path; `siblings` are the names of the files in its folder.

    At most one cue each for the role in a material, a word, and the folder, in this order.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    stem = stem_of(path.name)
    others = {stem_of(one).lower() for one in siblings} - {stem.lower()}
    found = [_role_cue(stem, others), _word_cue(stem), _folder_cue(path.parts[:-1])]
    cues = [cue for cue in found if cue is not None]
    if any(cue.kinds == ("ui",) for cue in cues):
        # In ui/button_normal.png, "normal" is a state of the button.
        cues = [cue for cue in cues if cue.word != "_normal"]
    return cues


def _whole_role(words: Sequence[str]) -> tuple[str, Kinds]:
    # `mask_map` is a role, `mask` isn't: the longest ending counts.
    for end in range(len(words), len(_without_variants(words)) - 1, -1):
        for count in range(min(3, end), 0, -1):
            joined = "".join(words[end - count : end])
            word = joined if joined in ROLES else _SUFFIX.sub("", joined)
            if word in ROLES and (end > count or len(word) > 3):
                return word, ROLES[word]
    return "", ()


def other_word(name: str) -> tuple[str, bool] | None:
    """Returns a word for input of shaders or data of tools, and whether it counts whatever the pixels are.

    None without such a word, and if the name ends with a role or has a word for user interfaces or sprites.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    stem = stem_of(path.name)
    for pattern, kind in GENERATED:
        if pattern.fullmatch(stem):
            return (stem, True) if kind == "other" else None
    words = words_of(stem)
    base = _without_variants(words)
    if _whole_role(words)[1] or any(ANYWHERE.get(word, ("",))[0] in ("ui", "sprite") for word in base):
        return None
    flat = _folder_cue(path.parts[:-1])
    certain = flat is None or flat.strength == "hint" or flat.kinds[0] not in ("ui", "sprite")
    for count in (2, 1):
        for end in range(len(words), count - 1, -1):
            joined = "".join(words[end - count : end])
            if joined in OTHER or _SUFFIX.sub("", joined) in OTHER:
                return joined, certain
    if not certain:
        return None
    if base and (base[-1] in PERHAPS_OTHER or _SUFFIX.sub("", base[-1]) in PERHAPS_OTHER):
        return base[-1], False
    folder = next((part for part in path.parts[-2:-1] if part.lower() in OTHER_FOLDERS), None)
    return (f"{folder}/", False) if folder and _role_cue(stem, set()) is None else None


def stem_of(file: str) -> str:
    """Removes all format extensions of a file name: `rock_n.png.cached.dds` is rock_n."""
    stem = PurePosixPath(file).stem
    while _FORMAT.search(stem):
        stem = PurePosixPath(stem).stem
    return stem


def material_of(stem: str) -> str:
    """Returns the material of a texture: its stem without role and variant, in lower case.

    `Rock_Normal_2K` and `rock_d` are both `rock`.
    """
    words = words_of(stem)
    base = _without_variants(words)
    role = _last_role(base)
    if role and len(base) > role:
        return "".join(base[:-role])
    if len(base) > 1 and base[-1] in LETTERS:
        return "".join(base[:-1])
    return "".join(words)


PROPERTY_ROLES: dict[str, Kinds] = _table({
    "bump bumpmap": ("normal", "height"),
    "nor nm nml": ("normal",),
    "color colour col base diff dif alb": ("albedo",),
    "spec metal metalness": ("specular",),
    "gloss": ("roughness", "specular"),
    "glow": ("emissive",),
})  # fmt: skip
"""Words in names of material properties and shader uniforms that aren't plain in file names."""
AUXILIARY = frozenset({
    "blend", "caustics", "control", "curve", "depth", "dissolve", "distort", "distortion", "dither", "dudv",
    "flow", "flowmap", "fresnel", "gradient", "height2normal", "lut", "mask", "masks", "matcap", "noise",
    "palette", "pattern", "perlin", "ramp", "reflection", "reflective", "refraction", "rim", "screen", "toon",
    "voronoi", "warp",
})  # fmt: skip
"""Words of properties that hold no map of a surface: `_NormalNoise`, `emission_mask`."""
SINGLE_VALUES = frozenset({"height", "roughness", "specular", "ao"})
"""Kinds of one value for each texel; a property named after several is packed."""


def property_kinds(name: str) -> Kinds:
    """Returns the kinds that the name of a material property or shader uniform suggests, the likeliest first.

    Empty for most names; `_T_Orm` and `orm_sampler` are packed, `_MainBump` is a normal map, `_NoiseTex` is
    other data.
    """
    words = words_of(name)
    if is_auxiliary_property(name):
        return ("other",) if (OTHER | PERHAPS_OTHER).intersection(words) else ()
    found: list[Kinds] = []
    at = 0
    while at < len(words):
        count = next((n for n in (3, 2, 1) if "".join(words[at : at + n]) in ROLES), 0)
        if count:
            found.append(ROLES["".join(words[at : at + count])])
        at += max(count, 1)
    if not found:
        found = [PROPERTY_ROLES[word] for word in reversed(words) if word in PROPERTY_ROLES][:1]
    first = {kinds[0] for kinds in found}
    if len(first) > 1 and first <= SINGLE_VALUES:
        return ("packed",)
    # With smoothness in alpha, for example: the colours or vectors decide.
    ranked = sorted(found, key=lambda kinds: kinds[0] in SINGLE_VALUES)
    return ranked[0] if ranked else ()


def is_auxiliary_property(name: str) -> bool:
    """Whether a property's name suggests something else than a map of a surface: noise, a ramp, a mask."""
    words = words_of(name)
    # `mask_map` is a role.
    return bool(AUXILIARY.intersection(words)) and not _whole_role(words)[1]


def _role_cue(stem: str, others: set[str]) -> Cue | None:
    words = words_of(stem)
    base = _without_variants(words)
    generated: Kind = next((kind for pattern, kind in GENERATED if pattern.fullmatch(stem)), "other")
    if generated != "other":
        return Cue(stem, (generated,), "word", "name")
    role, kinds = _whole_role(words)
    if role:
        return Cue(f"_{role}", kinds, "word", "name")
    # A texture named only "light" or "metal" shows light or metal.
    if len(base) > 1 and base[-1] in SHORT_ROLES:
        return Cue(f"_{base[-1]}", SHORT_ROLES[base[-1]], "suffix", "name")
    if len(base) > 1 and base[-1] in LETTERS and _has_separator(stem, base[-1]):
        return _letter_cue(base, others)
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
    return _base_cue(stem, others)


def _letter_cue(base: Sequence[str], others: set[str]) -> Cue:
    material = "".join(base[:-1])
    set_of = {one for one in others if one and material_of(one) == material}
    strength: Strength = "suffix" if set_of else "letter"
    return Cue(f"_{base[-1]}", LETTERS[base[-1]], strength, "siblings" if set_of else "name")


def _has_separator(stem: str, letter: str) -> bool:
    return re.search(rf"[_\-. ]{letter}$", stem, re.IGNORECASE) is not None


def _base_cue(stem: str, others: set[str]) -> Cue | None:
    """Recognises `rock` beside `rock_n` and `rock_spec` as their albedo map."""
    material = "".join(words_of(stem))
    if not material:
        return None
    for one in sorted(others):
        if one != stem.lower() and one.startswith(stem.lower()) and material_of(one) == material:
            role = _role_cue(one, set())
            if role is not None and role.kinds[0] not in ("albedo", "environment", "sprite", "ui"):
                return Cue(f"beside {one}", ("albedo",), "suffix", "siblings")
    return None


def _has_faces(stem: str, face: str, others: set[str]) -> bool:
    start = stem.lower().removesuffix(face)
    return sum(1 for one in others if one.startswith(start) and one[len(start) :] in CUBE_FACES) >= 3


def _word_cue(stem: str) -> Cue | None:
    words = words_of(stem)
    return next(
        (Cue(word, ANYWHERE[word], "suffix", "name") for word in reversed(words) if word in ANYWHERE), None
    )


def _folder_cue(parts: Sequence[str]) -> Cue | None:
    nearest = list(reversed(parts))[:MAX_FOLDERS]
    return _find_in_folders(nearest, FOLDERS, "folder") or _find_in_folders(nearest, HINTS, "hint")


def _find_in_folders(
    nearest: Sequence[str], table: Mapping[str, tuple[Kind, ...]], strength: Strength
) -> Cue | None:
    for part in nearest:
        for word in [part.lower(), *reversed(words_of(part))]:
            if word in table:
                return Cue(f"{part}/", table[word], strength, "folder")
    return None


def _last_role(base: Sequence[str]) -> int:
    """Returns how many words at the end are the role."""
    for count in (3, 2, 1):
        joined = "".join(base[-count:]) if len(base) >= count else ""
        if joined in ROLES or _SUFFIX.sub("", joined) in ROLES:
            return count
    return 1 if base and base[-1] in SHORT_ROLES else 0


def _without_variants(words: Sequence[str]) -> Sequence[str]:
    end = len(words)
    while end > 1 and _VARIANT.fullmatch(words[end - 1]):
        end -= 1
    return words[:end]


Words = Mapping[str, Sequence[float]]
"""Log-likelihood ratios of KINDS by word; words of folders end with a slash."""

NUMBERED = "#"
"""Stands for the number at the end of a name: one of several files."""

MIN_PART = 4
"""Minimum number of letters in a part of a word that counts on its own."""


def vocabulary(name: str) -> list[str]:
    """Returns the distinct words of a file name and its nearest folders.

    A number only counts at the end. `icons/arrow_left2.png` has #, arrow, left and icons/.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    folders = path.parts[:-1][-MAX_FOLDERS:]
    own = words_of(stem_of(path.name))
    numbered = [NUMBERED] if own and own[-1].isdigit() else []
    return sorted(
        {*numbered, *_plain(own), *(f"{word}/" for folder in folders for word in _plain(words_of(folder)))}
    )


def known_words(found: Iterable[str], words: Container[str]) -> list[str]:
    """Returns those among `words`; of an unknown word such as menubutton, a known end or else a known
    start."""
    parts = (next((part for part in _parts(one) if part in words), None) for one in found)
    return sorted({part for part in parts if part is not None})


def _parts(word: str) -> Iterator[str]:
    yield word
    if not word.endswith("/"):
        yield from (word[start:] for start in range(1, len(word) - MIN_PART + 1))
        yield from (word[:end] for end in range(len(word) - 1, MIN_PART - 1, -1))


def _plain(words: Iterable[str]) -> list[str]:
    return [word for word in words if not word[0].isdigit()]
