-- uses: orders
SELECT customer, JSON_OBJECTAGG(KEY CAST(id AS STRING) VALUE amount) AS o, JSON_ARRAYAGG(amount NULL ON NULL) AS a FROM orders WHERE customer = 1 GROUP BY customer;
