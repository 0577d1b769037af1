ti + ti
ti + 1
si + ti
i + 1
i + i
bi + 1
i - bi
-i
-ti
+i
-d
-p
i * i
bi * bi
ti * si
i / 7
i / 7.0
bi / 3
ti / CAST(2 AS TINYINT)
i % 7
MOD(i, -7)
MOD(bi, 10)
MOD(p, 10)
MOD(p, q + 1000000)
i + p
p + q
p - q
p * q
p + 1.5
p * 1.5
p / 7
p / 3.0
q / 7
q / (p + 1000.5)
w + w
w * 2
w * w
w / 3
w - 1
d + f
d + i
d * 2
f + f
f * 2
f * i
f + p
d / 3
d / 0
f / 3
d + p
d - bi
1.5 + 2.25
CAST(1 AS TINYINT) + CAST(1 AS SMALLINT)
ABS(i)
ABS(ti)
ABS(bi)
ABS(d)
ABS(f)
ABS(p)
SIGN(i)
SIGN(d)
SIGN(p)
SIGN(ti)
POWER(i, 2)
POWER(d, 0.5)
POWER(p, 2)
SQRT(ABS(i))
SQRT(p)
EXP(p / 10000000000)
EXP(CAST(ti AS DOUBLE))
LN(d)
LN(ABS(bi))
LOG10(d)
LOG2(d)
LOG(d)
LOG(2, ABS(i))
LOG(3.0, d)
CEIL(d)
CEIL(p)
CEIL(i)
CEILING(f)
FLOOR(d)
FLOOR(p)
FLOOR(w)
FLOOR(q)
FLOOR(bi)
SIN(d)
SINH(f)
COS(d)
COSH(f)
TAN(f)
TANH(d)
COT(f)
ASIN(f)
ACOS(f)
ATAN(d)
ATAN2(d, f)
DEGREES(f)
RADIANS(d)
ROUND(d)
ROUND(d, 1)
ROUND(p)
ROUND(p, 1)
ROUND(p, -2)
ROUND(w, 3)
ROUND(i, -2)
ROUND(bi, -3)
ROUND(f, 1)
ROUND(-2.5)
ROUND(2.5)
ROUND(i)
TRUNCATE(d)
TRUNCATE(d, 1)
TRUNCATE(p, 1)
TRUNCATE(p)
TRUNCATE(i, -2)
TRUNCATE(q, 3)
TRUNCATE(f, 2)
PI()
E()
BIN(i)
BIN(bi)
HEX(i)
HEX(bi)
HEX(s)
UNHEX('537061726B')
UNHEX(s)
GREATEST(i, 5)
GREATEST(i, bi, 7)
LEAST(i, bi)
LEAST(d, 1.5)
GREATEST(s, u)
LEAST(p, q)
PERCENTILE(d, 0.5)
i / 0
MOD(i, 0)
p / 0
1 / 2
-7 / 2
7 / 2.0
1e0 / 3
10 % 3.5
i IS NULL
