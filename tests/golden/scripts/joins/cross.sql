-- uses: customers
SELECT a.name, b.name AS other
FROM customers a CROSS JOIN customers b
WHERE a.score > b.score;
