import pytest

from accel.image.encode import WRITERS
from accel.image.records import SUFFIXES, suffix_of


def test_whatever_is_written_has_a_suffix_of_its_own():
    found = [suffix_of(writer.media_type) for writer in WRITERS.values()]
    assert all(found) and len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [("image/JPEG", ".jpg"), ("text/plain; charset=utf-8", ".txt"), ("x/unknown", ""), ("", "")],
)
def test_case_and_parameters_of_a_media_type_count_for_nothing(media_type, suffix):
    assert suffix_of(media_type) == suffix


def test_suffixes_are_lower_case_with_a_dot():
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES.values())
