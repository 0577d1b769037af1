SELECT x, x / 2 AS h, x / 2.0 AS d, x % 2 AS m, -x / 2 AS n
FROM (VALUES (1), (2), (-3), (7)) AS t(x);
