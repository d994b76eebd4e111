"""`python -m conv_analytics` is `conv-analytics`."""

from __future__ import annotations

import sys

from conv_analytics.cli import main

if __name__ == "__main__":
    sys.exit(main())
