-- uses: orders
SELECT id, CASE WHEN amount > 2 THEN amount ELSE price END AS v, COALESCE(product, 'none') AS p, NULLIF(amount, 3) AS n
FROM orders
WHERE id < 10;
