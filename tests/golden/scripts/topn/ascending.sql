-- uses: orders
SELECT id, amount, n
FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY amount, id) AS n FROM orders)
WHERE n <= 5;
