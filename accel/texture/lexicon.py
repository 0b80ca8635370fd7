"""The words by which artists name textures and folders, and the kinds that they speak for."""

from __future__ import annotations

from accel.texture.kinds import Kind

Kinds = tuple[Kind, ...]
"""The likeliest first."""


def _table(words: dict[str, Kinds]) -> dict[str, Kinds]:
    return {word: kinds for line, kinds in words.items() for word in line.split()}


ROLES: dict[str, Kinds] = _table({
    "normal normals normalmap normalmaps nrm nrml norm nmap normalgl normaldx normalogl "
    "tangentnormal": ("normal",),
    "heightmap heightfield displacement displace disp parallax heights height": ("height",),
    "roughness rough rgh smoothness glossiness microsurface": ("roughness",),
    "specular metallic metalness reflectivity reflectance specularity speculars metallicness": ("specular",),
    "ao occlusion ambientocclusion occ ambocc aomap": ("ao",),
    "orm rma mra arm aorm rmo mro mrao ormh maskmap occlusionroughnessmetallic metallicroughness "
    "roughnessmetallic metalrough roughmetal metallicsmoothness specgloss metallicgloss splatmap splat "
    "blendmap weightmap controlmap pbrmap occlusionmetallicroughness": ("packed",),
    "emissive emission emissionmap emit selfillum selfillumination illumination illum luma glowmap "
    "incandescence emissivemap": ("emissive",),
    "albedo basecolor basecolour diffuse diffusemap albedomap colormap colourmap": ("albedo",),
    "skybox skydome cubemap envmap environment hdri hdr panorama equirectangular skysphere spheremap "
    "equirect latlong radiance irradiance": ("environment",),
})  # fmt: skip
"""Words that say plainly what a texture is, as the last of its name: `base_color` is read as basecolor."""

SHORT_ROLES: dict[str, Kinds] = _table({
    "nm nor nml ddn": ("normal",),
    "bump bumpmap bmp bmap": ("height", "normal"),
    "hgt hmap hm dem elev elevation relief terrain": ("height",),
    "gloss glossmap gls": ("specular", "roughness"),
    "spec spc specmap sm metal mtl met refl reflect reflection shininess shine": ("specular",),
    "alb diff dif dfs color colour col clr base tex texture skin decal": ("albedo",),
    "glow glowmap gm lights emi ems em light lum lightmap citylights nightlights": ("emissive",),
    "mask masks": ("packed", "specular"),
    "env sky ibl starfield stars backdrop nebula galaxy": ("environment",),
})  # fmt: skip
"""Abbreviations and words that are sometimes something else, as the last of a name."""

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
"""Single letters behind a separator: they count for more where the folder has the rest of the material."""

ANYWHERE: dict[str, Kinds] = _table({
    "skybox skydome cubemap envmap hdri panorama equirectangular": ("environment",),
    "icon icons ico button buttons btn cursor cursors font fonts glyphs crosshair crosshairs hud gui ui logo "
    "portrait portraits checkbox scrollbar slider menu toolbar minimap widget widgets avatar "
    "tooltip statusbar loadingscreen splash titlescreen": ("ui",),
    "sprite sprites spritesheet tileset tilesets": ("sprite",),
    "heightmap": ("height",),
    "splatmap": ("packed",),
})  # fmt: skip
"""Words that say what a picture is wherever they stand in its name."""

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
    "splat splats splatmaps alphamaps": ("packed",),
    "diffuse albedo": ("albedo",),
})  # fmt: skip
"""Folders; the nearest counts."""

HINTS: dict[str, Kinds] = _table({
    "textures texture texs models model materials material maps meshes mesh mtl": ("albedo",),
    "gfx images image img graphics pics pictures bitmaps bitmap themes theme skins skin "
    "pixmaps": ("sprite", "ui"),
})  # fmt: skip
"""Folders that say little more than that a surface is meant; they count where no other does."""

CUBE_FACES = frozenset({
    "ft", "bk", "lf", "rt", "up", "dn", "posx", "negx", "posy", "negy", "posz", "negz", "px", "nx", "py",
    "ny", "pz", "nz", "front", "back", "left", "right", "top", "bottom", "east", "west", "north", "south",
})  # fmt: skip
"""Last words of the faces of a sky, which count where the folder has four of the six."""

RARE_FACES = frozenset({"ft", "bk", "lf", "dn", "posx", "negx", "posy", "negy", "posz", "negz"})
"""Those that are seldom anything else: they count alone."""
