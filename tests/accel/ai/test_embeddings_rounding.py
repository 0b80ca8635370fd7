import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from accel.ai.embeddings import round_vector

NUMBERS = st.floats(-1, 1, width=32).filter(lambda value: value == 0 or abs(value) > 1e-12)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_numbers_have_the_seven_digits_that_printing_them_gives(values):
    assert round_vector(np.array(values, np.float32)) == [float(f"{value:.7g}") for value in values]


def test_a_table_of_vectors_keeps_its_shape():
    assert round_vector(np.full((2, 3), 0.1, np.float32)) == [[0.1] * 3] * 2


def test_what_is_next_to_nothing_stays_so():
    assert abs(round_vector(np.array([1e-20], np.float32))[0]) < 1e-12
