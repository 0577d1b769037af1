SELECT x, y, n
FROM (VALUES (1, ARRAY['a', 'b']), (2, ARRAY['c'])) AS t(x, a) CROSS JOIN UNNEST(a) WITH ORDINALITY AS u(y, n);
