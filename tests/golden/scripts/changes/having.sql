-- uses: changes
SELECT name, SUM(qty) AS s FROM changes GROUP BY name HAVING SUM(qty) > 6 AND COUNT(*) >= 1;
