SELECT t.r.a, t.r.b[1], t.m['x'], CARDINALITY(t.r.b), t.r FROM (
  SELECT CAST(ROW(1, ARRAY['p', 'q']) AS ROW<a INT, b ARRAY<STRING>>) AS r, MAP['x', 1.5, 'y', 2.5] AS m) t;
