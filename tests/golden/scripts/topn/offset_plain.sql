-- uses: orders
SELECT COUNT(*) FROM (SELECT id FROM orders LIMIT 5 OFFSET 2);
