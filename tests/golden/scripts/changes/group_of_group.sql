-- uses: changes
SELECT total, COUNT(*) AS names
FROM (SELECT name, SUM(qty) AS total FROM changes GROUP BY name)
GROUP BY total;
