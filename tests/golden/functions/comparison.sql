i = 3
i <> 3
i < bi
i <= si
i > d
i >= p
p = q
f = d
d = d
s = 'abc'
s < u
s >= u
b = TRUE
b <> FALSE
b < TRUE
dt = DATE '2024-02-29'
dt < ts
ts = t6
ts < TIMESTAMP '2024-01-01 00:00:00'
lz > TO_TIMESTAMP_LTZ(0, 3)
tm > TIME '12:00:00'
dt = '2024-02-29'
ts > '2024-01-01 00:00:00'
i = '3'
s = 123
bs = ENCODE('abc', 'UTF-8')
ai = ARRAY[3, 3, CAST(NULL AS INT), 1]
i IS NULL
i IS NOT NULL
s IS NULL
i IS DISTINCT FROM 3
i IS NOT DISTINCT FROM 3
i IS DISTINCT FROM NULL
s IS NOT DISTINCT FROM u
i BETWEEN 0 AND 10
i NOT BETWEEN 0 AND 10
i BETWEEN SYMMETRIC 10 AND 0
s BETWEEN 'a' AND 'b'
dt BETWEEN DATE '2020-01-01' AND DATE '2024-01-01'
d BETWEEN i AND bi
i IN (1, 2, 3)
i NOT IN (1, 2, 3)
i IN (3, NULL)
i NOT IN (3, NULL)
s IN ('abc', '')
s NOT IN ('abc', '')
i IN (bi, si)
p IN (1.25, -0.01)
s LIKE 'a%'
s LIKE '%o%'
s LIKE '_b_'
s LIKE ''
s LIKE '%'
s LIKE 'a,b,,c'
s LIKE '%ü_'
s NOT LIKE 'a%'
s LIKE u
s LIKE '%' || u || '%'
'50%' LIKE '50!%' ESCAPE '!'
'50x' LIKE '50!%' ESCAPE '!'
s LIKE 'a.c'
s SIMILAR TO 'a(b|x)c'
s SIMILAR TO '[0-9]+'
s NOT SIMILAR TO '%o%'
b AND i > 0
b OR i > 0
NOT b
b AND CAST(NULL AS BOOLEAN)
b OR CAST(NULL AS BOOLEAN)
b IS TRUE
b IS NOT TRUE
b IS FALSE
b IS NOT FALSE
b IS UNKNOWN
b IS NOT UNKNOWN
(i > 0) IS UNKNOWN
CASE WHEN i > 0 THEN 'pos' WHEN i < 0 THEN 'neg' ELSE 'zero' END
CASE WHEN b THEN i END
CASE WHEN b THEN i ELSE bi END
CASE WHEN b THEN p ELSE i END
CASE WHEN b THEN d ELSE p END
CASE WHEN b THEN p ELSE q END
CASE i WHEN 3 THEN 'three' WHEN 0 THEN 'zero' END
CASE WHEN b THEN 'abc' ELSE 'z' END
CASE WHEN b THEN dt END
CASE WHEN b THEN ts ELSE t6 END
NULLIF(i, 3)
NULLIF(s, '')
NULLIF(p, 1.25)
NULLIF(i, bi)
COALESCE(i, 0)
COALESCE(i, bi, 5)
COALESCE(s, u, 'none')
COALESCE(CAST(NULL AS INT), i)
COALESCE(p, q)
IF(i > 0, 'yes', 'no')
IF(b, i, bi)
IF(b, p, 0)
IFNULL(i, 5)
IFNULL(s, 'none')
IFNULL(i, bi)
IS_ALPHA(s)
IS_DECIMAL(s)
IS_DIGIT(s)
IS_DECIMAL(u)
IS_DIGIT(u)
IS_ALPHA(u)
(i, s) = (3, 'abc')
