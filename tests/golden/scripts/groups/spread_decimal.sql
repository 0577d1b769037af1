-- uses: orders
SELECT STDDEV_POP(price), VAR_SAMP(price), AVG(DISTINCT price), SUM(DISTINCT amount), STDDEV_SAMP(amount), VAR_POP(amount) FROM orders;
