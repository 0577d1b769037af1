SELECT x, y
FROM (VALUES (1, ARRAY['a', 'b']), (2, ARRAY['c'])) AS t(x, a) CROSS JOIN UNNEST(a) AS u(y);
