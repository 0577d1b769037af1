-- uses: customers orders shipments
SELECT c.id, o.id AS o, s.carrier FROM customers c LEFT JOIN (orders o JOIN shipments s ON o.id = s.id) ON c.id = o.customer;
