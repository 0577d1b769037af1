-- uses: customers
SELECT a.name, b.name AS other
FROM customers a JOIN customers b ON a.city = b.city AND a.id < b.id;
