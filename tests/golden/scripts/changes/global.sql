-- uses: changes
SELECT COUNT(*) AS n, SUM(qty) AS total
FROM changes;
