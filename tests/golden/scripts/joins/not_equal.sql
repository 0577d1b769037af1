-- uses: customers orders
SELECT c.id, o.id AS o FROM customers c LEFT JOIN orders o ON c.score < o.amount;
