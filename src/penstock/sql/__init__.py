"""SQL in Flink's dialect: text becomes statements, statements are bound to a plan."""
