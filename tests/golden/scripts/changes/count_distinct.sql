-- uses: changes
SELECT COUNT(DISTINCT name) AS n
FROM changes;
