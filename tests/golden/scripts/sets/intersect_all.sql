-- uses: orders
SELECT customer
FROM orders
INTERSECT ALL SELECT amount
FROM orders;
