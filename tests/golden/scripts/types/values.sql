SELECT a, b
FROM (VALUES (1, 'x'), (2, CAST(NULL AS STRING)), (3, 'yy')) AS t(a, b);
