-- uses: orders
SELECT id, product FROM orders WHERE amount IS NOT NULL ORDER BY amount * 100 + id DESC LIMIT 4;
