-- uses: customers orders
SELECT c.id, o.n, o.most FROM customers c LEFT JOIN LATERAL (SELECT COUNT(*) AS n, MAX(amount) AS most FROM orders WHERE customer = c.id) o ON TRUE;
