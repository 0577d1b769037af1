-- uses: changes customers
SELECT name FROM customers u WHERE NOT EXISTS (SELECT 1 FROM changes c WHERE c.id = u.id);
