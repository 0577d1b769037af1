-- uses: orders
SELECT * FROM (SELECT id, product FROM orders) NATURAL JOIN (SELECT id, amount FROM orders WHERE amount > 2);
