SELECT a, b
FROM (VALUES (1, 'x'), (2, NULL), (3, 'yy')) AS t(a, b);
