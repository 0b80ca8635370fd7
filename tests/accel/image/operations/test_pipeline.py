import re
from typing import Literal

import numpy as np
import pytest

from accel.image.operation import Operated, Reading, Writing, operation
from accel.image.operations.pipeline import OPERATIONS, Pipeline, pipeline
from accel.workload import Limits, OutputFile, WorkloadError
from tests.accel.image.files import exr
from tests.accel.image.rasters import reopened


@operation("test.negate", version=1, params=Writing)
def negate(images, params, limits):
    """Turns values round."""
    return Operated({"negated": images[0].with_pixels(255 - images[0].pixels)})


@operation("test.split", version=1, params=Writing)
def split(images, params, limits):
    """Gives two images."""
    return Operated({"left": images[0], "right": images[0].with_pixels(images[0].pixels // 2)})


@operation("test.measure", version=1, params=Reading, inputs=(1, 9))
def measure(images, params, limits):
    """Gives no image."""
    return Operated(value=[[image.transfer, float(image.pixels.mean())] for image in images])


@operation("test.refuse", version=1, params=Writing)
def refuse(images, params, limits):
    """Refuses."""
    raise WorkloadError("unsupported", "is too beautiful", images[0].name)


@operation("test.note", version=1, params=Writing)
def note(images, params, limits):
    """Gives an image and a text."""
    return Operated({"noted": images[0]}, files=[OutputFile("note", "text/plain", b"hello")])


@pytest.fixture(autouse=True)
def operations(monkeypatch):
    for one in (negate, split, measure, refuse, note):
        monkeypatch.setitem(OPERATIONS, one.workload.name, one)


@operation("theirs.negate", version=7, params=Writing, cached=False)
def theirs(images, params, limits):
    """As a plugin adds it: it is in no catalogue."""
    return Operated({"negated": images[0].with_pixels(255 - images[0].pixels)})


@operation("theirs.raise", version=1, params=Writing)
def raises(images, params, limits):
    """Fails in its own way."""
    raise {"exit": SystemExit(3), "memory": MemoryError("no room")}.get(
        images[0].name[:-4], KeyError("depth")
    )


@operation("theirs.nothing", version=1, params=Writing)
def nothing(images, params, limits):
    """Forgets to give anything."""


class Telling(Writing, frozen=True):
    """Which files tell of the images."""

    gives: Literal["files", "bytes", "nothing", "error"] = "files"


@operation("theirs.tell", version=1, params=Telling)
def tell(images, params, limits):
    """Gives a file that tells of its image."""

    def described(names, depth):
        if params.gives == "error":
            raise KeyError("depth")
        text = f"{names['told']} {depth}"
        files = [OutputFile("told", "text/plain", text.encode())]
        return {"files": files, "bytes": [text.encode()], "nothing": None}[params.gives]

    return Operated({"told": images[0]}, described=described)


@operation("theirs.report", version=1, params=Reading)
def report(images, params, limits):
    """Writes two files, and no image."""
    return Operated(files=[OutputFile(name, "text/plain", b"fine") for name in ("short", "long")])


@operation("theirs.spoil", version=1, params=Writing)
def spoil(images, params, limits):
    """Writes into what it was given."""
    images[0].pixels[0] = 0


THEIRS = Limits(
    operations=tuple(
        (one.workload.name, one.workload.target) for one in (theirs, raises, nothing, tell, report, spoil)
    )
)


def run(sources, *steps, transfer="auto", limits=None):
    given = [step if isinstance(step, dict) else {"workload": step} for step in steps]
    params = pipeline.workload.parse({"steps": given, "transfer": transfer})
    return pipeline(sources, params, limits or Limits())


def test_each_step_works_on_what_the_one_before_gave(save, photo, tmp_path):
    source = save("a.png", photo)
    output = run(
        [source], "test.negate", "test.negate", {"workload": "image.convert", "params": {"format": "tga"}}
    )
    (file,) = output.files
    assert (file.name, output.value.format) == ("converted", "tga")
    assert np.array_equal(reopened(file.data, tmp_path).pixels, photo)


def test_all_images_of_a_step_are_the_next_ones_inputs_in_their_order(save):
    source = save("a.png", np.full((4, 4, 3), 100, np.uint8))
    assert run([source], "test.split", "test.measure").value == [["srgb", 100.0], ["srgb", 50.0]]


def test_a_depth_that_is_asked_for_on_the_way_holds_for_the_next_step(save, photo):
    deep = {"workload": "image.convert", "params": {"bits": "32"}}
    ((transfer, mean),) = run([save("a.png", photo)], deep, "test.measure").value
    assert transfer == "linear" and 0 < mean < 1


def test_the_first_step_or_the_pipeline_says_how_files_are_read(save):
    source = save("a.png", np.full((4, 4, 3), 100, np.uint8))
    first = {"workload": "test.measure", "params": {"transfer": "linear"}}
    assert run([source], first).value == [["linear", 100.0]]
    assert run([source], "test.measure", transfer="linear").value == [["linear", 100.0]]


def test_data_stay_data_to_the_end(tmp_path):
    (tmp_path / "a.exr").write_bytes(exr(np.full((4, 4, 3), 0.5, np.float32), ("R", "G", "B"), "float"))
    from accel.workload import Input

    source = Input("a.exr", str(tmp_path / "a.exr"))
    png = {"workload": "image.convert", "params": {"format": "png", "bits": "8"}}
    values = [
        reopened(run([source], png, transfer=one).files[0].data, tmp_path).pixels[0, 0, 0]
        for one in ("auto", "linear")
    ]
    assert values == [188, 128]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (["image.conjure"], r"step 1 is 'image.conjure', which isn't an image operation.*image\.convert"),
        ([{"workload": "image.convert", "params": {"format": "doc"}}], "step 1, image.convert: .*format"),
        (["test.negate", "test.measure", "test.negate"], "step 2, test.measure, returns no image"),
        (["test.negate", "image.compare"], "step 2, image.compare: takes 2 inputs, got 1"),
        (["test.split", "image.convert", "test.split", "image.compare"], "step 4.* takes 2 inputs, got 4"),
    ],
)
def test_what_cannot_be_done_is_said_by_step(save, photo, steps, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        run([save("a.png", photo)], *steps)
    assert caught.value.code == "bad_params"


def test_too_many_inputs_are_refused_before_any_is_opened():
    from accel.workload import Input

    with pytest.raises(WorkloadError, match="takes 2 inputs, got 3"):
        run([Input(name, "nowhere") for name in "abc"], "image.compare", "test.negate")


def test_an_error_of_a_step_keeps_its_code_and_file(save, photo):
    with pytest.raises(WorkloadError, match=r"step 2, test\.refuse: is too beautiful") as caught:
        run([save("a.png", photo)], "test.negate", "test.refuse")
    assert (caught.value.code, caught.value.name) == ("unsupported", "a.png")


@pytest.mark.parametrize("steps", [[], ["image.convert"] * 33])
def test_there_are_1_to_32_steps(steps):
    with pytest.raises(WorkloadError, match="steps"):
        pipeline.workload.parse({"steps": [{"workload": step} for step in steps]})
    assert Pipeline(steps=[]).transfer == "auto"


def sprite(shade, width=12, height=10):
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[2:-2, 2:-2] = (shade, 80, 40, 255)
    return pixels


def named(output):
    return [file.name for file in output.files]


def test_a_step_of_one_image_is_done_on_each_of_several(save, photo):
    half = {"workload": "image.resize", "params": {"factor": 0.5}}
    output = run([save("rock.png", photo)], "image.unpack_channels", half)
    assert named(output) == ["r", "g", "b"]
    height, width = photo.shape[:2]
    assert {(one.name, one.width, one.height) for one in output.value} == {
        (name, round(width / 2), round(height / 2)) for name in "rgb"
    }


def test_several_files_are_called_as_their_inputs(save, photo, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    sources = [save("one/a.png", photo), save("two/a.png", photo), save("b.png", photo[:8])]
    assert named(run(sources, "image.convert", "image.convert")) == ["a", "a-2", "b"]
    assert named(run(sources[1:], "test.split", "image.convert")) == [
        "a.left",
        "a.right",
        "b.left",
        "b.right",
    ]
    packed = run(sources[1:], {"workload": "image.compress", "params": {"format": "bc1"}})
    assert named(packed) == ["a", "b"] and [one.format for one in packed.value] == ["bc1", "bc1"]


def test_sprites_are_cleaned_and_packed_in_one_go(save):
    sources = [save(f"{shade}.png", sprite(shade)) for shade in (50, 150, 250)]
    half = {"workload": "image.resize", "params": {"factor": 0.5}}
    output = run(sources, "image.bleed_alpha", half, "image.atlas")
    assert [one.name for one in output.value.sprites] == ["150.png", "250.png", "50.png"]
    assert named(output) == ["atlas.data", "atlas"]


def test_images_of_one_file_are_told_apart_in_an_atlas(save, photo):
    output = run([save("rock.png", photo)], "image.unpack_channels", "image.atlas")
    assert [one.name for one in output.value.sprites] == ["rock.b.png", "rock.g.png", "rock.r.png"]


@pytest.mark.parametrize(
    ("steps", "files", "image", "format"),
    [
        (["image.mipmaps", "image.compress"], ["atlas", "atlas.data"], "atlas.dds", "RGBA8888"),
        (["image.convert"], ["atlas", "atlas.data"], "atlas.tga", "RGBA8888"),
        (
            ["image.mipmaps"],
            ["atlas.mip0", "atlas.mip1", "atlas.mip2", "atlas.data"],
            "atlas.mip0.png",
            "RGBA16161616",
        ),
    ],
)
def test_an_atlas_data_name_the_files_that_are_written_at_last(save, steps, files, image, format):
    import msgspec

    sources = [save(f"{shade}.png", sprite(shade)) for shade in (50, 150)]
    params = {
        "image.compress": {"format": "bc7"},
        "image.convert": {"format": "tga"},
        "image.mipmaps": {"levels": 3} | ({} if len(steps) > 1 else {"bits": "16"}),
    }
    given = [{"workload": step, "params": params[step]} for step in steps]
    output = run(sources, "image.atlas", *given)
    assert sorted(named(output)) == sorted(files)
    data = next(file for file in output.files if file.name == "atlas.data")
    told = msgspec.json.decode(data.data)
    assert (told["meta"]["image"], told["meta"]["format"]) == (image, format)
    assert set(told["frames"]) == {"50.png", "150.png"}


def test_the_pages_of_an_atlas_keep_their_names(save):
    sources = [save(f"{shade}.png", sprite(shade, 16, 16)) for shade in (50, 150, 250)]
    small = {"workload": "image.atlas", "params": {"max_size": 16, "name": "ui", "trim": False}}
    output = run(sources, small, {"workload": "image.compress", "params": {"format": "bc7"}})
    assert named(output) == ["ui.0", "ui.1", "ui.2", "ui.0.data", "ui.1.data", "ui.2.data"]
    assert len(output.value) == 3 and b'"ui.1.dds"' in output.files[4].data


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"workload": "image.resize", "params": {"factor": 0.5}}, "step 2, image.resize: .*number or size"),
        ("image.unpack_channels", "number or size"),
        ("image.atlas", "would be lost"),
    ],
)
def test_what_would_make_an_atlas_data_wrong_is_refused(save, step, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        run([save("a.png", sprite(50)), save("b.png", sprite(90))], "image.atlas", step)
    assert caught.value.code == "bad_params"


def test_pages_that_data_tell_of_are_not_made_one(save):
    sources = [save(f"{shade}.png", sprite(shade, 16, 16)) for shade in (50, 150)]
    small = {"workload": "image.atlas", "params": {"max_size": 16, "trim": False}}
    with pytest.raises(WorkloadError, match="several of them together"):
        run(sources, small, "image.pack_channels")


def test_an_atlas_that_is_only_looked_at_gives_no_data(save):
    sources = [save(f"{shade}.png", sprite(shade)) for shade in (50, 150)]
    output = run(sources, "image.atlas", "test.measure")
    assert output.files == [] and len(output.value) == 1


def test_files_of_a_step_in_the_middle_are_kept(save, photo):
    output = run([save("a.png", photo)], "test.note", "test.negate")
    assert named(output) == ["negated", "note"]


def test_a_helper_is_taken_with_what_it_helps_and_else_each_image_is_done(save, photo):
    chain = {"workload": "image.mipmaps", "params": {"kind": "data", "levels": 2}}
    flat = np.full((*photo.shape[:2], 3), (128, 128, 255), np.uint8)
    pair = [save("roughness.png", photo), save("normal.png", flat)]
    assert named(run(pair, "image.convert", chain)) == ["mipmaps.mip0", "mipmaps.mip1"]
    apart = run(pair[:1], "test.split", chain)
    assert named(apart) == ["left.mip0", "left.mip1", "right.mip0", "right.mip1"]


def test_a_plugins_operation_is_a_step_like_any_other(save, photo, tmp_path):
    output = run([save("a.png", photo)], "theirs.negate", "image.convert", "theirs.negate", limits=THEIRS)
    assert np.array_equal(reopened(output.files[0].data, tmp_path).pixels, photo)


def test_what_a_plugin_has_for_a_step_is_listed_where_another_is_asked_for(save, photo):
    with pytest.raises(
        WorkloadError, match=r"which isn't an image operation.*image\.convert.*theirs\.negate"
    ):
        run([save("a.png", photo)], "theirs.none", limits=THEIRS)
    with pytest.raises(WorkloadError, match="which isn't an image operation"):
        run([save("a.png", photo)], "theirs.negate")


@pytest.mark.parametrize(
    ("step", "name", "says"),
    [
        ("theirs.raise", "a.png", r"step 2, theirs\.raise: the workload failed \(KeyError\)"),
        ("theirs.raise", "exit.png", r"step 2, theirs\.raise: the workload failed \(SystemExit\)"),
        ("theirs.nothing", "a.png", r"step 2, theirs\.nothing: the operation gave NoneType, not Operated"),
        ("theirs.spoil", "a.png", r"step 2, theirs\.spoil: the workload failed \(ValueError\)"),
    ],
)
def test_a_step_that_fails_in_its_own_way_is_named(save, photo, step, name, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        run([save(name, photo)], "image.convert", step, limits=THEIRS)
    assert caught.value.code == "internal"
    assert (caught.value.__cause__ is not None) == (step != "theirs.nothing")


def telling(gives):
    return {"workload": "theirs.tell", "params": {"gives": gives}}


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        ("error", r"the workload failed \(KeyError\)"),
        ("nothing", "the workload's files are NoneType, not a list of OutputFile"),
        ("bytes", r"the workload's files\[0\] is bytes, not OutputFile"),
    ],
)
def test_files_that_tell_of_images_are_the_fault_of_the_step_that_tells(save, photo, gives, says):
    with pytest.raises(WorkloadError, match=f"^step 1, theirs\\.tell: {says}") as caught:
        run([save("a.png", photo)], telling(gives), "image.convert", limits=THEIRS)
    assert (caught.value.code, caught.value.step) == ("internal", "step 1, theirs.tell")


def test_a_step_that_writes_no_image_leaves_nothing_to_tell_of(save, photo):
    source = save("a.png", photo)
    output = run([source], telling("files"), "image.convert", limits=THEIRS)
    assert [file.data for file in output.files[1:]] == [b"told.png uint8"]
    output = run([source], telling("error"), "theirs.report", limits=THEIRS)
    assert named(output) == ["told.short", "told.long"]


def test_that_memory_is_full_is_left_to_who_knows_what_to_do(save, photo):
    with pytest.raises(MemoryError, match="no room"):
        run([save("memory.png", photo)], "theirs.raise", limits=THEIRS)


def test_documentation_lists_the_steps_that_keep_faces_and_layers():
    listing = next(part for part in pipeline.__doc__.split("\n\n") if "`image.convert`" in part)
    keeping = {name for name, each in OPERATIONS.items() if each.layers}
    assert set(re.findall(r"`(image\.\w+)`", listing)) == keeping


def test_its_parts_are_told_with_a_plugins_among_them():
    params = pipeline.workload.parse({"steps": [{"workload": "theirs.negate"}]})
    filled, parts = pipeline.workload.composed(params, THEIRS)
    assert [(part.name, part.version, part.cached) for part in parts] == [("theirs.negate", 7, False)]
    assert filled.steps[0].params["format"] == "same"
