"""``python -m bayesmix``: the command ``bayesmix``; without arguments, the demonstration."""

from __future__ import annotations

import runpy
import sys

from bayesmix import cli

if __name__ == "__main__":
    if len(sys.argv) > 1:
        cli.main(program="python -m bayesmix")
    else:
        # Run, not imported: the command starts without what only the demonstration needs.
        runpy.run_module("bayesmix.demonstration", run_name="__main__")
