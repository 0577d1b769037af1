-- uses: orders
SELECT customer FROM orders WHERE customer IS NOT NULL GROUP BY customer ORDER BY SUM(amount) DESC, customer LIMIT 2;
