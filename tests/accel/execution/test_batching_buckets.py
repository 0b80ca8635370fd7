from accel.execution.batching import SIZES, bucket_key


def test_what_lies_between_two_sizes_is_rounded_up_to_the_next():
    assert [bucket_key(count) for count in (1, 2, 3, 5, 8, 9, 200, 256)] == [1, 2, 4, 8, 8, 16, 256, 256]


def test_beyond_the_last_size_nothing_is_rounded():
    assert bucket_key(SIZES[-1] + 1) == SIZES[-1] + 1
