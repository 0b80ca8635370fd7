import numpy as np
import pytest

from accel.image.catalogue import OPERATIONS
from accel.image.operation import Operated, Reading, Writing, operation
from accel.image.pipeline import Pipeline, pipeline
from accel.workload import Limits, WorkloadError
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


@pytest.fixture(autouse=True)
def operations(monkeypatch):
    for one in (negate, split, measure):
        monkeypatch.setitem(OPERATIONS, one.workload.name, one)


def run(sources, *steps, transfer="auto"):
    given = [step if isinstance(step, dict) else {"workload": step} for step in steps]
    return pipeline(sources, pipeline.workload.parse({"steps": given, "transfer": transfer}), Limits())


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
        (["image.conjure"], r"step 1 is 'image.conjure', which is no operation.*image\.convert"),
        ([{"workload": "image.convert", "params": {"format": "doc"}}], "step 1, image.convert: .*format"),
        (["test.negate", "test.measure", "test.negate"], "step 2, test.measure, gives no image"),
        (["test.split", "image.convert"], "step 2, image.convert: takes 1 input, got 2"),
    ],
)
def test_what_cannot_be_done_is_said_by_step(save, photo, steps, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        run([save("a.png", photo)], *steps)
    assert caught.value.code == "bad_params"


def test_too_many_inputs_are_refused_before_any_is_opened():
    from accel.workload import Input

    with pytest.raises(WorkloadError, match="takes 1 input, got 2"):
        run([Input("a", "nowhere"), Input("b", "nowhere")], "test.negate")


def test_an_error_of_a_step_keeps_its_code_and_file(save, photo):
    @operation("test.refuse", version=1, params=Writing)
    def refuse(images, params, limits):
        """Refuses."""
        raise WorkloadError("unsupported", "is too beautiful", images[0].name)

    OPERATIONS["test.refuse"] = refuse
    try:
        with pytest.raises(WorkloadError, match=r"step 2, test\.refuse: is too beautiful") as caught:
            run([save("a.png", photo)], "test.negate", "test.refuse")
    finally:
        del OPERATIONS["test.refuse"]
    assert (caught.value.code, caught.value.name) == ("unsupported", "a.png")


@pytest.mark.parametrize("steps", [[], ["image.convert"] * 33])
def test_there_are_1_to_32_steps(steps):
    with pytest.raises(WorkloadError, match="steps"):
        pipeline.workload.parse({"steps": [{"workload": step} for step in steps]})
    assert Pipeline(steps=[]).transfer == "auto"
