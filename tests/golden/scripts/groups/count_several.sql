-- uses: orders
SELECT COUNT(product, price) AS both_known, COUNT(DISTINCT customer, product) AS pairs FROM orders;
