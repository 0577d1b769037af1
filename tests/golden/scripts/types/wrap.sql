SELECT x + 1 AS up, x * 2 AS twice
FROM (VALUES (2147483647), (-2147483648), (5)) AS t(x);
