SELECT a[1] AS f, CARDINALITY(a) AS n, a AS whole
FROM (VALUES (ARRAY[3, 2]), (ARRAY[5, 6])) AS t(a);
