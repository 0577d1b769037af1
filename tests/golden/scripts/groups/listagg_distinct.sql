-- uses: orders
SELECT customer, LISTAGG(DISTINCT product, '|') FROM (SELECT DISTINCT customer, product FROM orders WHERE product = 'tea') GROUP BY customer;
