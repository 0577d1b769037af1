-- uses: customers orders
SELECT name FROM customers WHERE id IN (SELECT customer FROM orders GROUP BY customer HAVING COUNT(*) > 7);
