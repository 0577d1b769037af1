-- uses: customers orders
SELECT c.name, o.amount FROM customers c LEFT JOIN LATERAL (SELECT amount FROM orders WHERE customer = c.id) o ON TRUE;
