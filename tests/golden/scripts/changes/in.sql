-- uses: changes customers
SELECT name FROM customers WHERE id IN (SELECT id FROM changes WHERE qty > 4);
