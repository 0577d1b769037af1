-- uses: customers orders
SELECT c.id, o.product, o.n FROM customers c, LATERAL (SELECT product, COUNT(*) AS n FROM orders WHERE customer = c.id GROUP BY product) o;
