"""Random queries over random tables: the engine, the reference and DuckDB must give the same rows."""
