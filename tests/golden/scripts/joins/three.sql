-- uses: orders customers shipments
SELECT o.id, c.name, s.carrier
FROM orders o JOIN customers c ON o.customer = c.id JOIN shipments s ON s.id = o.id;
