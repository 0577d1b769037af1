-- uses: customers
WITH rich AS (SELECT * FROM customers WHERE score > 5), p AS (SELECT * FROM rich WHERE city = 'Paris') SELECT r.name, p.name AS other
FROM rich r LEFT JOIN p ON r.id = p.id;
