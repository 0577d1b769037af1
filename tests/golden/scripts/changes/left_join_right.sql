-- uses: changes customers
SELECT c.id, c.qty, u.city FROM changes c LEFT JOIN customers u ON c.id = u.id;
