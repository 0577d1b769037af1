-- uses: customers orders
SELECT id, CASE WHEN EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id) THEN 'yes' ELSE 'no' END AS ordered FROM customers c;
