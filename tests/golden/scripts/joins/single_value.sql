-- uses: customers orders
SELECT id, (SELECT name FROM customers WHERE id = 1) AS first_name FROM orders WHERE id < 5;
