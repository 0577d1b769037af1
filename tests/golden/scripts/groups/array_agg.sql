-- uses: orders
SELECT customer, ARRAY_AGG(amount) AS a
FROM orders
WHERE id < 15
GROUP BY customer;
