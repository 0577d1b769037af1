-- uses: customers orders
SELECT c.id, (SELECT COUNT(*) FROM orders WHERE customer = c.id) AS n, (SELECT MAX(amount) FROM orders WHERE customer = c.id) AS most FROM customers c;
