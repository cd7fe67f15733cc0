"""`python -m gnn_distill` is `gnn-distill`."""

import sys

from gnn_distill.cli.main import main

if __name__ == "__main__":
    sys.argv[0] = "gnn-distill"  # usage lines would name __main__.py
    main()
