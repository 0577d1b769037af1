"""Expressions as values: terms, functions, their types, their lowering and their plain meaning."""
