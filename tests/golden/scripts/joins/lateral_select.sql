-- uses: customers
SELECT c.id, v.x FROM customers c, LATERAL (SELECT c.id + 1 AS x) AS v;
