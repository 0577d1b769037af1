SELECT s, TRY_CAST(s AS INT) AS i, TRY_CAST(s AS DOUBLE) AS d, TRY_CAST(s AS DECIMAL(5, 2)) AS p, TRY_CAST(s AS BOOLEAN) AS b, TRY_CAST(s AS DATE) AS dt
FROM (VALUES ('1'), (' 7 '), ('1.5'), ('x'), ('true'), ('2024-02-29'), ('')) AS t(s);
