-- uses: customers
SELECT c.id, v.x FROM customers c, LATERAL (VALUES (c.id), (c.score)) AS v (x);
