-- uses: changes customers
SELECT u.id, u.name, c.qty
FROM customers u LEFT JOIN changes c ON c.id = u.id;
