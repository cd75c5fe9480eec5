"""python -m minitornado: serve one real request, and show every callback of it.  See `cli`."""

import sys

from minitornado.cli import main

if __name__ == "__main__":
    sys.exit(main())
