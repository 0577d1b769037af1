-- uses: customers orders
SELECT c.id, (SELECT COUNT(*) FROM orders WHERE amount > 1000) AS n, (SELECT MAX(amount) FROM orders WHERE amount > 1000) AS most FROM customers c;
