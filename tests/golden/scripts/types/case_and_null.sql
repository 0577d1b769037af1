-- uses: orders
SELECT id, CASE amount WHEN 1 THEN 'one' WHEN NULL THEN 'null' ELSE 'many' END, NULLIF(product, 'tea'), COALESCE(product, 'none'), IFNULL(amount, 0), GREATEST(amount, 2), LEAST(amount, customer), amount IN (1, 2, NULL), amount NOT IN (1, 2), amount IS DISTINCT FROM customer FROM orders;
