-- uses: orders
SELECT id, price + 1, price * amount, price / 3, price / amount, price % 2, -price, price - CAST(0.001 AS DECIMAL(4, 3)), ROUND(price, 1), price * 1.1, CAST(price AS INT), price > 1 FROM orders WHERE amount <> 0;
