-- uses: orders customers
SELECT name, price, n FROM (
  SELECT c.name, o.price, ROW_NUMBER() OVER (PARTITION BY c.name ORDER BY o.price DESC, o.id) AS n
  FROM orders o JOIN customers c ON o.customer = c.id
) WHERE n <= 2;
