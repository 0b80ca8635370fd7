import functools

import numpy as np
import pytest

from accel.image.operation import Operated, Writing, check_size, operation
from accel.workload import Input, Limits, OutputFile, WorkloadError
from tests.accel.image.files import dds


def operate(give, images, params, limits):
    """Does something.

    More of it.
    """
    return give(images, params, limits)


def declared(give, params=Writing, **options):
    function = functools.wraps(operate)(functools.partial(operate, give))
    return operation("test.operate", version=3, params=params, **options)(function)


def test_an_operation_is_a_workload_on_files(save, photo):
    operate = declared(lambda images, params, limits: Operated({"made": images[0]}))
    output = operate([save("a.png", photo)], Writing(), Limits())
    (file,) = output.files
    assert (file.name, file.media_type) == ("made", "image/png")
    assert (output.value.name, output.value.width, output.value.height) == ("made", 64, 48)
    assert (operate.workload.name, operate.workload.version, operate.workload.summary) == (
        "test.operate", 3, "Does something.",
    )  # fmt: skip


def test_several_images_have_a_list_of_facts_in_their_order(save, photo):
    operate = declared(lambda images, params, limits: Operated({"one": images[0], "two": images[0]}))
    output = operate([save("a.png", photo)], Writing(format="tga"), Limits())
    assert [file.name for file in output.files] == ["one", "two"]
    assert [facts.name for facts in output.value] == ["one", "two"]


def test_a_value_and_files_of_its_own_come_first(save, photo):
    extra = OutputFile("extra", "text/plain", b"hello")
    operate = declared(lambda images, params, limits: Operated({"made": images[0]}, 7, [extra]))
    output = operate([save("a.png", photo)], Writing(), Limits())
    assert output.value == 7 and [file.name for file in output.files] == ["extra", "made"]


def test_images_are_read_as_the_asker_says(save, photo):
    seen = []
    operate = declared(lambda images, params, limits: seen.append(images[0]) or Operated(value=1))
    for transfer in ("auto", "srgb", "linear"):
        operate([save("a.png", photo)], Writing(transfer=transfer), Limits())
    assert [image.transfer for image in seen] == ["srgb", "srgb", "linear"]
    assert [image.data for image in seen] == [False, False, True]


@pytest.mark.parametrize("levels", [False, True])
def test_smaller_levels_are_read_where_they_go_into_the_result(tmp_path, levels):
    seen = []
    operate = declared(lambda images, params, limits: seen.extend(images) or Operated(value=1), levels=levels)
    path = tmp_path / "a.dds"
    path.write_bytes(dds(4, 2, bytes(range(44)), dxgi=28, levels=3))
    operate([Input("a.dds", str(path))], Writing(), Limits())
    assert [len(image.mips) for image in seen] == [2 * levels] and operate.levels == levels


def test_inputs_are_held_against_the_limits_before_they_are_decoded(save, photo):
    operate = declared(lambda images, params, limits: Operated(value=1))
    with pytest.raises(WorkloadError, match="more than the limit") as caught:
        operate([save("a.png", photo)], Writing(), Limits(max_pixels=100))
    assert caught.value.code == "too_large"


def test_what_nobody_may_make_is_refused():
    check_size("a.png", 1000, 1000, Limits(max_pixels=1_000_000))
    with pytest.raises(
        WorkloadError, match=r"would become 2000 x 1000 \(2\.0 megapixels\).*1\.0 mega"
    ) as caught:
        check_size("a.png", 2000, 1000, Limits(max_pixels=1_000_000))
    assert (caught.value.code, caught.value.name) == ("too_large", "a.png")


def test_an_asker_may_say_how_the_file_is_to_be(save):
    operate = declared(lambda images, params, limits: Operated({"made": images[0]}))
    source = save("a.png", np.full((8, 8, 3), 40000, np.uint16), "rgb16")
    facts = [operate([source], Writing(bits=bits), Limits()).value.bit_depth for bits in ("same", "8", "16")]
    assert facts == [16, 8, 16]
