-- uses: orders
SELECT PERCENTILE(amount, 0.5), PERCENTILE(amount, ARRAY[0.25, 0.75]) FROM orders;
