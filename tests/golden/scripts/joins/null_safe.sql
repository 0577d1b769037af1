-- uses: orders customers
SELECT o.id, c.name
FROM orders o JOIN customers c ON o.customer IS NOT DISTINCT
FROM c.id;
