"""Every sentence of the import advisor, in English and Chinese side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from accel.text import joined, text
from bridge.api import RequestError
from bridge.locale import translate

TEXTS = {
    "title_one": text("{name} could be imported better"),
    "title_many": text("{count} textures could be imported better"),
    "more": text("… and {count} more."),
    "sets": text("Apply sets {options}"),
    "absent": text("not set"),
    "takes_away": text("removed"),
    "material": text("Material {name}: {count} textures"),
    "title_material": text("Material {name} could be imported better ({count} textures)"),
    "memory": text("Texture memory {sizes}"),
    "memory_all": text("Texture memory in all {sizes}"),
    "memory_on": text("{before} → {after} ({platform})"),
    "desktop": text("desktop"),
    "mobile": text("mobile"),
    "about": text("{file}: {kind}"),
    "about_sure": text("{file}: {kind}, {sure} % sure"),
    "about_named": text("{file}: {kind}, {sure} % sure ({words})"),
    "by_project": text("the project's other textures"),
    "kind_albedo": text("colour map"),
    "kind_normal": text("normal map"),
    "kind_height": text("height map"),
    "kind_roughness": text("roughness map"),
    "kind_specular": text("specular or metallic map"),
    "kind_ao": text("occlusion map"),
    "kind_packed": text("packed map"),
    "kind_emissive": text("emission map"),
    "kind_sprite": text("sprite"),
    "kind_ui": text("interface image"),
    "kind_environment": text("environment map"),
    "channels": text("{kind} of {channels}"),
    "channel": text("{meaning} ({letter})"),
    "channel_unused": text("nothing"),
    "channel_occlusion": text("occlusion"),
    "channel_roughness": text("roughness"),
    "channel_smoothness": text("smoothness"),
    "channel_metallic": text("metalness"),
    "channel_height": text("height"),
    "channel_mask": text("a mask"),
    "channel_opacity": text("opacity"),
    "channel_emission": text("emission"),
    "rule_refused": text("“Always” couldn't be kept"),
    "project_file": text("The project's rules can't be read"),
    "passed_over": text("Part of the project's rules is passed over"),
    "apply": text("Apply"),
    "later": text("Not now"),
    "always": text("Always for this folder"),
    "ok": text("OK"),
    "undo": text("Undo"),
    "applied_one": text("Applied to {name}"),
    "applied_many": text("Applied to {count} textures"),
    "applied_none": text("Nothing could be applied"),
    "rule_kept": text(
        "From now on the same is done there without asking: `{file}` in the project's folder "
        "says so. Delete the rule there, and you are asked again."
    ),
    "rule_stays": text("Undo puts back these textures; the rule stays."),
    "rule_followed": text("Done without asking, as `{file}` in the project's folder says."),
    "changed_since": text("has changed since you were asked, so nothing was set: it is looked at again"),
    "gone_since": text("isn't there any more"),
    "other_since": text("isn't imported as a texture any more, so nothing was set"),
    "refused": text("The editor refused the command."),
    "undone": text("The change is undone"),
    "undo_partly": text("Some of the change couldn't be undone"),
    "undo_failed": text("The change couldn't be undone"),
    "normal_as_color": text(
        "mean ({r}, {g}, {b}), {share} % of texels unit length: a normal map imported as colour"
    ),
    "normal_by_name": text("mean ({r}, {g}, {b}), and its name says so: a normal map imported as colour"),
    "normal_as_height": text(
        "a normal map of whose brightness the engine makes another one, as if it were heights"
    ),
    "normal_green_down": text(
        "a normal map whose green points down (DirectX, {confidence} % sure), imported as "
        "green up (OpenGL): bumps look like dents"
    ),
    "normal_green_up": text(
        "a normal map whose green points up (OpenGL, {confidence} % sure), imported as green "
        "down (DirectX): bumps look like dents"
    ),
    "normal_directx": text("a normal map whose green points down (DirectX, {confidence} % sure)"),
    "color_as_normal": text(
        "imported as a normal map, and its texels are no normals: its blue is thrown away"
    ),
    "color_as_linear": text("colours read as linear numbers: they look too bright and washed out"),
    "data_as_srgb": text("grey throughout, and numbers: read as sRGB they are bent"),
    "packed_as_srgb": text("different numbers in each channel: read as sRGB they are bent"),
    "packed_order": text(
        "its channels are in the order {word}, and this engine's materials want another: pack the file anew"
    ),
    "lossy_data": text("numbers compressed like a photograph: its artefacts become dents and stains"),
    "lossy_hdr": text("light compressed with losses: what is brighter than white is cut off"),
    "uncompressed": text("a texture of 3D surfaces that lies uncompressed in the GPU's memory"),
    "uncompressed_on": text(
        "a texture of 3D surfaces that lies uncompressed in the GPU's memory on {platforms}: "
        "separate settings undo the compression there"
    ),
    "pixel_art_blocks": text("pixel art, compressed in blocks: its edges get dirty"),
    "small_blocks": text("so small a picture of 2D, compressed in blocks: its edges get dirty"),
    "alpha_constant": text(
        "its alpha channel is opaque everywhere: it says nothing, and needn't be treated as transparency"
    ),
    "grey_as_rgb": text("grey throughout, and stored in {channels} channels: one would do"),
    "ui_mipmaps": text(
        "an image of the user interface with mipmaps: a third more memory, and it may look soft"
    ),
    "no_mipmaps": text("a texture of 3D surfaces without mipmaps: it shimmers at a distance"),
    "too_large": text("{width} × {height}, more than the limit of {limit} pixels"),
    "not_power_of_two": text(
        "{width} × {height} is no power of two, which GPU compression and repeating with "
        "mipmaps want: resize the file itself"
    ),
}


def why(error: RequestError, locale: str) -> str:
    """What `error` says, in the language of `locale`."""
    return translate(error.text, locale)


def say(key: str, locale: str, **values: object) -> str:
    """A sentence in the language of `locale`, filled in; lists in it are read out one by one."""
    return translate(TEXTS[key].fill(**rounded(values)), locale)


def rounded(values: Mapping[str, object]) -> dict[str, object]:
    """Numbers with a fraction as people read them."""
    return {name: f"{one:.2f}" if isinstance(one, float) else one for name, one in values.items()}


def with_commas(parts: Iterable[str], locale: str) -> str:
    """Several parts of a sentence."""
    return translate(joined(parts, text("{head}, {rest}")), locale)


def size_text(count: int) -> str:
    """Bytes for people: `341.3 KiB`, `16.0 MiB`."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


def memory_text(memory: Mapping[str, tuple[int, int]], locale: str) -> str:
    """Bytes before and after on each platform: `16.0 MiB → 5.3 MiB (desktop)`; empty for none."""
    parts = [
        say(
            "memory_on",
            locale,
            before=size_text(before),
            after=size_text(after),
            platform=say(platform, locale) if platform in TEXTS else platform,
        )
        for platform, (before, after) in memory.items()
    ]
    same = len({tuple(sizes) for sizes in memory.values()}) == 1
    if same and len(parts) > 1:
        # One figure for all needs no platform.
        before, after = next(iter(memory.values()))
        return f"{size_text(before)} → {size_text(after)}"
    return with_commas(parts, locale)
