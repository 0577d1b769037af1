-- uses: changes customers
SELECT c.id, c.qty, u.name
FROM changes c JOIN customers u ON c.id = u.id;
