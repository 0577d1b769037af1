"""Cases whose expected results a real Flink gave: `python tools/flink_golden.py` makes them again."""
