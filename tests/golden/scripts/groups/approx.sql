-- uses: orders
SELECT APPROX_COUNT_DISTINCT(customer) FROM orders;
