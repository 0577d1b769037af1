-- uses: orders
SELECT customer AS c, COUNT(*) FROM orders GROUP BY c;
