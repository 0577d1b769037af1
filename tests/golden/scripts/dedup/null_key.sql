-- uses: orders
SELECT id, customer
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY ts DESC) AS n FROM orders)
WHERE n = 1;
