-- uses: customers
SELECT name, UPPER(name) AS u, SUBSTRING(name, 2) AS s, name || '-' || city AS c, CHAR_LENGTH(city) AS n
FROM customers;
