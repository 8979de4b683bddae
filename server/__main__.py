"""`python -m server` is the command `headrace`."""

import sys

from server.cli import main

sys.exit(main())
