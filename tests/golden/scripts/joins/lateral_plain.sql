-- uses: customers orders
SELECT c.name, o.id FROM customers c, LATERAL (SELECT id, amount FROM orders WHERE customer = c.id AND amount > 1) o;
