"""The command line. What it prints for people goes to stderr; rows, plans and answers go to stdout."""

from __future__ import annotations

from penstock.cli.app import main

__all__ = ["main"]
