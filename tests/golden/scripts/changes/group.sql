-- uses: changes
SELECT name, COUNT(*) AS n, SUM(qty) AS total, MAX(qty) AS top, MIN(qty) AS low, AVG(qty) AS mean
FROM changes
GROUP BY name;
