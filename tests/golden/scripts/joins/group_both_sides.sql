-- uses: customers orders
SELECT a.customer, a.n, b.most FROM (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer) a LEFT JOIN (SELECT customer, MAX(amount) AS most FROM orders WHERE amount > 2 GROUP BY customer) b ON a.customer = b.customer;
