-- uses: orders
SELECT id, SUM(price) OVER (PARTITION BY product ORDER BY ts), AVG(price) OVER (PARTITION BY product ORDER BY ts) FROM orders;
