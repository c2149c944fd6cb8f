"""``python -m placewise``: the command line."""

import sys

from placewise.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
