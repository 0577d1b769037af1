"""Write anew what is said of the mistakes in `tests/unit/sql/mistakes.sql`; look at the difference then."""

from __future__ import annotations

from pathlib import Path

from tests.unit.sql.mistakes import FOLDER, told


def main() -> None:
    """Write the file."""
    Path(FOLDER / "mistakes.txt").write_text(told(), encoding="utf-8")


if __name__ == "__main__":
    main()
