-- uses: customers orders
SELECT c.name, o.id, o.amount
FROM customers c, LATERAL (SELECT id, amount FROM orders WHERE customer = c.id ORDER BY id LIMIT 2) o;
