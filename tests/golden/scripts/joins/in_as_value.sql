-- uses: customers orders
SELECT c.id, c.score, c.score IN (SELECT amount FROM orders) AS a, c.id NOT IN (SELECT customer FROM orders WHERE customer IS NOT NULL) AS b FROM customers c;
