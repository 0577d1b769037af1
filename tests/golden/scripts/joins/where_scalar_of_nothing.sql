-- uses: customers orders
SELECT c.id FROM customers c WHERE c.id > (SELECT COUNT(*) FROM orders WHERE amount > 1000);
