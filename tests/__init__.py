"""The tests; English, whatever the system speaks."""

import os

# Commands would speak the language of whoever runs the tests; processes that are started have it, too.
os.environ["LC_ALL"] = "C.UTF-8"
