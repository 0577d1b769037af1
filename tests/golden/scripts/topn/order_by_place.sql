-- uses: orders
SELECT customer, COUNT(*) FROM orders WHERE customer IS NOT NULL GROUP BY customer ORDER BY 2 DESC, 1 LIMIT 2;
