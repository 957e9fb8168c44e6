"""For all tests: what else runs on this machine must not show in what they see."""

from __future__ import annotations

import os

os.environ["TERTULIA_NO_PROBE"] = "1"
