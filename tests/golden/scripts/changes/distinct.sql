-- uses: changes
SELECT DISTINCT name
FROM changes;
