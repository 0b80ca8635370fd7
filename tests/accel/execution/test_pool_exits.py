import sys

from accel.execution.pool import describe_exit


def test_exit_codes_are_told_by_the_signal_s_name():
    assert describe_exit(3) == "exit code 3"
    assert sys.platform == "win32" or describe_exit(-11) == "SIGSEGV"
    assert describe_exit(-250) == "exit code -250"


def test_what_windows_says_of_a_crash_is_told_in_words():
    assert describe_exit(0xC0000005) == "access violation"
    assert describe_exit(0xC0000142) == "exit code 0xC0000142"
