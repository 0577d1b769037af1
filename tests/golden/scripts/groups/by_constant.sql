-- uses: orders
SELECT customer, COUNT(*) FROM orders GROUP BY 1;
