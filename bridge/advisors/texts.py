"""The import advisor's sentences, and how its findings read in popups and reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any, NamedTuple

from accel.text import AnyText, Text, joined, plural, sentences, text
from bridge.locale import translate

TEXTS = {
    "title_one": text("Import settings to fix: {name}"),
    "title_many": text("Import settings to fix: {count} textures"),
    "title_material": text("Import settings to fix: material {name}, {count} textures"),
    "file_one": text("Image file to fix: {name}"),
    "file_many": text("Image files to fix: {count} textures"),
    "file_material": text("Image files to fix: material {name}, {count} textures"),
    "more": text("… and {count} more"),
    "sets": text("Fix sets {options}"),
    "absent": text("not set"),
    "takes_away": text("removed"),
    "material": text("Material {name}: {count} textures"),
    "memory": text("GPU memory: {sizes}"),
    "memory_all": text("GPU memory in total: {sizes}"),
    "memory_change": text("{before} → {after}"),
    "memory_on": text("{before} → {after} ({platform})"),
    "desktop": text("desktop"),
    "mobile": text("mobile"),
    "about": text("{file} · {kind}"),
    "about_sure": text("{file} · {kind}, {sure}%"),
    "about_named": text("{file} · {kind}, {sure}% ({words})"),
    "by_project": text("the project's other textures"),
    "kind_albedo": text("albedo map"),
    "kind_normal": text("normal map"),
    "kind_height": text("height map"),
    "kind_roughness": text("roughness map"),
    "kind_specular": text("specular or metallic map"),
    "kind_ao": text("AO map"),
    "kind_packed": text("packed map"),
    "kind_emissive": text("emission map"),
    "kind_sprite": text("sprite"),
    "kind_ui": text("UI image"),
    "kind_environment": text("environment map"),
    "kind_other": text("other data"),
    "channels": text("{kind}: {channels}"),
    "channel": text("{meaning} ({letter})"),
    "channel_unused": text("unused"),
    "channel_occlusion": text("occlusion"),
    "channel_roughness": text("roughness"),
    "channel_smoothness": text("smoothness"),
    "channel_metallic": text("metallic"),
    "channel_height": text("height"),
    "channel_mask": text("mask"),
    "channel_opacity": text("opacity"),
    "channel_emission": text("emission"),
    "rule_refused": text("The rule couldn't be saved"),
    "project_file": text("Can't read popbridge.toml"),
    "passed_over": text("Part of popbridge.toml is ignored"),
    "apply": text("Fix"),
    "apply_one": text("Fix 1 texture"),
    "apply_many": text("Fix {count} textures"),
    "later": text("Not now"),
    "always": text("Always fix in this folder"),
    "always_many": text("Always fix in these folders"),
    "always_menu": text("Always fix…"),
    "rule": text("{folder}: {title}"),
    "project_root": text("the project's root"),
    "snooze": text("Ask again in an hour"),
    "never": text("Never ask in this project"),
    "frees": text("frees {size}"),
    "costs": text("costs {size}"),
    "locked": text("No import setting fixes this."),
    "unit": plural("Changes {n} texture: {textures}", "Changes {n} textures: {textures}", 1),
    "unit_told": plural("Settings of {n} texture: {textures}", "Settings of {n} textures: {textures}", 1),
    "unit_conflict": text(
        "Not fixed: other textures share these settings, and the fix would be wrong for {textures}."
    ),
    "of_texture": text("{texture}: {line}"),
    "pixels_gone": text("Some textures can't be checked"),
    "pixels_gone_of": plural(
        "The pixels of {n} texture have expired: {textures}. Import it again.",
        "The pixels of {n} textures have expired: {textures}. Import them again.",
        1,
    ),
    "change": text("{option}: {before} → {after}"),
    "observed": text("{option}: {value}"),
    "on": text("On"),
    "off": text("Off"),
    "progress": text("{done} of {count}"),
    "ok": text("OK"),
    "undo": text("Undo"),
    "undo_until": text("Undo within {minutes} minutes, or later with {commands}."),
    "applied_one": text("Fixed {name}"),
    "applied_many": text("Fixed {count} textures"),
    "applied_none": text("Nothing was fixed"),
    "applied_partly": text("Fixed {done} of {count} textures"),
    "incomplete_one": text("Partly fixed: {name}"),
    "incomplete_many": text("Partly fixed: {count} textures"),
    "set": text("Set: {options}."),
    "not_set": text("Not set: {options}."),
    "not_reported": text("Not confirmed by the editor: {options}."),
    "rule_kept": text("PopBridge now fixes this without asking. To stop, delete the rule in `{file}`."),
    "rule_undone": text("Undo removes the rule, too."),
    "rule_followed": text("Fixed without asking, by a rule in `{file}`."),
    "changed_since": text("Changed meanwhile: not fixed, checking again."),
    "gone_since": text("No longer exists."),
    "other_since": text("No longer imported as a texture: not fixed."),
    "refused": text("The editor refused the command."),
    "undone": text("Undone"),
    "undo_partly": text("Partly undone"),
    "undo_failed": text("Undo failed"),
    "undone_elsewhere": text("Undone with `popbridge revert`."),
    "not_observed": text("{option} is {now} after the change, not {wanted}."),
    "silenced": text("PopBridge no longer asks in this project"),
    "silenced_by": text(
        "`ask = false` was added to `[textures]` in `{file}`. Rules are still followed. Delete the line to "
        "be asked again."
    ),
    "silence_failed": text("popbridge.toml couldn't be changed"),
}

GROUP_TITLES: Mapping[str, Text] = {
    "normal_as_color": plural(
        "{n} normal map is imported as colour", "{n} normal maps are imported as colour", 1
    ),
    "normal_convention": plural(
        "{n} normal map has an inverted green channel", "{n} normal maps have an inverted green channel", 1
    ),
    "normal_directx": plural("{n} DirectX normal map needs a flip", "{n} DirectX normal maps need a flip", 1),
    "color_as_normal": plural(
        "{n} texture is imported as a normal map but isn't one",
        "{n} textures are imported as normal maps but aren't",
        1,
    ),
    "color_as_linear": plural(
        "{n} colour texture is imported as linear", "{n} colour textures are imported as linear", 1
    ),
    "data_as_srgb": plural(
        "{n} data texture is imported as sRGB", "{n} data textures are imported as sRGB", 1
    ),
    "packed_order": plural(
        "{n} packed map has the wrong channel order", "{n} packed maps have the wrong channel order", 1
    ),
    "lossy_data": plural(
        "{n} data texture uses lossy compression", "{n} data textures use lossy compression", 1
    ),
    "lossy_hdr": plural("{n} HDR map uses lossy compression", "{n} HDR maps use lossy compression", 1),
    "uncompressed": plural(
        "{n} material texture isn't compressed for the GPU",
        "{n} material textures aren't compressed for the GPU",
        1,
    ),
    "pixel_art_blocks": plural(
        "{n} small or pixel-art image is block-compressed",
        "{n} small or pixel-art images are block-compressed",
        1,
    ),
    "alpha_constant": plural(
        "{n} texture has an unused alpha channel", "{n} textures have an unused alpha channel", 1
    ),
    "grey_as_rgb": plural("{n} grey image is stored in colour", "{n} grey images are stored in colour", 1),
    "ui_mipmaps": plural("{n} UI image has mipmaps", "{n} UI images have mipmaps", 1),
    "no_mipmaps": plural("{n} material texture has no mipmaps", "{n} material textures have no mipmaps", 1),
    "too_large": plural("{n} texture exceeds the size limit", "{n} textures exceed the size limit", 1),
    "not_power_of_two": plural(
        "{n} texture has an unsuitable size", "{n} textures have an unsuitable size", 1
    ),
}
"""The title of all findings of a code; `n` is the number of textures."""


FINDINGS = {
    "normal_as_color": text(
        "Imported as colour, but looks like a normal map: {share}% unit vectors, mean RGB {r} {g} {b}."
    ),
    "normal_by_name": text("Imported as colour, but named as a normal map; mean RGB {r} {g} {b}."),
    "normal_as_color_detected": text(
        "Looks like a normal map ({share}% unit vectors). The engine imports it as one by itself once a "
        "material reads it as one."
    ),
    "normal_as_linear": text(
        "Imported as linear colour, but looks like a normal map: {share}% unit vectors. Compression keeps "
        "normal maps better."
    ),
    "normal_as_height": text("Already a normal map, but the engine computes normals from its brightness."),
    "normal_green_down": text(
        "Green points down (DirectX), {confidence}% confidence; imported as up (OpenGL)."
    ),
    "normal_green_up": text(
        "Green points up (OpenGL), {confidence}% confidence; imported as down (DirectX)."
    ),
    "normal_directx": text("Green points down (DirectX), {confidence}% confidence."),
    "color_as_normal": text("Imported as a normal map, but most pixels aren't unit vectors."),
    "color_as_linear": text("Colour, imported as linear."),
    "data_as_srgb": text("Grey data, imported as sRGB."),
    "packed_as_srgb": text("Separate data per channel, imported as sRGB."),
    "packed_order": text("The name says {word}, and the pixels agree; the engine reads another order."),
    "lossy_data": text("Data, compressed like a photo."),
    "lossy_hdr": text("HDR, compressed like a photo."),
    "uncompressed": text("Not compressed for the GPU."),
    "uncompressed_detected": text(
        "Not compressed for the GPU. The engine compresses it by itself once its editor draws it in 3D."
    ),
    "uncompressed_on": text("Not compressed for the GPU on {platforms}: separate settings override it."),
    "pixel_art_blocks": text("Few colours, block-compressed."),
    "small_blocks": text("Small 2D image, block-compressed."),
    "alpha_constant": text("Every pixel is opaque."),
    "grey_as_rgb": text("Grey, stored in {channels} channels."),
    "ui_mipmaps": text("UI image with mipmaps."),
    "no_mipmaps": text("Material texture without mipmaps."),
    "no_mipmaps_detected": text(
        "Material texture without mipmaps. The engine makes them by itself once its editor draws it in 3D."
    ),
    "too_large": text("{width}×{height}, over the limit of {limit}."),
    "not_multiple_of_four": text("Block-compressed; {width}×{height} isn't a multiple of 4."),
    "not_power_of_two": text("{width}×{height} isn't a power of two."),
}
"""The line with the evidence, by `Finding.sentence`."""
WITH_EFFECT = frozenset(
    {"normal_as_color_detected", "normal_as_linear", "uncompressed_detected", "no_mipmaps_detected"}
)
"""Sentences that also tell the effect, which isn't the usual one."""


REASONS = {
    "unmet": text("Its condition isn't met."),
    "no_setting": text("No import setting of this engine decides it."),
    "material": text("The other maps of its material speak against it."),
    "not_in_version": text("This version of the engine has no setting for it."),
    "settled": text("Already set: {settings}."),
    "unset": text("The present setting is unknown."),
    "not_as_normals": text("It isn't imported as a normal map."),
    "saves_nothing": text("A change would save no GPU memory."),
    "same_fix": text("The fix for {codes} covers it."),
    "no_material": text("Not a texture of a material's surface."),
    "flat": text("Its name, folder or settings say that it is 2D."),
    "sprite_normals": text("Transparent or small, like the normal map of a sprite."),
    "unnamed": text("Only the pixels suggest its kind: no name, material or neighbour does."),
    "read_as_color": text("The engine's materials read it as colour."),
    "too_small": text("Its shorter side has fewer than {side} pixels."),
    "single_pixels": text("Its filter shows single pixels, which mipmaps and compression would blur."),
    "one_color": text("One colour: mipmaps look the same."),
    "strip": text("A strip or ramp, which isn't seen from a distance."),
    "not_multiple_of_four": text("{width}×{height} isn't a multiple of 4."),
    "hdr": text("HDR stays uncompressed."),
    "few_pixels": text("Smaller than 256×256: compression saves too little."),
    "drawn": text("Few tones: compression would smear it."),
    "smooth_filter": text("Its filter blends pixels, so it isn't pixel art."),
    "not_named_flat": text("No name, folder or setting says that it is 2D."),
    "not_in_blocks": text("It isn't block-compressed."),
    "many_tones": text("Many tones, and not small: compression hardly shows."),
    "perhaps_3d": text("Perhaps used in 3D: its settings compress it, or aren't known."),
    "no_ui": text("Not surely a UI image."),
    "vectors": text("{share}% of its pixels are unit vectors."),
    "coloured": text("It isn't grey."),
    "grey": text("It is grey."),
    "no_mid_tones": text("Only black and white, which sRGB doesn't change."),
    "compressed_anyway": text("Block compression is due instead."),
    "no_hdr": text("It isn't HDR."),
    "unsure_convention": text(
        "The direction of the green channel is unclear: {confidence}%, needs {least}%."
    ),
    "named_convention": text("The name contradicts the pixels."),
    "same_convention": text("The green channel points as imported."),
    "free_order": text("Materials of this engine choose the channels."),
    "unnamed_order": text("The name gives no channel order."),
    "unproven_order": text("The pixels don't confirm the channel order in the name."),
    "same_order": text("The engine reads the channel order in the name."),
    "no_alpha": text("It has no alpha channel."),
    "alpha_ignored": text("Alpha is ignored already."),
    "alpha_used": text("Some pixels are transparent."),
    "tiny": text("Too small to matter."),
    "one_channel": text("Stored in one channel already."),
    "needs_channels": text("Its channels are needed."),
    "within_limit": text("No side exceeds {limit} pixels."),
    "sheet": text("A sprite sheet may need its size."),
    "power_of_two": text("Its sides are powers of two."),
    "resized": text("The engine resizes it to powers of two."),
    "suitable_size": text("Nothing needs another size."),
    "drawn_in_2d": text("It is drawn in 2D."),
    "used_in_3d": text("It is used in 3D."),
    "mipmaps_unread": text("Nothing reads its mipmaps."),
    "wants_mipmaps": text("A filter that reads mipmaps was chosen."),
    "shrunk": text("It may be drawn smaller than it is."),
    "soft_edges": text("Its edges are soft: compression hardly shows."),
    "alpha_read": text("Its alpha is read, which a normal map would lose."),
    "settled_by_use": text("A material or shader declares it as a normal map."),
    "linear_vectors": text("Imported as linear: its colours may be vectors of another kind."),
    "ruled_out": text("Its import settings rule out a normal map."),
}
"""Why a finding wasn't raised, by `Considered.reason`."""


class Explanation(NamedTuple):
    """Texts that all findings of a code share."""

    title: Text
    why: Text
    """The effect, and the remedy if no import setting fixes it."""


EXPLANATIONS: Mapping[str, Explanation] = {
    "normal_as_color": Explanation(
        text("Normal map imported as colour."), text("Vectors are distorted; lighting is wrong.")
    ),
    "normal_convention": Explanation(
        text("Normal map with an inverted green channel."), text("Bumps look like dents.")
    ),
    "normal_directx": Explanation(
        text("DirectX normal map that needs a flip."),
        text(
            "No import setting covers it: flip green in the file, as with `popbridge run image.normal_flip`."
        ),
    ),
    "color_as_normal": Explanation(text("Imported as a normal map but isn't one."), text("Blue is lost.")),
    "color_as_linear": Explanation(text("Colour texture imported as linear."), text("Looks washed out.")),
    "data_as_srgb": Explanation(text("Data texture imported as sRGB."), text("sRGB changes the values.")),
    "packed_order": Explanation(text("Packed map with the wrong channel order."), text("Repack the file.")),
    "lossy_data": Explanation(
        text("Data texture with lossy compression."), text("Artefacts look like dents and stains.")
    ),
    "lossy_hdr": Explanation(
        text("HDR map with lossy compression."),
        text("Some engines ignore that; others clip light above white."),
    ),
    "uncompressed": Explanation(
        text("Material texture that isn't compressed for the GPU."),
        text("Block compression usually takes ¼ to ⅛ of the memory."),
    ),
    "pixel_art_blocks": Explanation(
        text("Block-compressed pixel art or small image."), text("Compression smears its edges.")
    ),
    "alpha_constant": Explanation(text("Unused alpha channel."), text("It can cost memory.")),
    "grey_as_rgb": Explanation(text("Grey image stored in colour."), text("One channel is smaller.")),
    "ui_mipmaps": Explanation(
        text("UI image with mipmaps."),
        text("A third more memory, and it may blur. Keep them if it is drawn smaller."),
    ),
    "no_mipmaps": Explanation(
        text("Material texture without mipmaps."),
        text("Shimmers at a distance. The fix costs a third more memory."),
    ),
    "too_large": Explanation(
        text("Texture over the size limit."), text("Raise `max_size` in popbridge.toml if intended.")
    ),
    "not_power_of_two": Explanation(
        text("Unsuitable size."),
        text(
            "Blocks need multiples of 4; old GPUs need powers of two to repeat with mipmaps. Resize the file."
        ),
    ),
}
"""By the code of a finding."""


LEFT: Mapping[str, Text] = {
    "owner": text("an addon or an atlas decides"),
    "unsure": text("its kind isn't sure"),
    "height": text("a height map"),
    "alpha": text("its alpha may be read"),
    "2d": text("not drawn as a surface"),
    "size": text("its size"),
    "use": text("drawn where mipmaps aren't read"),
    "plain": text("one colour"),
    "filter": text("its filter shows single pixels"),
    "chosen": text("ruled out by its settings"),
    "content": text("compression would show, or save nothing"),
}
"""Why a map stays without what others of its material get, by `material_sets.reason_left`."""
LIKE = text("Other maps of this material need the same ({file}).")
LEFT_MAPS = text("Other maps of this material stay as they are: {files}.")


def say(key: str, locale: str, **values: object) -> str:
    """Returns a text of `TEXTS` in the language of `locale`."""
    return translate(TEXTS[key].fill(**values), locale)


def group_effect(code: str, sentences: Set[str]) -> AnyText:
    """Returns why the findings of a code matter; empty if they say it themselves."""
    if sentences <= WITH_EFFECT:
        return SETTLED_BY_ENGINE if all(each.endswith("_detected") for each in sentences) else ""
    return EXPLANATIONS[code].why if code in EXPLANATIONS else ""


SETTLED_BY_ENGINE = text("The engine settles this by itself at first use.")


def finding_text(code: str, sentence: str, values: Mapping[str, Any]) -> AnyText:
    """Returns a finding's sentence and its explanation."""
    explanation = EXPLANATIONS.get(code) if sentence not in WITH_EFFECT else None
    parts: list[AnyText] = [finding_line(sentence, values), explanation.why if explanation else ""]
    if like := values.get("like"):
        parts.append(LIKE.fill(file=like))
    if left := values.get("left"):
        files = join_list(
            text("{file} ({reason})", file=file, reason=LEFT[why]) for file, why in left.items()
        )
        parts.append(LEFT_MAPS.fill(files=files))
    return sentences(parts)


def finding_line(sentence: str, values: Mapping[str, Any]) -> AnyText:
    """Returns a finding's sentence, the evidence; numbers with a fraction have two digits."""
    others = ("like", "left")
    shown = {
        name: f"{value:.2f}" if isinstance(value, float) else value
        for name, value in values.items()
        if name not in others
    }
    return FINDINGS[sentence].fill(**shown)


def evidence_text(words: Iterable[AnyText], by_project: bool) -> AnyText:
    """Lists the evidence for a kind: words in names and materials, and the project's other textures."""
    return join_list([*words, *([TEXTS["by_project"]] if by_project else [])])


def join_list(parts: Iterable[AnyText]) -> AnyText:
    """Joins parts of a sentence with commas."""
    return joined(parts, text("{head}, {rest}"))


def bytes_text(count: int) -> str:
    """Bytes in binary units: `170.7 KiB`, `5.3 MiB`, `16.0 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def memory_text(memory: Mapping[str, tuple[int, int]]) -> AnyText:
    """Bytes before and after on each platform: `16.0 MiB → 5.3 MiB (desktop)`; empty for none."""
    if len(memory) > 1 and len(set(map(tuple, memory.values()))) == 1:
        before, after = next(iter(memory.values()))
        return TEXTS["memory_change"].fill(before=bytes_text(before), after=bytes_text(after))
    return join_list(
        TEXTS["memory_on"].fill(
            before=bytes_text(before), after=bytes_text(after), platform=TEXTS.get(platform, platform)
        )
        for platform, (before, after) in memory.items()
    )
