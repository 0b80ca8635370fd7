"""`python -m bridge`, which is the `popbridge` command."""

import sys

from bridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
