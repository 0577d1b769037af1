-- uses: orders customers
SELECT id
FROM customers
EXCEPT SELECT customer
FROM orders;
