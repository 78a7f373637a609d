"""The command line: one small file per command; arguments, one call, one print."""

from surgery.cli.main import main

__all__ = ["main"]
