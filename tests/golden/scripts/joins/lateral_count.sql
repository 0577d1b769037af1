-- uses: customers orders
SELECT c.id, o.n, o.most FROM customers c, LATERAL (SELECT COUNT(*) AS n, MAX(amount) AS most FROM orders WHERE customer = c.id) o;
