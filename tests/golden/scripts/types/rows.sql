SELECT r.a, r.b.c AS c
FROM (SELECT CAST(ROW(1, ROW('x')) AS ROW<a INT, b ROW<c STRING>>) AS r
FROM (VALUES (1)) AS v(z)) AS t;
