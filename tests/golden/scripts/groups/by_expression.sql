-- uses: orders
SELECT COALESCE(product, 'none') AS p, COUNT(*) AS n
FROM orders
GROUP BY COALESCE(product, 'none');
