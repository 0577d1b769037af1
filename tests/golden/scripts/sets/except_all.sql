-- uses: orders
SELECT amount
FROM orders
EXCEPT ALL SELECT customer
FROM orders;
