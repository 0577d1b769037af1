-- uses: changes customers
SELECT id, name
FROM changes
UNION ALL SELECT id, name
FROM customers;
