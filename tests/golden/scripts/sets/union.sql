-- uses: customers changes
SELECT city AS x
FROM customers
UNION SELECT name
FROM customers;
