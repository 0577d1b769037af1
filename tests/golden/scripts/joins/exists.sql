-- uses: orders customers
SELECT o.id
FROM orders o
WHERE EXISTS (SELECT 1 FROM customers c WHERE c.id = o.customer AND c.city = 'Paris');
