-- uses: changes customers
SELECT name FROM changes UNION SELECT name FROM customers;
