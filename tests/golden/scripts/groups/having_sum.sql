-- uses: orders
SELECT product, SUM(amount) AS s FROM orders GROUP BY product HAVING SUM(amount) > 5 AND COUNT(*) > 2;
